#!/bin/sh
# Made where there were no volumes: no driver for them.
# guest: uefi
# expect: initramfs_without_root_driver
. "$LIB"
version=$(look "ls -p /" | tr / "\n" | sed -n "s/^initrd.img-//p" | head -n 1)
[ -n "$version" ] || die "no initramfs"
mkdir "$work/tree"
text "/initrd.img-$version" | gzip -dc | (cd "$work/tree" && cpio -id --quiet)
[ -n "$(find "$work/tree" -name 'dm-mod.ko*' -print -delete)" ] || die "there is no driver to leave out"
(cd "$work/tree" && find . | cpio -o -H newc -R 0:0 --quiet) | gzip | put "/initrd.img-$version"
