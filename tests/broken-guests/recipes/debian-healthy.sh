#!/bin/sh
# As it was made.
# guest: debian
# expect: 
. "$LIB"
