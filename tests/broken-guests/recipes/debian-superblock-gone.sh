#!/bin/sh
# The first blocks were overwritten.
# guest: debian
# expect: superblock_gone
# also: root_missing
. "$LIB"
zero 1024 1024
