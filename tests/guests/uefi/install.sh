# Puts the UEFI guest's disk together; its files are the tar archive on the second disk. Run by inside.sh, after guest.sh.
# Some space stays free at the end, for partitions that a test adds.
try sgdisk -n 1:2048:+64M -t 1:ef00 -n 2:0:+200M -t 2:8300 -n 3:0:+2500M -t 3:8e00 /dev/vda
[ -b /dev/vda3 ] || blockdev --rereadpt /dev/vda
try mkfs.vfat -F 32 -n GUESTESP /dev/vda1
try mke2fs -F -t ext4 -L guestboot /dev/vda2
try lvm pvcreate /dev/vda3
try lvm vgcreate vg0 /dev/vda3
try lvm lvcreate -y -L 1700M -n root vg0
try lvm lvcreate -y -L 500M -n var vg0
try mkfs.xfs -f /dev/mapper/vg0-root
try mkfs.xfs -f /dev/mapper/vg0-var
mount -t xfs /dev/mapper/vg0-root /mnt
mkdir /mnt/var /mnt/boot
mount -t xfs /dev/mapper/vg0-var /mnt/var
mount -t ext4 /dev/vda2 /mnt/boot
mkdir /mnt/boot/efi
mount -t vfat /dev/vda1 /mnt/boot/efi
tar -C /mnt -xf /dev/vdb

version=$(ls /mnt/boot | sed -n 's/^vmlinuz-//p')
[ -n "$version" ]
boot=$(blkid -s UUID -o value /dev/vda2)
mkdir -p /mnt/boot/grub /mnt/boot/efi/EFI/BOOT /mnt/boot/efi/EFI/debian
cat >/mnt/boot/grub/grub.cfg <<CFG
serial --unit=0 --speed=115200
terminal_output serial
set timeout=0
linux /vmlinuz-$version root=/dev/mapper/vg0-root ro console=ttyS0 quiet systemd.show_status=1
initrd /initrd.img-$version
boot
CFG
cat >/mnt/boot/efi/EFI/debian/grub.cfg <<CFG
search.fs_uuid $boot root
set prefix=(\$root)'/grub'
configfile \$prefix/grub.cfg
CFG
cp /mnt/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi /mnt/boot/efi/EFI/debian/grubx64.efi
cp /mnt/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi /mnt/boot/efi/EFI/BOOT/BOOTX64.EFI
unmounted
