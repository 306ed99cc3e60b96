#!/bin/sh
# /sbin/init was removed.
# guest: tiny
# expect: init_missing
. "$LIB"
gone /sbin/init
