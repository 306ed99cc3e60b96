# The UEFI guest's disk, /dev/vda, seen from inside a machine that runs a rescue image. To be sourced.
#
#   mounted      mounts all of the system at /mnt: vda1 EFI system partition, vda2 /boot, volumes root and var of the group vg0 on vda3
#   unmounted    the reverse, to what the disk was at power off
#   try CMD...   runs a command and shows what it says only if it fails
#   part NUMBER MIB    makes a partition in the space that is left at the disk's end

try() { "$@" >/tmp/said 2>&1 || { echo "$*:"; cat /tmp/said; return 1; }; }
mounted() {
  try lvm vgchange -ay vg0
  mount -t xfs /dev/mapper/vg0-root /mnt
  mount -t xfs /dev/mapper/vg0-var /mnt/var
  mount -t ext4 /dev/vda2 /mnt/boot
  mount -t vfat /dev/vda1 /mnt/boot/efi
}
unmounted() {
  umount /mnt/boot/efi /mnt/boot /mnt/var /mnt
  try lvm vgchange -an vg0
}
part() {
  try sgdisk -n "$1:0:+$2M" /dev/vda
  [ -b "/dev/vda$1" ] || try partx -a -n "$1:$1" /dev/vda
  [ -b "/dev/vda$1" ]
}
