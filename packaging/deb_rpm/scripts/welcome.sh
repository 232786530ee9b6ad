# Before anything is unpacked. Asked of the release that is in force, which knows the state; where that cannot answer,
# the release that comes asks the same once it is here.
welcome() {
  [ -x /opt/ao/current/bin/ao ] || return 0
  status=0
  /opt/ao/current/bin/ao package check --release '@VERSION@' --upgrades-from '@OLDEST@' --state-schema '@SCHEMA@' \
    >/dev/null || status=$?
  case $status in
    0) ;;
    114 | 117) say "@VERSION@ is not taken; everything stays as it was."; exit "$status" ;;
    *) say "The release in force did not say whether @VERSION@ may come; @VERSION@ will look itself." ;;
  esac
}
