#!/bin/sh
# The root's UUID in grub.cfg is that of another disk.
# guest: debian
# expect: bootloader_points_nowhere
. "$LIB"
text /boot/grub/grub.cfg | sed 's/root=LABEL=guestroot/root=UUID=0a1b2c3d-0000-4000-8000-000000000000/' | put /boot/grub/grub.cfg
