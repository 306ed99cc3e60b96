#!/bin/sh
# In the last stage of a container image, and for a rescue image: its bill of materials, CycloneDX 1.5 as JSON.
#
#   sbom.sh IMAGE VERSION PROGRAM...     what programs.sh left lies beside this script; writes /usr/share/lifeboat/sbom.cdx.json
#   TYPE=operating-system CRATES=FOLDER PACKAGES=FILE SBOM=FILE sbom.sh IMAGE VERSION PROGRAM...
#       with the packages that a file lists ("name version") in place of this system's, as docker/rescue-image/build.sh does
#
# Components: the crates that are in the programs, the Debian packages of the image, and in an image with boot files the packages of the
# rescue system (its packages.txt). Sorted, and without times or serial numbers, so that the same contents give the same file.
set -eu
image=$1 version=$2
shift 2
crates=${CRATES:-$(dirname "$0")/crates}
out=${SBOM:-/usr/share/lifeboat/sbom.cdx.json}
. /etc/os-release
mkdir -p "$(dirname "$out")"

# ecosystem, name, version, licence, source: one component a line.
components() {
  for it; do
    # "name version (place) (proc-macro)|licence"; a place in the file system is one of ours.
    sed -n 's/^\([^ ]*\) v\([^ |]*\)\([^|]*\)|\(.*\)$/cargo|\1|\2|\4|\3/p' "$crates/$it"
  done
  if [ -n "${PACKAGES:-}" ]; then
    sed 's/^\([^ ]*\) \(.*\)$/deb|\1|\2||/' "$PACKAGES"
    return
  fi
  dpkg-query --show --showformat='${db:Status-Status}|${Package}|${Version}||\n' | sed -n 's/^installed|/deb|/p'
  for it in /usr/share/lifeboat/boot/images/*/packages.txt; do
    [ ! -s "$it" ] || sed -n 's/^\([^ #\t]*\)[ \t][ \t]*\([^ \t]*\).*/rescue|\1|\2||/p' "$it"
  done
}

components "$@" | LC_ALL=C sort -u | awk -F'|' -v type="${TYPE:-container}" -v image="$image" -v version="$version" -v distro="${ID:-debian}" '
  function text(s) { gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); return "\"" s "\"" }
  # What may stand in a package URL.
  function escaped(s) { gsub(/%/, "%25", s); gsub(/\+/, "%2B", s); gsub(/:/, "%3A", s); gsub(/~/, "~", s); return s }
  BEGIN {
    print "{\"bomFormat\": \"CycloneDX\", \"specVersion\": \"1.5\", \"version\": 1,"
    print " \"metadata\": {\"component\": {\"type\": " text(type) ", \"bom-ref\": \"image\", \"name\": " text("lifeboat-" image) ", \"version\": " text(version) "}},"
    printf " \"components\": ["
  }
  {
    purl = ($1 == "cargo" ? "pkg:cargo/" : "pkg:deb/" distro "/") escaped($2) "@" escaped($3)
    ref = $1 ":" $2 "@" $3
    if (seen[ref]++) next
    printf "%s\n  {\"type\": \"library\", \"bom-ref\": %s, \"name\": %s, \"version\": %s, \"purl\": %s", (n++ ? "," : ""), text(ref), text($2), text($3), text(purl)
    # Old manifests say "MIT/Apache-2.0" for what is spelled with OR today.
    if ($4 != "") { gsub(/ *\/ */, " OR ", $4); printf ", \"licenses\": [{\"expression\": %s}]", text($4) }
    if ($1 == "rescue") printf ", \"group\": \"rescue system\""
    printf "}"
  }
  END { print "\n ]}" }
' >"$out.part"
mv "$out.part" "$out"
