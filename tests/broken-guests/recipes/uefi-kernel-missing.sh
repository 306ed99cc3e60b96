#!/bin/sh
# The kernel was removed; nothing but its package brings it back.
# guest: uefi
# expect: kernel_missing
. "$LIB"
version=$(look "ls -p /" | tr / "\n" | sed -n "s/^vmlinuz-//p" | head -n 1)
[ -n "$version" ] || die "no kernel"
gone "/vmlinuz-$version"
