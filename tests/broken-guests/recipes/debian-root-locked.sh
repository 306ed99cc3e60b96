#!/bin/sh
# root's password was locked.
# guest: debian
# expect: root_locked
# fix: root_unlock
. "$LIB"
text /etc/shadow | sed 's/^root:[^:]*:/root:!$6$saltsalt$0123456789abcdef:/' | put /etc/shadow 0640
