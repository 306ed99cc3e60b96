#!/bin/sh
# A machine id that is none.
# guest: debian
# expect: machine_id
. "$LIB"
echo 'this is no id' | put /etc/machine-id 0444
