#!/bin/sh
# An option of another file system on the root's line.
# guest: debian
# expect: fstab_bad_option
. "$LIB"
echo 'LABEL=guestroot  /  ext4  errors=remount-ro,compress=zstd  0 1' | put /etc/fstab
