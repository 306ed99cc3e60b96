#!/bin/sh
# Very many small files.
# guest: tiny
# expect: inodes_full
. "$LIB"
free=$(look stats | sed -n 's/^Free inodes: *//p')
: >"$work/empty"
# In many folders: a name is looked for in all of its folder before it is made.
awk -v n="$free" -v from="$work/empty" 'BEGIN {
  for (i = 0; i < n; i++) {
    if (i % 150 == 0) { print "cd /tmp"; print "mkdir d" i; print "cd d" i } else print "write " from " f" i
  }
}' >"$work/many"
debugfs -w -f "$work/many" "$fs" >/dev/null 2>&1
