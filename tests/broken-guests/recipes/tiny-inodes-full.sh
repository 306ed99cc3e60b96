#!/bin/sh
# Very many small files.
# guest: tiny
# expect: inodes_full
. "$LIB"
free=$(look stats | sed -n 's/^Free inodes: *//p')
: >"$work/empty"
{ echo "cd /tmp"; i=0; while [ $i -lt "$free" ]; do i=$((i + 1)); echo "write $work/empty f$i"; done; } >"$work/many"
debugfs -w -f "$work/many" "$fs" >/dev/null 2>&1
