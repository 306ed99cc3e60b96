# The rescue image `small`: seconds to boot, for virtio, IDE on `pc`, NVMe, and ext4, xfs, vfat. Read by build.sh.
kernel_debian="linux-image-cloud-$arch_debian"
kernel_ubuntu="linux-image-virtual"
packages="busybox-static dropbear-bin e2fsprogs util-linux"
# The server's dependencies are for its neighbours; it needs the C library only. Its licence lies with the client.
packages_alone="openssh-sftp-server openssh-client"
leave_out=
min_memory_mib=192
