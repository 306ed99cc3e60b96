#!/bin/sh
# Boots the rescue image in QEMU and checks from outside what it promises: see smoke.py.
#
#   docker/rescue-image/smoke.sh [IMAGE] [--jobs N] [--of-std] [--only-here] [CASE...]
#
# IMAGE: target/rescue-images/images/small. All cases if none is named, N at a time. --of-std: of them those that are about the image
# `std` alone; --only-here: those that no test of `cargo test` shows as well.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/sbin:/sbin"
export PATH
for tool in python3 qemu-system-x86_64 qemu-img mke2fs debugfs ssh ssh-keygen; do
  command -v "$tool" >/dev/null || { echo "smoke: $tool is missing; run: make deps" >&2; exit 1; }
done
image=${1:-"$here/../../target/rescue-images/images/small"}
[ $# -eq 0 ] || shift
[ -e "$image/initramfs" ] || { echo "smoke: no image in $image; run: make rescue-image" >&2; exit 1; }
exec python3 "$here/smoke.py" "$image" "$@"
