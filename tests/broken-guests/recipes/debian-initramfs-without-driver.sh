#!/bin/sh
# Made for other hardware: no driver for the disk.
# guest: debian
# expect: initramfs_without_root_driver
. "$LIB"
version=$(look "ls -p /boot" | tr / "\n" | sed -n "s/^vmlinuz-//p" | head -n 1)
[ -n "$version" ] || die "no kernel"
mkdir "$work/tree"
text "/boot/initrd.img-$version" | gzip -dc | (cd "$work/tree" && cpio -id --quiet)
find "$work/tree" -name 'virtio_blk.ko*' -delete
text /etc/initramfs-tools/modules | grep -v virtio_blk | put /etc/initramfs-tools/modules
(cd "$work/tree" && find . | cpio -o -H newc -R 0:0 --quiet) | gzip | put "/boot/initrd.img-$version"
