#!/bin/sh
# A volume was removed, and fstab still names it.
# guest: uefi
# inside: yes
# expect: fstab_missing_device
mounted
mkdir -p /mnt/data
echo '/dev/vg0/data /data xfs defaults 0 0' >>/mnt/etc/fstab
unmounted
