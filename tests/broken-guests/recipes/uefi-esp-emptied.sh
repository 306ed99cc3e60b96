#!/bin/sh
# Everything on the EFI system partition was removed.
# guest: uefi
# inside: yes
# expect: esp_missing
mounted
rm -r /mnt/boot/efi/EFI
unmounted
