#!/bin/sh
# The disk was full when the initramfs was written: half of it.
# guest: debian
# expect: initramfs_truncated
. "$LIB"
version=$(look "ls -p /boot" | tr / "\n" | sed -n "s/^vmlinuz-//p" | head -n 1)
[ -n "$version" ] || die "no kernel"
text "/boot/initrd.img-$version" >"$work/whole"
head -c $(($(stat -c %s "$work/whole") / 2)) "$work/whole" | put "/boot/initrd.img-$version"
