#!/bin/sh
# A chmod that went too far.
# guest: debian
# expect: init_missing
# also: library_missing
. "$LIB"
change "sif /usr/lib/systemd/systemd mode 0100644"
