#!/bin/sh
# The machine came from elsewhere: the firmware knows of no loader but EFI/BOOT's, and there is none.
# guest: uefi
# inside: yes
# expect: esp_missing
mounted
rm -r /mnt/boot/efi/EFI/BOOT
unmounted
