# The installer does it all, and finishes first what an earlier run was cut off in.
take() {
  status=0
  '@TREE@/bin/ao' package install '@TREE@' || status=$?
  [ "$status" -ne 0 ] || return 0
  if [ -x /opt/ao/current/bin/ao ]; then
    serves=$(readlink /opt/ao/current)
    say "Release @VERSION@ is here and not in force; ${serves##*/} is. The reason stands above."
  else
    say "Release @VERSION@ is here and not installed yet. The reason stands above."
  fi
  say "After mending it: @AGAIN@"
  exit "$status"
}
