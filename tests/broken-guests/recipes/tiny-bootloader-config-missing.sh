#!/bin/sh
# grub.cfg was removed.
# guest: tiny
# expect: bootloader_config_missing
. "$LIB"
gone /boot/grub/grub.cfg
