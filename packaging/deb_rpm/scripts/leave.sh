# The release in force takes the appliance off; where it cannot, the package's own does.
leave() {
  ao=/opt/ao/current/bin/ao
  "$ao" package --help >/dev/null 2>&1 || ao='@TREE@/bin/ao'
  "$ao" package remove
}
