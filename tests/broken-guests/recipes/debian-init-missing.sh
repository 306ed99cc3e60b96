#!/bin/sh
# /sbin/init was removed.
# guest: debian
# expect: init_missing
. "$LIB"
gone /usr/sbin/init
