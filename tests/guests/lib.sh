# Makes the disks of guests without loop devices, mounts or privileges. To be sourced (POSIX sh).
#
#   guest_kernel_meta              prints the name of the distribution's kernel for virtual machines
#   guest_disk PART OUT GRUB_STAGE puts the file system PART behind a boot sector and an MBR partition, with GRUB, and makes a qcow2.
#                                  The file system holds /boot/grub/grub.cfg. GRUB_STAGE: a folder with usr/lib/grub/i386-pc, or /
#   guest_open DISK WORK           takes a qcow2 disk apart in the folder WORK: WORK/part is its only partition's file system
#   guest_close DISK WORK          puts it together again: DISK gets what WORK/part holds now

guest_kernel_meta() {
  case " $(. /etc/os-release && echo "${ID:-} ${ID_LIKE:-}") " in
    *" ubuntu "*) echo linux-image-virtual ;;
    *) echo linux-image-cloud-amd64 ;;
  esac
}

GUEST_START=2048 # the partition's first sector; GRUB's core lies between the boot sector and it

guest_disk() {
  _work=$(mktemp -d "$(dirname "$2")/.disk.XXXXXX") || return 1
  _grub="$3/usr/lib/grub/i386-pc"
  printf 'set root=(hd0,msdos1)\nset prefix=(hd0,msdos1)/boot/grub\nconfigfile /boot/grub/grub.cfg\n' >"$_work/early.cfg"
  _bytes=$(stat -c %s "$1")
  truncate -s $((GUEST_START * 512 + _bytes)) "$_work/raw" &&
    printf 'label: dos\nstart=%s, type=83, bootable\n' "$GUEST_START" | sfdisk --quiet "$_work/raw" &&
    grub-mkimage -d "$_grub" -O i386-pc -p '(hd0,msdos1)/boot/grub' -c "$_work/early.cfg" -o "$_work/core.img" \
      biosdisk part_msdos ext2 linux normal configfile serial terminal &&
    [ "$(stat -c %s "$_work/core.img")" -lt $(((GUEST_START - 1) * 512)) ] &&
    # The last bytes of the boot sector are the partition table.
    dd if="$_grub/boot.img" of="$_work/raw" bs=440 count=1 conv=notrunc status=none &&
    dd if="$_work/core.img" of="$_work/raw" bs=512 seek=1 conv=notrunc status=none &&
    dd if="$1" of="$_work/raw" bs=1M oflag=seek_bytes seek=$((GUEST_START * 512)) conv=notrunc,sparse status=none &&
    qemu-img convert -f raw -O qcow2 "$_work/raw" "$_work/qcow2" &&
    mv "$_work/qcow2" "$2"
  _status=$?
  rm -rf "$_work"
  return $_status
}

guest_open() {
  qemu-img convert -O raw "$1" "$2/raw" || return 1
  _parts=$(sfdisk --dump "$2/raw" | sed -n 's/.*start= *\([0-9]*\), *size= *\([0-9]*\),.*/\1 \2/p')
  [ "$(echo "$_parts" | grep -c .)" = 1 ] || { echo "$1 has not one partition" >&2; return 1; }
  echo "$_parts" >"$2/place"
  stat -c %s "$2/raw" >"$2/size"
  read -r _start _count <"$2/place"
  # The file system is taken out, as e2fsck loses an offset inside a file when it replays a journal.
  dd if="$2/raw" of="$2/part" bs=1M iflag=skip_bytes,count_bytes skip=$((_start * 512)) count=$((_count * 512)) conv=sparse status=none &&
    truncate -s $((_count * 512)) "$2/part" &&
    truncate -s $((_start * 512)) "$2/raw"
}

guest_close() {
  read -r _start _count <"$2/place"
  dd if="$2/part" of="$2/raw" bs=1M oflag=seek_bytes seek=$((_start * 512)) conv=notrunc,sparse status=none &&
    truncate -s "$(cat "$2/size")" "$2/raw" &&
    qemu-img convert -f raw -O qcow2 "$2/raw" "$2/qcow2" &&
    chmod --reference="$1" "$2/qcow2" &&
    { chown --reference="$1" "$2/qcow2" 2>/dev/null || true; } &&
    mv "$2/qcow2" "$1"
}
