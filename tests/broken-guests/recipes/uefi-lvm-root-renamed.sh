#!/bin/sh
# The root's volume was renamed; neither the boot loader nor fstab was told.
# guest: uefi
# inside: yes
# expect: bootloader_points_nowhere fstab_missing_device
try lvm vgchange -ay vg0
try lvm lvrename vg0 root newroot
try lvm vgchange -an vg0
