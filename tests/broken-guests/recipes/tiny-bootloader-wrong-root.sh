#!/bin/sh
# The root's label in grub.cfg is another's.
# guest: tiny
# expect: bootloader_points_nowhere
. "$LIB"
text /boot/grub/grub.cfg | sed 's/LABEL=tinyroot/LABEL=otherroot/' | put /boot/grub/grub.cfg
