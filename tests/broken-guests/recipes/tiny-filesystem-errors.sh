#!/bin/sh
# A folder's inode was lost.
# guest: tiny
# expect: root_filesystem_errors
. "$LIB"
change "clri /mnt"
