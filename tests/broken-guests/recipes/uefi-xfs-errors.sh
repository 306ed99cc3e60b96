#!/bin/sh
# The map of free space of the root's first group was lost.
# guest: uefi
# inside: yes
# expect: root_filesystem_errors
# also: root_missing
try lvm vgchange -ay vg0
dd if=/dev/zero of=/dev/mapper/vg0-root bs=512 seek=1 count=1 conv=fsync 2>/dev/null
try lvm vgchange -an vg0
