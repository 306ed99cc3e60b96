#!/bin/sh
# A disk was detached, and fstab still names it.
# guest: uefi
# inside: yes
# expect: fstab_missing_device
mounted
mkdir -p /mnt/data
echo 'UUID=0a1b2c3d-0000-4000-8000-000000000000 /data xfs defaults 0 0' >>/mnt/etc/fstab
unmounted
