# Runs a script as root in a machine of QEMU's, on a rescue image's kernel and tools: what needs a kernel and privileges (volumes, xfs,
# arrays) is done there, on disks of ours. To be sourced (POSIX sh).
#
#   guest_inside IMAGE SCRIPT WORK QEMU_OPTION...   IMAGE: the folder of a rescue image. SCRIPT is run by its shell with `set -eu`, the
#       modules of volumes and file systems loaded, and guest.sh (below uefi/) sourced before it. WORK: an empty folder. The machine's
#       disks are among the options. Fails, with what was printed last, unless the script comes to its end.

guest_inside() {
  _image=$1 _script=$2 _work=$3
  shift 3
  _top=$(mktemp -d "$_work/top.XXXXXX") || return 1
  cp "$_script" "$_top/script"
  cp "$here/uefi/guest.sh" "$_top/guest.sh"
  # /init of ours lies over that of the image: of two files of one name the kernel takes the later one.
  cat >"$_top/init" <<'INIT'
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs run /run
exec </dev/null >/dev/ttyS0 2>&1
modprobe -a virtio_pci virtio_blk dm_mod dm_crypt md_mod raid1 xfs ext4 vfat nls_cp437 nls_ascii nls_utf8 nls_iso8859-1 2>/dev/null
n=0
until [ -b /dev/vda ] || [ $n -gt 100 ]; do n=$((n + 1)); sleep 0.1; done
if bash -eu -c '. /guest.sh; . /script'; then echo "DONE: all of it"; else echo "FAILED"; fi
poweroff -f
INIT
  chmod 755 "$_top/init"
  { cat "$_image/initramfs"; (cd "$_top" && find . -mindepth 1 | cpio -o -H newc -R 0:0 --quiet | gzip -1); } >"$_work/initramfs"
  # An emulated machine on a very busy one may lose its timer's interrupts: its kernel gives up before the script begins.
  for _attempt in 1 2 3; do
    timeout 1500 qemu-system-x86_64 -machine q35,accel=tcg -nodefaults -no-user-config -display none -no-reboot -m 512 \
      -kernel "$_image/kernel" -initrd "$_work/initramfs" -append "console=ttyS0 quiet panic=-1 cryptomgr.notests" \
      -object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng \
      -serial "file:$_work/serial.log" "$@" </dev/null || return 1
    grep -q "IO-APIC + timer doesn't work" "$_work/serial.log" || break
  done
  rm -rf "$_top" "$_work/initramfs"
  tr -d '\r' <"$_work/serial.log" | grep -qx 'DONE: all of it' || { tail -n 25 "$_work/serial.log" >&2; return 1; }
}
