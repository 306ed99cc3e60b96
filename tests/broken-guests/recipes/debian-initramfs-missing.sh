#!/bin/sh
# The initramfs was removed.
# guest: debian
# expect: initramfs_missing
. "$LIB"
version=$(look "ls -p /boot" | tr / "\n" | sed -n "s/^vmlinuz-//p" | head -n 1)
[ -n "$version" ] || die "no kernel"
gone "/boot/initrd.img-$version"
