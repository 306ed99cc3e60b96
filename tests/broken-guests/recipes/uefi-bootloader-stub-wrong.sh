#!/bin/sh
# The loader on the EFI system partition looks for a /boot that was made anew since.
# guest: uefi
# inside: yes
# expect: bootloader_points_nowhere
mounted
sed -i 's/^search.fs_uuid [^ ]*/search.fs_uuid 0a1b2c3d-0000-4000-8000-000000000000/' /mnt/boot/efi/EFI/debian/grub.cfg
unmounted
