#!/bin/sh
# Makes the Debian guest's disk: a minimal system with systemd, udev, dbus and networkd on the cloud kernel. On Ubuntu: Ubuntu.
#
#   tests/guests/debian.sh OUT.qcow2
#
# It boots to `debian login:` on ttyS0 (root's password is locked), answers the power button, and behaves in a broken boot as Debian
# does. The unpacked system is cached (tree.sh).
# Without root, mmdebstrap needs the package uidmap.
set -eu
export LC_ALL=C
umask 022
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/sbin:/sbin"
. "$here/../../scripts/lib/packages.sh"
. "$here/lib.sh"
. "$here/tree.sh"
die() { echo "debian: $*" >&2; exit 1; }

[ $# -eq 1 ] || { echo "usage: tests/guests/debian.sh OUT.qcow2" >&2; exit 1; }
out=$1
started=$(date +%s)
for tool in mmdebstrap mke2fs sfdisk grub-mkimage qemu-img; do
  command -v "$tool" >/dev/null || die "$tool is missing; run: make deps"
done
. /etc/os-release

cached=$(guest_tree debian "systemd-sysv udev dbus e2fsprogs iproute2 initramfs-tools $(guest_kernel_meta)" "$here/debian") || exit 1

# ── the disk
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$(dirname "$out")/.debian.XXXXXX")
# Files belong to many users, which only (mapped) root can keep.
as_owner() { if [ "$(id -u)" = 0 ]; then "$@"; else mmdebstrap --unshare-helper "$@"; fi; }
trap 'as_owner rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"
as_owner sh -c '
  set -e
  mkdir "$1/root"
  tar -C "$1/root" --xattrs --exclude=./dev/* -xf "$2"
  mke2fs -q -F -t ext4 -L guestroot -d "$1/root" "$1/part" 1500M >/dev/null' make "$work" "$cached" || die "the file system can't be made"
guest_disk "$work/part" "$out" / || die "the disk can't be made"
echo "debian: $(($(stat -c %b "$out") * 512 / 1048576)) MiB in $(($(date +%s) - started)) s: $out"
