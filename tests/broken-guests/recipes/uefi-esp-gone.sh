#!/bin/sh
# The EFI system partition's file system was overwritten.
# guest: uefi
# expect: esp_missing
# also: fstab_missing_device
. "$LIB"
start=$(partx --noheadings --show --output START --nr 1 "$DISK")
dd if=/dev/zero of="$DISK" bs=512 seek="$start" count=4096 conv=notrunc status=none
