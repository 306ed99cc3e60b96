#!/bin/sh
# Half of a kernel.
# guest: debian
# expect: kernel_truncated
. "$LIB"
version=$(look "ls -p /boot" | tr / "\n" | sed -n "s/^vmlinuz-//p" | head -n 1)
[ -n "$version" ] || die "no kernel"
text "/boot/vmlinuz-$version" >"$work/whole"
head -c $(($(stat -c %s "$work/whole") / 2)) "$work/whole" | put "/boot/vmlinuz-$version"
