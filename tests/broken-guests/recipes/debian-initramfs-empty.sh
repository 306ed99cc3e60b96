#!/bin/sh
# The disk was full when the initramfs was written: no bytes.
# guest: debian
# expect: initramfs_truncated
. "$LIB"
version=$(look "ls -p /boot" | tr / "\n" | sed -n "s/^vmlinuz-//p" | head -n 1)
[ -n "$version" ] || die "no kernel"
: | put "/boot/initrd.img-$version"
