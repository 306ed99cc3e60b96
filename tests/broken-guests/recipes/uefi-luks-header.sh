#!/bin/sh
# The first header of an encrypted volume was overwritten.
# guest: uefi
# inside: yes
# expect: luks_header_damaged
# fix: luks_header_repair
part 4 64
printf 'open sesame' | try cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/vda4 -
dd if=/dev/zero of=/dev/vda4 bs=4096 count=1 conv=fsync 2>/dev/null
