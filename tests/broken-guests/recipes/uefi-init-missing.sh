#!/bin/sh
# /sbin/init was removed.
# guest: uefi
# inside: yes
# expect: init_missing
mounted
rm /mnt/usr/sbin/init
unmounted
