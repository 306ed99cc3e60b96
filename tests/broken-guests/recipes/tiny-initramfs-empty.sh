#!/bin/sh
# An initramfs of no bytes, and no tool that could make it again.
# guest: tiny
# expect: initramfs_truncated
. "$LIB"
: | put /boot/initrd.img
