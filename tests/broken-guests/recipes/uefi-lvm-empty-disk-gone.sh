#!/bin/sh
# A disk that was just added to the root's volume group is gone, before anything was put on it.
# guest: uefi
# inside: yes
# expect: lvm_volume_missing
part 4 64
try lvm pvcreate /dev/vda4
try lvm vgextend vg0 /dev/vda4
dd if=/dev/zero of=/dev/vda4 bs=1M count=1 conv=fsync 2>/dev/null
