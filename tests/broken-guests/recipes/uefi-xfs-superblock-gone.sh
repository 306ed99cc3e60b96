#!/bin/sh
# The root's first sector was overwritten.
# guest: uefi
# inside: yes
# expect: superblock_gone
# also: root_missing
try lvm vgchange -ay vg0
dd if=/dev/zero of=/dev/mapper/vg0-root bs=512 count=1 conv=fsync 2>/dev/null
try lvm vgchange -an vg0
