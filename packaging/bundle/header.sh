#!/bin/sh
# AO Appliance @VERSION@ for Linux on @ARCH@: a script, and after its last line the release as a compressed archive.
# It needs sh, tar, gzip, sha256sum, df, tail and what else every Linux has; no network, no Python, no xz.
#
# What this header can tell: whether the archive is whole. What it cannot: whether somebody changed header and archive
# together. Compare the file's own SHA-256, or its signature, before you run it: README.md of the delivery says how.
set -eu

version='@VERSION@' arch='@ARCH@' payload='@SHA256@' header=@HEADER@ size=@SIZE@ room=@ROOM@
self=$0 made=

say() { printf '%s\n' "$*" >&2; }
refuse() { code=$1; shift; say "$@"; exit "$code"; }
clean() { [ -z "$made" ] || rm -rf "$made"; }
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

help() {
  cat <<EOF
AO Appliance $version for Linux on $arch

  sh ${self##*/} [OPTIONS OF ao install]   check the archive, unpack it for the moment, install it
  sh ${self##*/} --preflight [OPTIONS]     only say whether this host is fit for it; nothing is installed
  sh ${self##*/} --verify-only             only check that the archive is whole
  sh ${self##*/} --extract DIR             check it and unpack it into DIR, which is empty or does not exist
  sh ${self##*/} --install-help            what ao install understands
  sh ${self##*/} --help                    this

  --unpack-in DIR, given first: unpack below DIR. Without it TMPDIR, /var/tmp and /tmp are tried in this order.
  It takes $room KiB there for the time of the installation.

Exit codes: 2 wrong use, 40 this host cannot unpack or run it, 50 the file is damaged; else those of the command.
EOF
}

check() {
  for tool in tar gzip sha256sum df tail; do
    command -v "$tool" >/dev/null 2>&1 || refuse 40 "This host has no $tool, which is needed to unpack the release."
  done
  [ -r "$self" ] || refuse 2 "Run it as: sh ${self##*/} (the file must be readable)."
  have=$(wc -c <"$self")
  [ "$have" -eq $((header + size)) ] ||
    refuse 50 "The file is damaged: it has $have bytes and should have $((header + size)). Copy it again."
  found=$(tail -c +$((header + 1)) "$self" | sha256sum)
  [ "${found%% *}" = "$payload" ] ||
    refuse 50 "The file is damaged: its archive has the SHA-256 ${found%% *} and should have $payload. Copy it again."
}

unpack() {
  (umask 022 && tail -c +$((header + 1)) "$self" | gzip -dc | (cd "$1" && tar -xf -)) ||
    refuse 40 "The archive could not be unpacked into $1."
}

# A folder of our own below $1, nobody else's to read: on a file system with room, from which programs may be run.
fits() {
  [ -d "$1" ] && [ -w "$1" ] || { why="$1 is not a folder that can be written to"; return 1; }
  free=$(df -Pk "$1" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$room" ] || { why="$1 has $free KiB of the $room KiB that are needed"; return 1; }
  try=$1/ao-unpacked.$$
  (umask 077 && mkdir "$try") 2>/dev/null || { why="$try cannot be made"; return 1; }
  made=$try
  printf '#!/bin/sh\nexit 0\n' >"$try/runs" && chmod 700 "$try/runs"
  if "$try/runs" 2>/dev/null; then rm "$try/runs"; return 0; fi
  rm -rf "$try"; made=
  why="$1 is mounted so that no program may be run from it (noexec)"
  return 1
}

unpack_somewhere() {
  reasons= why=
  for place in "$@"; do
    if fits "$place"; then unpack "$made"; return 0; fi
    reasons="$reasons
  $why"
  done
  refuse 40 "There is no place to unpack the release for the moment:$reasons
Name one: sh ${self##*/} --unpack-in DIR"
}

# Compiled parts of the release are loaded by nearly every command: without this the reason would be a traceback.
can_run() {
  if said=$("$made/runtime/bin/python3" -I -S -c 'import ctypes; ctypes.CDLL("libgcc_s.so.1")' 2>&1); then return 0; fi
  refuse 40 "The release cannot run on this host: $(printf '%s\n' "$said" | tail -n 1)
It needs glibc 2.28 or newer and its libgcc_s.so.1 (Debian: package libgcc-s1; Kylin, UOS and others: libgcc)."
}

run() {
  [ "$(uname -m)" = "$arch" ] || refuse 40 "This is the release for $arch; this host is $(uname -m)."
  if [ -n "$below" ]; then unpack_somewhere "$below"; else unpack_somewhere ${TMPDIR:+"$TMPDIR"} /var/tmp /tmp; fi
  can_run
  status=0
  "$made/bin/ao" "$@" || status=$?
  exit "$status"
}

below=
if [ "${1-}" = --unpack-in ]; then
  [ $# -ge 2 ] || refuse 2 "--unpack-in needs a folder."
  below=$2
  shift 2
fi
case ${1-} in
  --help | -h) help; exit 0 ;;
  --verify-only) check; printf '%s\n' "AO Appliance $version for $arch: the archive is whole, SHA-256 $payload."; exit 0 ;;
  --extract)
    [ $# -eq 2 ] || refuse 2 "--extract needs one folder."
    check
    if [ -e "$2" ] && { [ ! -d "$2" ] || [ -n "$(ls -A "$2")" ]; }; then refuse 2 "$2 is there and is not an empty folder."; fi
    mkdir -p "$2"
    unpack "$2"
    exit 0
    ;;
  --preflight) shift; check; run preflight "$@" ;;
  --install-help) check; run install --help ;;
  *) check; run install "$@" ;;
esac
exit 0
