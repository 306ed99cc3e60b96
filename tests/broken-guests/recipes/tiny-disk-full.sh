#!/bin/sh
# A cache of packages took all the space.
# guest: tiny
# expect: disk_full
. "$LIB"
change "mkdir /var" "mkdir /var/cache" "mkdir /var/cache/apt" "mkdir /var/cache/apt/archives"
fill /var/cache/apt/archives
