#!/bin/sh
# A mirror for data has lost one of its two disks.
# guest: uefi
# inside: yes
# expect: raid_degraded
part 4 40
part 5 40
try mdadm --create /dev/md0 --level=1 --raid-devices=2 --metadata=1.2 --run /dev/vda4 /dev/vda5
try mke2fs -F -t ext4 /dev/md0
try mdadm --stop /dev/md0
dd if=/dev/zero of=/dev/vda5 bs=1M count=2 conv=fsync 2>/dev/null
