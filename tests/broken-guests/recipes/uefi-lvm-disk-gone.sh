#!/bin/sh
# The volume group had a second disk, whose label was wiped: the volume on it is gone, and Debian starts no group that lacks a disk.
# guest: uefi
# inside: yes
# expect: lvm_volume_missing fstab_missing_device
part 4 64
try lvm pvcreate /dev/vda4
try lvm vgextend vg0 /dev/vda4
mounted
try lvm lvcreate -y -L 40M -n data vg0 /dev/vda4
try mke2fs -F -t ext4 /dev/mapper/vg0-data
mkdir -p /mnt/data
echo '/dev/mapper/vg0-data /data ext4 defaults 0 2' >>/mnt/etc/fstab
unmounted
dd if=/dev/zero of=/dev/vda4 bs=1M count=1 conv=fsync 2>/dev/null
