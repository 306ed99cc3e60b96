#!/bin/sh
# Half of an initramfs.
# guest: uefi
# expect: initramfs_truncated
. "$LIB"
version=$(look "ls -p /" | tr / "\n" | sed -n "s/^initrd.img-//p" | head -n 1)
[ -n "$version" ] || die "no initramfs"
text "/initrd.img-$version" >"$work/whole"
head -c $(($(stat -c %s "$work/whole") / 2)) "$work/whole" | put "/initrd.img-$version"
