#!/bin/sh
# systemd starts into a target that is not there.
# guest: debian
# expect: default_target_broken
. "$LIB"
change "cd /etc/systemd/system" "symlink default.target /usr/lib/systemd/system/no-such.target"
