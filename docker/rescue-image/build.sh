#!/bin/sh
# Builds the rescue image `small`: the distribution's cloud kernel, and an initramfs with busybox, dropbear, e2fsprogs, the modules
# of modules.txt and the rescue agent. Nothing is installed or mounted, no root needed; packages are cached (scripts/lib/packages.sh).
#
#   docker/rescue-image/build.sh [--check-reproducible] [OUT]     OUT: target/rescue-images/images/small
#
# Writes OUT/kernel, OUT/initramfs, OUT/packages.txt (name version) and OUT/image.json: the manifest without digests, which
# `baremetal-agent image sign` completes and signs. The same packages and the same agent give the same bytes.
# In this order below: what is needed, packages, the agent, the tree, the files.
set -eu
export LC_ALL=C
umask 022

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
PATH="$PATH:/usr/sbin:/sbin"
. "$root/scripts/lib/packages.sh"
. "$root/scripts/lib/tree.sh"

check=no
out="$root/target/rescue-images/images/small"
for arg in "$@"; do
  case "$arg" in
    --check-reproducible) check=yes ;;
    -*) echo "usage: docker/rescue-image/build.sh [--check-reproducible] [OUT]" >&2; exit 1 ;;
    *) out=$arg ;;
  esac
done
started=$(date +%s)
die() { echo "rescue-image: $*" >&2; exit 1; }
say() { echo "rescue-image: $*"; }

[ "$(uname -m)" = x86_64 ] || die "only x86_64 images are built, on x86_64"
for tool in apt-get dpkg-deb cpio gzip depmod modprobe cargo; do
  command -v "$tool" >/dev/null || die "$tool is missing; run: make deps"
done

# ── packages: programs with all they need, and what is taken alone
. /etc/os-release
case " ${ID:-} ${ID_LIKE:-} " in
  *" ubuntu "*) kernel_meta=linux-image-virtual ;;
  *) kernel_meta=linux-image-cloud-amd64 ;;
esac
programs=$(lb_closure busybox-static dropbear-bin e2fsprogs util-linux) || die "the packages' dependencies can't be resolved"
# The package's dependencies are for its neighbours; the server itself needs the C library only.
sftp=$(lb_closure openssh-sftp-server | grep '^openssh-sftp-server=') || die "openssh-sftp-server is not available"
kernel=$(lb_real_kernel "$kernel_meta") || die "no kernel behind $kernel_meta"
# shellcheck disable=SC2086
stage=$(lb_stage $programs $sftp $kernel) || die "the packages can't be fetched"
kernel_version=$(echo "$kernel" | head -n 1)
kernel_version=${kernel_version#*=}
epoch=$(find "$stage" -type f ! -name packages.txt -printf '%T@\n' | cut -d. -f1 | sort -n | tail -n 1)
export SOURCE_DATE_EPOCH="$epoch"

staged() { lb_staged "$stage" "$1" || die "/$1 is in none of the packages"; }

# ── the agent: static, and without this machine's paths in it
say "building the agent"
target=${CARGO_TARGET_DIR:-$root/target}
triple=x86_64-unknown-linux-gnu
(cd "$root" && RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$root=/lifeboat --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
  cargo build --quiet --package rescue-agent --profile rescue --target "$triple") || die "the agent does not build"
agent="$target/$triple/rescue/rescue-agent"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# ── the tree
add_program() { # FROM TO
  cp -L "$(staged "$1")" "$tree/$2"
  lb_libraries "$stage" "$1" "$tree" || die "/$1 can't be taken out of the packages"
}

add_modules() {
  drivers=
  while read -r module need driver; do
    case "$module" in '' | '#'*) continue ;; esac
    if ! lb_module "$stage" "$work/modules" "$tree" "$module"; then
      [ "$need" = may ] || die "this kernel has no module $module"
    elif [ "$driver" != - ]; then
      drivers="$drivers $driver"
    fi
  done <"$here/modules.txt"
  lb_modules_done "$work/modules" "$tree"
}

make_tree() {
  for folder in bin sbin usr/bin usr/sbin usr/lib lib/x86_64-linux-gnu lib64 etc/dropbear root/.ssh proc sys dev run tmp mnt var/log; do
    mkdir -p "$tree/$folder"
  done
  cp -L "$(staged lib64/ld-linux-x86-64.so.2)" "$tree/lib64/"
  lb_busybox "$stage" "$tree"
  # These replace busybox's own of the same name.
  for program in sbin/e2fsck sbin/mke2fs sbin/tune2fs sbin/resize2fs sbin/dumpe2fs sbin/debugfs sbin/blkid; do
    rm -f "$tree/$program"
    add_program "$program" "$program"
  done
  for kind in ext2 ext3 ext4; do
    ln -sf e2fsck "$tree/sbin/fsck.$kind"
    ln -sf mke2fs "$tree/sbin/mkfs.$kind"
  done
  cp "$(staged etc/mke2fs.conf)" "$tree/etc/"
  add_program sbin/dropbear usr/sbin/dropbear
  add_program bin/dropbearkey usr/bin/dropbearkey
  add_program lib/openssh/sftp-server usr/lib/sftp-server
  add_modules
  cp -R "$here/root/." "$tree/"
  chmod 755 "$tree/init" "$tree/sbin/rescue-chroot" "$tree/etc/udhcpc.script"
  chmod 600 "$tree/etc/shadow"
  chmod 700 "$tree/root" "$tree/root/.ssh"
  chmod 1777 "$tree/tmp"
  cp "$agent" "$tree/sbin/rescue-agent"
  chmod 755 "$tree/sbin/rescue-agent"
}

# The kernel's self-tests of its ciphers would cost a tenth of the boot under emulation.
cmdline="console=tty0 console=ttyS0 quiet panic=-1 cryptomgr.notests"
min_memory_mib=192

# The version names the content, command line and all, so it can't be part of what is counted.
content_of() {
  (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum
    find . -type l -printf '%p %l\n' | sort
    echo "$cmdline $min_memory_mib $drivers"
    sha256sum <"$kernel_file") | sha256sum | cut -c1-10
}

build() { # OUT
  tree="$work/tree"
  rm -rf "$tree" "$1"
  mkdir -p "$tree" "$1"
  make_tree
  version="$kernel_version-$(content_of "$tree")"
  echo "small $version" >"$tree/etc/lifeboat-release"
  find "$tree" -exec touch -h -d "@$epoch" {} +
  (cd "$tree" && find . -mindepth 1 | sort | cpio -o -H newc -R 0:0 --reproducible --quiet | gzip -9n) >"$1/initramfs"
  cp "$kernel_file" "$1/kernel"
  cp "$stage/packages.txt" "$1/packages.txt"
  chmod 644 "$1"/*
  list=$(for driver in $drivers; do printf '"%s",' "$driver"; done)
  # The serial number orders manifests of one name and version; these come from the packages alone, as the content does.
  cat >"$1/image.json" <<JSON
{
  "format": 1,
  "name": "small",
  "version": "$version",
  "serial": $epoch,
  "arch": "x86_64",
  "kernel": {"file": "kernel"},
  "initramfs": {"file": "initramfs"},
  "cmdline": "$cmdline",
  "min_memory_mib": $min_memory_mib,
  "drivers": [${list%,}]
}
JSON
}

# ── the files
kernel_file=$(lb_kernel "$stage") || die "the kernel package holds no kernel"
say "packing"
build "$work/out"
if [ "$check" = yes ]; then
  mv "$work/out" "$work/first"
  build "$work/out"
  diff -r "$work/first" "$work/out" || die "two builds differ"
  say "two builds gave the same bytes"
fi
# A file at a time, and the description last: whoever reads it finds what it describes.
mkdir -p "$out"
rm -f "$out/image.json" "$out/manifest.json" "$out/manifest.json.minisig"
for file in kernel initramfs packages.txt image.json; do
  cp "$work/out/$file" "$out/.$file.new"
  mv "$out/.$file.new" "$out/$file"
done
say "$version: kernel $(stat -c %s "$out/kernel") bytes, initramfs $(stat -c %s "$out/initramfs") bytes, in $(($(date +%s) - started)) s: $out"
