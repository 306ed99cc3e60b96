#!/bin/sh
# Makes the Debian guest's disk: a minimal system with systemd, udev, dbus and networkd on the cloud kernel. On Ubuntu: Ubuntu.
#
#   tests/guests/debian.sh OUT.qcow2
#
# It boots to `debian login:` on ttyS0 (root's password is locked), answers the power button, and behaves in a broken boot as Debian
# does. Packages come from the machine's own apt sources; the unpacked system is cached, keyed by its packages and by the files here.
# Without root, mmdebstrap needs the package uidmap.
set -eu
export LC_ALL=C
umask 022
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/sbin:/sbin"
. "$here/../../scripts/lib/packages.sh"
. "$here/lib.sh"
die() { echo "debian: $*" >&2; exit 1; }

[ $# -eq 1 ] || { echo "usage: tests/guests/debian.sh OUT.qcow2" >&2; exit 1; }
out=$1
started=$(date +%s)
for tool in mmdebstrap mke2fs sfdisk grub-mkimage qemu-img; do
  command -v "$tool" >/dev/null || die "$tool is missing; run: make deps"
done
. /etc/os-release

packages="systemd-sysv udev dbus e2fsprogs iproute2 initramfs-tools $(guest_kernel_meta)"
# shellcheck disable=SC2086
versions=$(lb_closure $packages) || die "the packages' dependencies can't be resolved"
key=$({ echo "$versions"; sed '/^# ── the disk/,$d' "$0"; find "$here/debian" -type f | sort | xargs cat; } | sha256sum | cut -c1-16)
cached="$(lb_cache)/guests/debian-$key.tar"

# ── the system, as a tar archive
# The machine's own sources of this release, in the form of sources.list(5), without what others publish for it.
sources() {
  apt-get indextargets --format '$(CREATED_BY) $(ORIGIN) $(RELEASE) $(REPO_URI) $(COMPONENT)' | sort -u |
    while read -r kind origin release uri component; do
      case "$kind $origin $release" in
        "Packages Debian $VERSION_CODENAME" | "Packages Debian $VERSION_CODENAME-updates" | "Packages Debian $VERSION_CODENAME-security" | \
          "Packages Ubuntu $VERSION_CODENAME" | "Packages Ubuntu $VERSION_CODENAME-updates" | "Packages Ubuntu $VERSION_CODENAME-security")
          echo "deb $uri $release $component" ;;
      esac
    done
}

if [ ! -s "$cached" ]; then
  mkdir -p "$(dirname "$cached")"
  [ -n "$(sources)" ] || die "apt has no sources for $VERSION_CODENAME; run apt-get update"
  echo "debian: unpacking the system (minutes; kept in $cached)"
  new=$(mktemp -d "$(lb_cache)/guests/new.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  trap 'exit 130' INT TERM
  proxy=$(apt-config shell proxy Acquire::http::Proxy | sed "s/^proxy='\(.*\)'$/\1/")
  sources | mmdebstrap --quiet --variant=minbase --include="$(echo "$packages" | tr ' ' ',')" --format=tar \
    ${proxy:+--aptopt="Acquire::http::Proxy \"$proxy\""} \
    --dpkgopt='force-unsafe-io' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --essential-hook="cp -R '$here/debian/early/.' \"\$1\"" \
    --customize-hook="cp -R '$here/debian/root/.' \"\$1\"" \
    --customize-hook='chroot "$1" systemctl --quiet enable systemd-networkd.service' \
    --customize-hook='chroot "$1" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service' \
    --customize-hook=': >"$1/etc/machine-id"; rm -f "$1/etc/resolv.conf"; mkdir -p "$1/data"' \
    "$VERSION_CODENAME" "$new/root.tar" - >"$new/log" 2>&1 || { tail -n 20 "$new/log" >&2; die "mmdebstrap failed"; }
  mv "$new/root.tar" "$cached"
  rm -rf "$new"
fi

# ── the disk
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$(dirname "$out")/.debian.XXXXXX")
# Files belong to many users, which only (mapped) root can keep.
as_owner() { if [ "$(id -u)" = 0 ]; then "$@"; else mmdebstrap --unshare-helper "$@"; fi; }
trap 'as_owner rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"
as_owner sh -c '
  set -e
  mkdir "$1/root"
  tar -C "$1/root" --xattrs --exclude=./dev/* -xf "$2"
  mke2fs -q -F -t ext4 -L guestroot -d "$1/root" "$1/part" 1500M >/dev/null' make "$work" "$cached" || die "the file system can't be made"
guest_disk "$work/part" "$out" / || die "the disk can't be made"
echo "debian: $(($(stat -c %b "$out") * 512 / 1048576)) MiB in $(($(date +%s) - started)) s: $out"
