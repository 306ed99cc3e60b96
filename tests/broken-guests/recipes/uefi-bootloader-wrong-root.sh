#!/bin/sh
# The boot loader starts from a volume group that was renamed.
# guest: uefi
# expect: bootloader_points_nowhere
. "$LIB"
text /grub/grub.cfg | sed 's|/dev/mapper/vg0-root|/dev/mapper/old-root|' | put /grub/grub.cfg
