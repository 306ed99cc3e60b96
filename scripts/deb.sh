#!/bin/bash
# Debian packages of region, host, baremetal-agent and climc, by cargo-deb:
#
#   scripts/deb.sh [PACKAGE...]     into target/debian; all of them, or crates by their names
#
#   PROFILE    cargo's: release, or dev to try things
#   NO_BUILD   yes: with the programs that are built already
set -euo pipefail
cd "$(dirname "$0")/.."
target=${LIFEBOAT_TARGET:-$PWD/target}
profile=${PROFILE:-release}
case "$profile" in dev) folder=$target/debug ;; *) folder=$target/$profile ;; esac
command -v cargo-deb >/dev/null || { echo "cargo-deb is not installed: cargo install cargo-deb --locked" >&2; exit 1; }
[ $# -gt 0 ] || set -- region host baremetal-agent climc
export CARGO_TARGET_DIR=$target

[ "${NO_BUILD:-}" = yes ] || cargo build --quiet --workspace --bins --profile "$profile"
for it in "$@"; do
  [ -x "$folder/$it" ] || { echo "deb: $folder/$it is not built" >&2; exit 1; }
done

# What climc prints for shells and man.
if [[ " $* " = *" climc "* ]]; then
  rm -rf "$folder/deb"
  mkdir -p "$folder/deb/man"
  "$folder/climc" completion bash >"$folder/deb/climc.bash"
  "$folder/climc" completion zsh >"$folder/deb/_climc"
  "$folder/climc" completion fish >"$folder/deb/climc.fish"
  "$folder/climc" man --dir "$folder/deb/man"
fi
# Packages to try things are made in seconds, and are larger.
quick=
[ "$profile" != dev ] || quick="--fast --strip"
for it in "$@"; do
  # shellcheck disable=SC2086
  cargo deb $quick --quiet --no-build --locked --profile "$profile" --package "$it" --output "$target/debian/"
done
ls "$target"/debian/*.deb
