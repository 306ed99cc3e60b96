#!/bin/sh
# Makes the UEFI guest's disk: Debian on a GPT disk with an EFI system partition, /boot on ext4, and / and /var on xfs in logical volumes.
#
#   tests/guests/uefi.sh OUT.qcow2 RESCUE_IMAGE      RESCUE_IMAGE: the folder of the rescue image std
#
# It boots to `uefi login:` on ttyS0 (root's password is locked), and has an SSH server. Volumes and xfs can't be made without a kernel
# and privileges, so the disk is put together inside a machine of QEMU's, on the kernel and with the tools of that rescue image
# (inside.sh). The unpacked system is cached (tree.sh). GRUB is installed by hand, as no firmware is there to be told of it: what the
# package ships built lies in EFI/debian, as grub-install would put it, and in EFI/BOOT, where firmware looks that knows nothing else.
set -eu
export LC_ALL=C
umask 022
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/sbin:/sbin"
. "$here/../../scripts/lib/packages.sh"
. "$here/lib.sh"
. "$here/tree.sh"
. "$here/inside.sh"
die() { echo "uefi: $*" >&2; exit 1; }

[ $# -eq 2 ] || { echo "usage: tests/guests/uefi.sh OUT.qcow2 RESCUE_IMAGE" >&2; exit 1; }
out=$1
image=$2
started=$(date +%s)
for tool in mmdebstrap cpio qemu-img qemu-system-x86_64; do
  command -v "$tool" >/dev/null || die "$tool is missing; run: make deps"
done
[ -s "$image/initramfs" ] || die "there is no rescue image in $image; run: scripts/built.sh rescue-image-std"
. /etc/os-release

packages="systemd-sysv udev dbus e2fsprogs xfsprogs dosfstools lvm2 iproute2 initramfs-tools openssh-server grub-efi-amd64-bin"
cached=$(guest_tree uefi "$packages $(guest_kernel_meta)" "$here/uefi") || exit 1

mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$(dirname "$out")/.uefi.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
qemu-img create -q -f qcow2 "$work/qcow2" 3G || die "the disk can't be made"
guest_inside "$image" "$here/uefi/install.sh" "$work" \
  -drive "file=$work/qcow2,format=qcow2,if=none,id=d0,cache=unsafe" -device virtio-blk-pci,drive=d0 \
  -drive "file=$cached,format=raw,if=none,id=d1,readonly=on" -device virtio-blk-pci,drive=d1 || die "the disk can't be made"
mv "$work/qcow2" "$out"
echo "uefi: $(($(stat -c %b "$out") * 512 / 1048576)) MiB in $(($(date +%s) - started)) s: $out"
