#!/bin/sh
# In the build stage of each image: all programs, and what the bill of materials needs to know of them.
#
#   programs.sh TARGET OUT     PROFILE and CARGO_FLAGS from the environment
#
# OUT/bin has the programs, OUT/crates/PROGRAM the crates that are in each ("name version (place)|licence", one a line).
set -eu
target=$1 out=$2
profile=${PROFILE:-release}
programs="region lifeboat host baremetal-agent climc"

# The cache of compiled crates is one for all checkouts, whose files may be older than it though they are others. Crates of the
# registry never change.
find crates proto tests -type f -exec touch {} +

packages=$(for it in $programs; do printf -- '--package %s ' "$it"; done)
# shellcheck disable=SC2086
# A folder for each kind of machine: several may be built for at once, and compiled code is not shared between them.
CARGO_TARGET_DIR=$target/$(uname -m) cargo build --locked --profile "$profile" $packages ${CARGO_FLAGS:-}

case "$profile" in dev) folder=debug ;; *) folder=$profile ;; esac
mkdir -p "$out/bin" "$out/crates"
for it in $programs; do
  install "$target/$(uname -m)/$folder/$it" "$out/bin/$it"
  strip --strip-debug "$out/bin/$it"
  # shellcheck disable=SC2086
  cargo tree --locked ${CARGO_FLAGS:-} --package "$it" --edges normal --prefix none --format '{p}|{l}' |
    sed 's/ (\*)$//' | sort -u >"$out/crates/$it"
done
cp "$(dirname "$0")/sbom.sh" "$out/sbom.sh"
