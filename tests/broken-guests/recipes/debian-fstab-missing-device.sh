#!/bin/sh
# A UUID that no disk has.
# guest: debian
# expect: fstab_missing_device
. "$LIB"
echo 'UUID=0a1b2c3d-0000-4000-8000-000000000000  /data  ext4  defaults  0 2' | append /etc/fstab
