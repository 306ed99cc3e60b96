#!/bin/sh
# grub.cfg was removed.
# guest: uefi
# expect: bootloader_config_missing
. "$LIB"
gone /grub/grub.cfg
