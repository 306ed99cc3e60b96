#!/bin/sh
# Makes the tiny guest's disk: the distribution's cloud kernel and busybox, with what real systems do when they can't boot.
#
#   tests/guests/tiny.sh OUT.qcow2
#
# It boots to `tiny login:` on ttyS0 (nobody can log in), turns itself off on the power button (unless the second disk's serial is
# `deaf`) or when its guest agent is asked to, and stops with a message where /sbin/init is gone or a line of /etc/fstab can't be
# served. Packages come from the cache (scripts/lib/packages.sh); no root needed.
set -eu
export LC_ALL=C
umask 022
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/sbin:/sbin"
. "$here/../../scripts/lib/packages.sh"
. "$here/../../scripts/lib/tree.sh"
. "$here/lib.sh"
die() { echo "tiny: $*" >&2; exit 1; }

[ $# -eq 1 ] || { echo "usage: tests/guests/tiny.sh OUT.qcow2" >&2; exit 1; }
out=$1
started=$(date +%s)
for tool in apt-get dpkg-deb cpio gzip depmod modprobe mke2fs sfdisk grub-mkimage qemu-img; do
  command -v "$tool" >/dev/null || die "$tool is missing; run: make deps"
done

busybox=$(lb_closure busybox-static | grep '^busybox-static=') || die "busybox-static is not available"
kernel=$(lb_real_kernel "$(guest_kernel_meta)") || die "no kernel is available"
# The guest agent, and the libraries it may need; what else its package wants is for a whole system.
agent=$(lb_closure qemu-guest-agent | grep -E '^(qemu-guest-agent|lib(c6|gcc|glib|pcre|udev|uring|numa|ffi|selinux|cap|mount|blkid)[^=]*)=') ||
  die "qemu-guest-agent is not available"
# shellcheck disable=SC2086
stage=$(lb_stage "$busybox" $kernel $agent) || die "the packages can't be fetched"

mkdir -p "$(dirname "$out")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

tree() { # TREE FILES MODULE...
  tree=$1 files=$2
  shift 2
  for folder in bin sbin usr/bin usr/sbin etc proc sys dev run tmp mnt root data lib/modules; do mkdir -p "$tree/$folder"; done
  lb_busybox "$stage" "$tree"
  cp -R "$files/." "$tree/"
  for module in "$@"; do lb_module "$stage" "$work/modules" "$tree" "$module" || die "this kernel has no module $module"; done
  lb_modules_done "$work/modules" "$tree"
  find "$tree" -path '*/etc/init.d/*' -exec chmod 755 {} +
  find "$tree" -path '*/etc/acpi/PWRF/*' -exec chmod 755 {} +
}

tree "$work/initramfs" "$here/tiny/initramfs" virtio_pci virtio_blk virtio_scsi sd_mod button evdev
chmod 755 "$work/initramfs/init"
mkdir -p "$work/initramfs/target"

tree "$work/root" "$here/tiny/root" button evdev virtio_pci virtio_net virtio_console
chmod 600 "$work/root/etc/shadow"
rm -f "$work/root/sbin/shutdown"
cp "$here/tiny/root/sbin/shutdown" "$work/root/sbin/shutdown"
chmod 755 "$work/root/sbin/shutdown"
mkdir -p "$work/root/lib64" "$work/root/lib/x86_64-linux-gnu"
cp -L "$(lb_staged "$stage" sbin/qemu-ga)" "$work/root/usr/sbin/qemu-ga"
cp -L "$(lb_staged "$stage" lib64/ld-linux-x86-64.so.2)" "$work/root/lib64/"
lb_libraries "$stage" sbin/qemu-ga "$work/root" || die "the guest agent's libraries are not all there"
mkdir -p "$work/root/boot/grub"
mv "$work/root/etc/grub.cfg" "$work/root/boot/grub/grub.cfg"
cp "$(lb_kernel "$stage")" "$work/root/boot/vmlinuz"
(cd "$work/initramfs" && find . -mindepth 1 | sort | cpio -o -H newc -R 0:0 --quiet | gzip -9n) >"$work/root/boot/initrd.img"

mke2fs -q -F -t ext4 -L tinyroot -E root_owner=0:0 -d "$work/root" "$work/part" 96M >/dev/null
guest_disk "$work/part" "$out" / || die "the disk can't be made"
echo "tiny: $(($(stat -c %b "$out") * 512 / 1048576)) MiB in $(($(date +%s) - started)) s: $out"
