#!/bin/sh
# The power went while files were written: the log of xfs has to be played back, which any boot does. Nothing is wrong with that.
# guest: uefi
# inside: yes
mounted
for n in 1 2 3 4 5 6 7 8; do mkdir "/mnt/root/d$n"; seq 1 20000 >"/mnt/root/d$n/f"; done
sync
for n in 1 2 3; do rm "/mnt/root/d$n/f"; seq 1 9000 >"/mnt/var/tmp/n$n"; done
# /boot was not in use; the rest is left as it is.
umount /mnt/boot/efi /mnt/boot
sync
