#!/bin/sh
# The inode of a folder was overwritten.
# guest: uefi
# inside: yes
# expect: root_filesystem_errors
mounted
mkdir -p /mnt/opt/lost/deep
number=$(stat -c %i /mnt/opt/lost)
unmounted
try lvm vgchange -ay vg0
try xfs_db -x -c "inode $number" -c "write -d core.mode 0" /dev/mapper/vg0-root
try lvm vgchange -an vg0
