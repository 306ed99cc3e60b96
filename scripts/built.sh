#!/bin/sh
# Builds what is no Rust program, unless it is there already and made from the same sources:
#
#   scripts/built.sh rescue-image       target/rescue-images: images/small (kernel, initramfs, signed manifest) and the development key
#   scripts/built.sh rescue-image-std   the same of images/std
#   scripts/built.sh tiny               target/guests/tiny.qcow2
#   scripts/built.sh debian             target/guests/debian.qcow2
#   scripts/built.sh uefi               target/guests/uefi.qcow2, and the rescue image std, in which it is put together
#
# A stamp beside each holds the digest of the sources it was made from; `make clean` or --force builds anew.
set -eu
cd "$(dirname "$0")/.."
target=${LIFEBOAT_TARGET:-$PWD/target}
guests="$target/guests"
images="$target/rescue-images"
force=no

sources() { # FOLDER_OR_FILE...: a digest over everything in them
  find "$@" -type f ! -name '*.md' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

fresh() { # STAMP DIGEST FILE...
  [ "$force" = no ] && [ "$(cat "$1" 2>/dev/null)" = "$2" ] || return 1
  shift 2
  for file in "$@"; do [ -s "$file" ] || return 1; done
}

rescue_image() { # NAME FOLDER_OF_ITS_BASE...
  name=$1
  out="$images/images/$name"
  stamp="$images/$name.stamp"
  for folder; do set -- "$@" "docker/rescue-image/$folder"; shift; done
  digest=$(sources "$@" docker/rescue-image/build.sh docker/rescue-image/root docker/lib/sbom.sh scripts/lib crates/rescue-agent crates/doctor crates/types Cargo.lock)
  if ! fresh "$stamp" "$digest" "$out/kernel" "$out/initramfs" "$out/licences.txt" "$out/sbom.json" "$out/image.json"; then
    rm -f "$stamp"
    docker/rescue-image/build.sh "$name" "$out"
    echo "$digest" >"$stamp"
  fi
  sign
}

# The key is made once and stays: hosts that trusted it go on doing so.
sign() {
  agent="$target/debug/baremetal-agent"
  [ -x "$agent" ] || agent="$target/release/baremetal-agent"
  [ -x "$agent" ] || cargo build --quiet --workspace --bins
  [ -x "$agent" ] || agent="$target/debug/baremetal-agent"
  key="$images/keys/development"
  if [ ! -s "$key.key" ] || [ ! -s "$key.pub" ]; then
    mkdir -p "$images/keys"
    "$agent" image keygen "$key"
    rm -f "$out/manifest.json.minisig"
  fi
  if [ ! -s "$out/manifest.json.minisig" ] || [ "$out/image.json" -nt "$out/manifest.json.minisig" ]; then
    "$agent" image sign --key "$key.key" "$out"
  fi
}

guest() { # NAME ARGUMENT...
  case "$1" in
    tiny) with= ;;
    debian) with=tests/guests/tree.sh ;;
    uefi) with="tests/guests/tree.sh tests/guests/inside.sh" ;;
  esac
  # shellcheck disable=SC2086
  digest=$(sources "tests/guests/$1.sh" scripts/lib "tests/guests/$1" tests/guests/lib.sh $with)
  if ! fresh "$guests/$1.stamp" "$digest" "$guests/$1.qcow2"; then
    mkdir -p "$guests"
    rm -f "$guests/$1.stamp"
    name=$1
    shift
    "tests/guests/$name.sh" "$guests/$name.qcow2" "$@"
    echo "$digest" >"$guests/$name.stamp"
  fi
}

[ $# -gt 0 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 1; }
for what in "$@"; do
  case "$what" in
    --force) force=yes ;;
    rescue-image) rescue_image small ;;
    rescue-image-std) rescue_image std small ;;
    tiny | debian) guest "$what" ;;
    uefi) rescue_image std small; guest uefi "$images/images/std" ;;
    *) echo "scripts/built.sh: nothing is called '$what'; there are rescue-image, rescue-image-std, tiny, debian and uefi" >&2; exit 1 ;;
  esac
done
