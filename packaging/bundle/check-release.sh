#!/bin/sh
# Checks a file of a release before anything of it runs: sh check-release.sh trust.json release.json FILE
#
# For the first installation, when there is no AO Appliance yet that could check; later, `ao verify` does more. It needs
# sh, sed, tr, grep, base64, sha256sum and OpenSSL 3 (pkeyutl -rawin). It came on the same medium as the file: read it,
# it is short, or run it where you trust it. What it rests on is the digest of the trust document, which it prints and
# which you compare with what the vendor told you by telephone. Ed25519 only; where the trust asks for more, it says so.
set -eu
LC_ALL=C export LC_ALL
refuse() { printf '%s\n' "NOT to be installed: $*" >&2; exit 1; }
[ $# -eq 3 ] || { printf '%s\n' "usage: sh $0 trust.json release.json FILE" >&2; exit 2; }
trust=$1 release=$2 file=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A member of an envelope, which is JSON on one line. URL-safe base64 is turned into the standard alphabet.
member() { tr -d ' \n\r\t' <"$1" | sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p" | tr -- '-_' '+/'; }
body() { member "$1" payload | base64 -d >"$2" 2>/dev/null && [ -s "$2" ] || refuse "$1 is not a signed document."; }

body "$trust" "$work/trust"
body "$release" "$work/release"
type=application/vnd.ao.release.v1+json
grep -q "\"payloadType\" *: *\"$type\"" "$release" || refuse "$release is not a release."
{ printf 'DSSEv1 %s %s %s ' "${#type}" "$type" "$(wc -c <"$work/release" | tr -d ' ')"; cat "$work/release"; } >"$work/pae"

role=$(sed -n 's/.*"release":{"at_least":{\([^}]*\)},"epoch":[0-9]*,"keys":\[\([^]]*\)\],"threshold":\([0-9]*\)}.*/\1|\2|\3/p' "$work/trust")
[ -n "$role" ] || refuse "the trust document names nobody for releases."
[ -z "${role%%|*}" ] || refuse "the trust asks for signatures by several algorithms: check it with ao verify on another host."
role=${role#*|} threshold=${role##*|}
revoked=$(sed -n 's/.*"revoked":{"keys":\[\([^]]*\)\].*/\1/p' "$work/trust")

tr -d ' \n\r\t' <"$release" | grep -o '"sig":"[^"]*"' | cut -d'"' -f4 | tr -- '-_' '+/' >"$work/signatures"
signed=0
for key in $(printf '%s' "${role%|*}" | tr -d '"' | tr ',' ' '); do
  case $revoked in *"$key"*) continue ;; esac
  public=$(sed -n "s/.*\"$key\":{\"algorithm\":\"ed25519\",\"public\":\"\([^\"]*\)\"}.*/\1/p" "$work/trust")
  [ -n "$public" ] || continue
  # What comes before the 32 bytes of an Ed25519 key in the form that OpenSSL reads (RFC 8410).
  { printf '\060\052\060\005\006\003\053\145\160\003\041\000'; printf '%s' "$public" | base64 -d; } >"$work/key"
  while read -r signature; do
    printf '%s' "$signature" | base64 -d >"$work/signature" 2>/dev/null || continue
    if openssl pkeyutl -verify -pubin -inkey "$work/key" -keyform DER -rawin -in "$work/pae" \
      -sigfile "$work/signature" >/dev/null 2>&1; then
      signed=$((signed + 1))
      break
    fi
  done <"$work/signatures"
done
[ "$signed" -ge "$threshold" ] || refuse "$signed of the $threshold signatures that are needed are good."

name=${file##*/}
listed=$(tr '{' '\n' <"$work/release" | grep -F "\"file\":\"$name\"" | sed -n 's/.*"sha256":"sha256:\([0-9a-f]*\)".*/\1/p')
[ -n "$listed" ] || refuse "the release does not list $name."
found=$(sha256sum <"$file")
[ "${found%% *}" = "$listed" ] || refuse "$name has the SHA-256 ${found%% *}; the release names $listed."

version=$(sed -n 's/.*"version":"\([^"]*\)".*/\1/p' "$work/release")
digest=$(sha256sum <"$work/trust")
printf '%s\n' "$name is that of release $version, signed by $signed of $threshold." \
  "It is as good as the trust document, whose digest must be what the vendor told you:" "  sha256:${digest%% *}"
