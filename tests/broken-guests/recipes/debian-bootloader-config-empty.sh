#!/bin/sh
# grub.cfg has no bytes.
# guest: debian
# expect: bootloader_config_missing
. "$LIB"
: | put /boot/grub/grub.cfg
