#!/bin/sh
# A misspelt option.
# guest: tiny
# expect: fstab_bad_option
. "$LIB"
echo 'tmpfs  /mnt  tmpfs  sise=10m  0 0' | append /etc/fstab
