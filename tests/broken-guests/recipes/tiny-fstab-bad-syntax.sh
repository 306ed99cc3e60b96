#!/bin/sh
# A line that was cut off while it was edited.
# guest: tiny
# expect: fstab_bad_syntax
. "$LIB"
echo 'LABEL=tinyroot  /mnt' | append /etc/fstab
