#!/bin/sh
# A line that calls ext4 xfs.
# guest: tiny
# expect: fstab_wrong_type
. "$LIB"
echo 'LABEL=tinyroot  /mnt  xfs  defaults  0 0' | append /etc/fstab
