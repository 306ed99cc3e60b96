#!/bin/bash
# Boots the systemd of a folder, in namespaces of its own: nothing of it reaches this machine, and it ends with this process.
#
#   boot-systemd.sh ROOT       run in the background; its systemd is the process that `pgrep --parent` finds below unshare
#
# Root. The folder must not be in use. Works with cgroups of version 1 and 2.
set -euo pipefail
root=$(realpath "$1")
export root
exec unshare --fork --pid --mount --cgroup --ipc --uts --net --kill-child bash -euc '
  mount --make-rprivate /
  mount --bind "$root" "$root"
  cd "$root"
  mount -t proc proc proc
  mount -t sysfs sysfs sys
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
  else
    mount -t tmpfs tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
  fi
  mount -t tmpfs tmpfs run
  mount -t tmpfs tmpfs dev
  for node in null zero full random urandom tty kvm; do
    [ ! -e "/dev/$node" ] || { touch "dev/$node"; mount --bind "/dev/$node" "dev/$node"; }
  done
  mkdir dev/pts dev/shm
  mount -t devpts -o ptmxmode=0666 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  mount -t tmpfs tmpfs dev/shm
  ip link set lo up
  hostname host1
  mkdir -p .before
  pivot_root . .before
  umount -l /.before
  exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=null
'
