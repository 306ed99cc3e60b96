# What recipes break a guest's disk with, while the guest is off: nothing is mounted, debugfs edits the file system inside the raw disk.
# To be sourced (POSIX sh). DISK is the raw disk; an ext4 file system in it is edited: of GUEST tiny and debian the root, in the first
# partition, of uefi /boot, in the second. What lies in volumes, or is no ext4, is broken from inside (README).
#
#   look COMMAND             what debugfs says
#   change COMMAND...        debugfs commands that write; its complaints end the recipe
#   text PATH                prints a file
#   put PATH [MODE]          standard input becomes the file, in the place of what has the name
#   append PATH              standard input is added to the file
#   gone PATH                the name goes; what it names, too, unless it has another name
#   zero OFFSET COUNT        bytes of the partition
#   fill FOLDER              a file of the package cache takes all the space that is left
set -eu
export LC_ALL=C
PATH="$PATH:/usr/sbin:/sbin"
case "$GUEST" in uefi) number=2 ;; *) number=1 ;; esac
START=$(($(partx --noheadings --show --output START --nr $number "$DISK") * 512))
fs="$DISK?offset=$START"
work=$(mktemp -d "$(dirname "$DISK")/.recipe.XXXXXX")
trap 'rm -rf "$work"' EXIT
die() { echo "$(basename "$0"): $*" >&2; exit 1; }

look() { debugfs -R "$1" "$fs" 2>/dev/null; }
change() { # debugfs tells failures only in its words
  printf '%s\n' "$@" >"$work/commands"
  said=$(debugfs -w -f "$work/commands" "$fs" 2>&1 | grep -v -e '^debugfs' -e '^Allocated inode' -e '^$') || true
  [ -z "$said" ] || die "debugfs: $said"
}
text() { look "cat $1"; }
put() {
  cat >"$work/file"
  if look "stat $1" | grep -q Inode:; then change "rm $1"; fi
  change "cd $(dirname "$1")" "write $work/file $(basename "$1")" "sif $(basename "$1") mode 010${2:-0644}" \
    "sif $(basename "$1") uid 0" "sif $(basename "$1") gid 0"
}
append() {
  { text "$1"; cat; } >"$work/appended"
  put "$1" <"$work/appended"
}
gone() { change "rm $1"; }
zero() { dd if=/dev/zero of="$DISK" bs=1 seek=$((START + $1)) count="$2" conv=notrunc status=none; }
fill() {
  free=$(look stats | sed -n 's/^Free blocks: *//p')
  size=$(look stats | sed -n 's/^Block size: *//p')
  # The file's own map of blocks needs some.
  head -c $(((free - free / 200 - 8) * size)) /dev/urandom >"$work/file"
  change "cd $1" "write $work/file big_1.0_amd64.deb"
}
