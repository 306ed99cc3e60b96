#!/bin/sh
# Breaks a guest's disk from outside, while the guest is off, so that it no longer boots. Works on both guests' disks.
#
#   tests/guests/break.sh init DISK        moves /sbin/init away, to /sbin/init.moved
#   tests/guests/break.sh initramfs DISK   leaves /boot/initrd.img without a byte
#   tests/guests/break.sh fstab DISK       adds a line to /etc/fstab for a file system that does not exist (LABEL=no-such-disk)
#
# DISK: qcow2, an ext4 file system in its first partition. Nothing is mounted: debugfs edits a raw copy, which takes its place.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/sbin:/sbin"
. "$here/lib.sh"
die() { echo "break: $*" >&2; exit 1; }

usage="usage: tests/guests/break.sh init|fstab|initramfs DISK"
[ $# -eq 2 ] || die "$usage"
case "$1" in
  init | fstab | initramfs) fault=$1 disk=$2 ;;
  *) fault=$2 disk=$1 ;;
esac
case "$fault" in init | fstab | initramfs) ;; *) die "$usage" ;; esac
[ -f "$disk" ] || die "$disk is not there"

work=$(mktemp -d "$(dirname "$disk")/.break.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# qemu-img refuses a disk that a running guest holds.
guest_open "$disk" "$work" || die "$disk can't be read: is its guest off, and is it the disk of one of these guests?"
part="$work/part"
# A guest that did not go down gently leaves a journal, which must be replayed before anything is changed.
e2fsck -p "$part" >/dev/null 2>&1 || [ $? -le 1 ] || die "the file system on $disk is damaged"

look() { debugfs -R "$1" "$part" 2>/dev/null; }
change() { # debugfs tells failures only in its words
  printf '%s\n' "$@" >"$work/commands"
  said=$(debugfs -w -f "$work/commands" "$part" 2>&1) || die "debugfs: $said"
}

case "$fault" in
  init)
    # The folder may be a link (/sbin -> usr/sbin).
    folder=/sbin
    look "stat /usr/sbin/init" | grep -q Inode: && folder=/usr/sbin
    inode=$(look "stat $folder/init" | sed -n 's/^Inode: \([0-9]*\).*/\1/p')
    [ -n "$inode" ] || die "there is no $folder/init on $disk"
    change "ln <$inode> $folder/init.moved" "unlink $folder/init"
    look "stat $folder/init" | grep -q Inode: && die "init is still there"
    look "stat $folder/init.moved" | grep -q "Inode: $inode " || die "init was lost"
    ;;
  initramfs)
    : >"$work/empty"
    change "cd /boot" "rm initrd.img" "write $work/empty initrd.img"
    look "stat /boot/initrd.img" | grep -q 'Size: 0' || die "/boot/initrd.img was not emptied"
    ;;
  fstab)
    look "cat /etc/fstab" >"$work/fstab"
    [ -s "$work/fstab" ] || die "there is no /etc/fstab on $disk"
    echo 'LABEL=no-such-disk  /data  ext4  defaults  0 2' >>"$work/fstab"
    change "cd /etc" "rm fstab" "write $work/fstab fstab" "sif fstab mode 0100644" "sif fstab uid 0" "sif fstab gid 0"
    look "cat /etc/fstab" | cmp -s - "$work/fstab" || die "/etc/fstab was not written"
    ;;
esac
e2fsck -fn "$part" >"$work/check" 2>&1 || { cat "$work/check" >&2; die "the edit damaged the file system"; }

guest_close "$disk" "$work" || die "$disk can't be written"
