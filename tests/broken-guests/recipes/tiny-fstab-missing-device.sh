#!/bin/sh
# A line for a disk that was detached.
# guest: tiny
# expect: fstab_missing_device
. "$LIB"
echo 'LABEL=no-such-disk  /data  ext4  defaults  0 2' | append /etc/fstab
