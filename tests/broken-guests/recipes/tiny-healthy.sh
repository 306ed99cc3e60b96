#!/bin/sh
# As it was made.
# guest: tiny
# expect: 
. "$LIB"
