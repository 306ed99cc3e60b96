# The rescue image `std`: everything of `small`, on the generic kernel (AHCI, USB, devices passed through), with the tools for LVM,
# RAID, LUKS, xfs, btrfs, ntfs, partition tables, lost data. Read by build.sh.
base=small
kernel_debian="linux-image-$arch_debian"
kernel_ubuntu="linux-image-generic"
packages="$packages mount fdisk xfsprogs btrfs-progs lvm2 mdadm cryptsetup-bin gdisk testdisk gddrescue nano vim-tiny vim-common
  rsync ntfs-3g dosfstools efibootmgr strace less zstd ncurses-base bash"
# Dependencies of what is not taken: Perl and Python of helpers, and what installing would need.
leave_out='^(perl|libperl|libpython|python3|libicu|libfile-|libtext-|libnumber-|libgdbm|libdb5|udev|adduser|passwd|dpkg|usrmerge|debconf|lsb-|init-system|sysvinit|media-types|openssl|libpam-modules|libsemanage|libsepol|libsqlite|uuid-runtime|dmeventd|base-files|debianutils|libgnutls|sed|tar|libnsl|libtirpc)'
min_memory_mib=384
