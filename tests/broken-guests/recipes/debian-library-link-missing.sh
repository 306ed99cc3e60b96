#!/bin/sh
# The link to a library that systemd needs is gone; the library is there.
# guest: debian
# expect: library_missing
. "$LIB"
gone /usr/lib/x86_64-linux-gnu/libmount.so.1
