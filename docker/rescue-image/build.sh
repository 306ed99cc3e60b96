#!/bin/sh
# Builds a rescue image: the distribution's kernel, and an initramfs with busybox, dropbear, the programs and modules that the image's
# profile names, and the rescue agent. Nothing is installed or mounted, no root needed; packages are cached (scripts/lib/packages.sh).
#
#   docker/rescue-image/build.sh [--check-reproducible] [--arch x86_64|aarch64] [NAME|FOLDER [OUT]]
#
# NAME: `small` (if none is given) or `std`. FOLDER: a profile of one's own: profile.sh (kernel, packages, memory), programs.txt and
# modules.txt (what is taken out of the packages), and, if it likes, root/ (files as they are); see small/ and std/.
# OUT: target/rescue-images/images/NAME, for another architecture NAME-ARCH.
#
# Writes OUT/kernel, OUT/initramfs, OUT/packages.txt (name version), OUT/licences.txt (what is said of each of these packages, and the
# crates in the agent), OUT/sbom.json (both, as CycloneDX) and OUT/image.json: the manifest without digests, which `baremetal-agent
# image sign` completes and signs. The same packages and the same agent give the same bytes. In this order below: what is needed,
# packages, the agent, the tree, the files.
set -eu
export LC_ALL=C
umask 022

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
PATH="$PATH:/usr/sbin:/sbin"
. "$root/scripts/lib/packages.sh"
. "$root/scripts/lib/tree.sh"

check=no
arch=x86_64
what=
out=
while [ $# -gt 0 ]; do
  case "$1" in
    --check-reproducible) check=yes ;;
    --arch) arch=${2:-}; shift ;;
    -*) sed -n '5p' "$0" >&2; exit 1 ;;
    *) if [ -z "$what" ]; then what=$1; else out=$1; fi ;;
  esac
  shift
done
started=$(date +%s)
die() { echo "rescue-image: $*" >&2; exit 1; }
say() { echo "rescue-image: $*"; }

case "$what" in
  '') profile="$here/small" ;;
  */*) profile=$what ;;
  *) profile="$here/$what" ;;
esac
[ -e "$profile/profile.sh" ] || die "no profile in $profile; there are small and std, or name a folder with a profile.sh"
name=$(basename "$profile")
[ "$(uname -m)" = x86_64 ] || die "images are built on x86_64"
case "$arch" in
  x86_64) arch_debian=amd64; tty=ttyS0; suffix= ;;
  aarch64) arch_debian=arm64; tty=ttyAMA0; suffix=-aarch64; export LB_ARCH=arm64 ;;
  *) die "'$arch' is no architecture that is known here; there are x86_64 and aarch64" ;;
esac
: "${out:=$root/target/rescue-images/images/$name$suffix}"
for tool in apt-get dpkg-deb cpio gzip depmod modprobe readelf cargo; do
  command -v "$tool" >/dev/null || die "$tool is missing; run: make deps"
done

# ── packages: programs with all they need, and what is taken alone
. /etc/os-release
# A base comes first, so that what stands on it can add to what it says.
profiles=$profile
base=$(sed -n 's/^base=//p' "$profile/profile.sh")
[ -z "$base" ] || profiles="$here/$base $profile"
for folder in $profiles; do . "$folder/profile.sh"; done
case " ${ID:-} ${ID_LIKE:-} " in
  *" ubuntu "*) kernel_meta=$kernel_ubuntu ;;
  *) kernel_meta=$kernel_debian ;;
esac
# shellcheck disable=SC2086
programs=$(lb_closure $packages) || die "the packages' dependencies can't be resolved"
[ -z "$leave_out" ] || programs=$(echo "$programs" | grep -Ev "$leave_out")
alone=
for package in $packages_alone; do
  alone="$alone $(lb_closure "$package" | grep "^$package=")" || die "$package is not available"
done
kernel=$(lb_real_kernel "$kernel_meta") || die "no kernel behind $kernel_meta"
# shellcheck disable=SC2086
stage=$(lb_stage $programs $alone $kernel) || die "the packages can't be fetched"
kernel_version=$(echo "$kernel" | head -n 1)
kernel_version=${kernel_version#*=}
epoch=$(find "$stage" -type f ! -path "$stage/packages.txt" ! -path "$stage/files.txt" -printf '%T@\n' | cut -d. -f1 | sort -n | tail -n 1)
export SOURCE_DATE_EPOCH="$epoch"

staged() { lb_staged "$stage" "$1" || die "/$1 is in none of the packages"; }

# ── the agent: static, and without this machine's paths in it
say "building the agent"
target=${CARGO_TARGET_DIR:-$root/target}
triple=$arch-unknown-linux-gnu
if [ "$arch" = aarch64 ]; then
  [ -d "$(cd "$root" && rustc --print sysroot)/lib/rustlib/$triple" ] || die "Rust's library for $triple is missing; run: rustup target add $triple"
  command -v aarch64-linux-gnu-gcc >/dev/null || die "a linker for $triple is missing; install gcc-aarch64-linux-gnu and libc6-dev-arm64-cross"
  export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
fi
(cd "$root" && RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$root=/lifeboat --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
  cargo build --quiet --package rescue-agent --profile rescue --target "$triple") || die "the agent does not build"
agent="$target/$triple/rescue/rescue-agent"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# What is taken of the stage is noted here by lb_staged: the packages behind it are listed with the image.
export LB_TAKEN="$work/taken"

# ── the tree
# Lines of a list of all profiles, the base's first.
lines_of() { for folder in $profiles; do sed 's/#.*//; /^[[:space:]]*$/d' "$folder/$1"; done; }

add_programs() {
  lines_of programs.txt | while read -r from to target; do
    if [ "$to" = = ]; then
      mkdir -p "$tree/$(dirname "$from")"
      ln -sf "$target" "$tree/$from"
      continue
    fi
    : "${to:=$from}"
    mkdir -p "$tree/$(dirname "$to")"
    # busybox's own of the same name may be in the other of the folders.
    case "$to" in bin/* | sbin/* | usr/bin/* | usr/sbin/*)
      for folder in bin sbin usr/bin usr/sbin; do rm -f "$tree/$folder/$(basename "$to")"; done ;;
    esac
    cp -L "$(staged "$from")" "$tree/$to" || exit 1
    lb_libraries "$stage" "$from" "$tree" || die "/$from can't be taken out of the packages"
  done
}

add_modules() {
  drivers=
  lines_of modules.txt >"$work/wanted"
  while read -r module need driver; do
    if ! lb_module "$stage" "$work/modules" "$tree" "$module"; then
      [ "$need" = may ] || die "this kernel has no module $module"
    elif [ "$driver" != - ]; then
      case " $drivers " in *" $driver "*) ;; *) drivers="$drivers $driver" ;; esac
    fi
  done <"$work/wanted"
  lb_modules_done "$work/modules" "$tree"
}

make_tree() {
  for folder in bin sbin usr/bin usr/sbin usr/lib "lib/$(lb_triple)" lib64 etc/dropbear root/.ssh proc sys dev run tmp mnt var/log; do
    mkdir -p "$tree/$folder"
  done
  cp -L "$(staged "$(lb_loader)")" "$tree/$(lb_loader)"
  lb_busybox "$stage" "$tree"
  add_programs
  add_modules
  cp -R "$here/root/." "$tree/"
  for folder in $profiles; do [ ! -d "$folder/root" ] || cp -R "$folder/root/." "$tree/"; done
  chmod 755 "$tree/init" "$tree/sbin/rescue-chroot" "$tree/etc/udhcpc.script"
  chmod 600 "$tree/etc/shadow"
  chmod 700 "$tree/root" "$tree/root/.ssh"
  chmod 1777 "$tree/tmp"
  cp "$agent" "$tree/sbin/rescue-agent"
  chmod 755 "$tree/sbin/rescue-agent"
  ln -sf rescue-agent "$tree/sbin/rescue-mount"
}

# ── what is said beside the image: the packages that something was taken of, and their licences
taken_packages() {
  { sed "s|^$stage/||" "$work/taken" | sort -u | awk 'NR == FNR { taken[$0]; next } { name = $1; sub(/^[^ ]* /, ""); if ($0 in taken) print name }' - "$stage/files.txt"
    echo "$kernel" | sed 's/=.*//'; } | sort -u
}

write_packages() { # FILE
  taken_packages | while read -r package; do grep "^$package " "$stage/packages.txt" || die "$package is not listed"; done >"$1"
}

agent_crates() { # FORMAT
  (cd "$root" && cargo tree --quiet --package rescue-agent --edges normal --target "$triple" --prefix none --format "$1") | sed 's/ (\*)$//'
}

write_licences() { # FILE PACKAGES
  {
    while read -r package number; do
      echo "════ $package $number"
      cat "$stage/usr/share/doc/$package/copyright" || die "$package says nothing of its licence"
      echo
    done <"$2"
    echo "════ rescue-agent: Apache-2.0, and these crates in it"
    agent_crates '{p} {l}' | sed 's| ([/p][^)]*)||' | sort -u
  } >"$1"
}

write_sbom() { # FILE PACKAGES
  mkdir -p "$work/crates"
  agent_crates '{p}|{l}' >"$work/crates/rescue-agent"
  [ -s "$work/crates/rescue-agent" ] || die "the agent's crates can't be listed"
  TYPE=operating-system CRATES="$work/crates" PACKAGES="$2" SBOM="$1" sh "$root/docker/lib/sbom.sh" "rescue-$name" "$version" rescue-agent
}

# The kernel's self-tests of its ciphers would cost a tenth of the boot under emulation.
cmdline="console=tty0 console=$tty quiet panic=-1 cryptomgr.notests"

# Beneath which firmware the kernel boots, for the manifest's drivers: by its configuration, which Debian ships beside it.
firmwares() {
  [ "$arch" != x86_64 ] || echo bios
  config=$(find "$stage/boot" -name "config-*" | sort | tail -n 1)
  if [ -n "$config" ] && grep -q '^CONFIG_EFI_STUB=y' "$config"; then echo uefi; fi
}

# The version names the content, command line and all, so it can't be part of what is counted.
content_of() {
  (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum
    find . -type l -printf '%p %l\n' | sort
    echo "$cmdline $min_memory_mib $drivers $(firmwares)"
    sha256sum <"$kernel_file") | sha256sum | cut -c1-10
}

build() { # OUT
  tree="$work/tree"
  rm -rf "$tree" "$1"
  mkdir -p "$tree" "$1"
  make_tree
  version="$kernel_version-$(content_of "$tree")"
  echo "$name $version" >"$tree/etc/lifeboat-release"
  find "$tree" -exec touch -h -d "@$epoch" {} +
  (cd "$tree" && find . -mindepth 1 | sort | cpio -o -H newc -R 0:0 --reproducible --quiet | gzip -9n) >"$1/initramfs"
  cp "$kernel_file" "$1/kernel"
  write_packages "$1/packages.txt"
  write_licences "$1/licences.txt" "$1/packages.txt"
  write_sbom "$1/sbom.json" "$1/packages.txt"
  chmod 644 "$1"/*
  list=$(for driver in $drivers $(firmwares); do printf '"%s",' "$driver"; done)
  # The serial number orders manifests of one name and version; these come from the packages alone, as the content does.
  cat >"$1/image.json" <<JSON
{
  "format": 1,
  "name": "$name",
  "version": "$version",
  "serial": $epoch,
  "arch": "$arch",
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
for file in kernel initramfs packages.txt licences.txt sbom.json image.json; do
  cp "$work/out/$file" "$out/.$file.new"
  mv "$out/.$file.new" "$out/$file"
done
say "$version: kernel $(stat -c %s "$out/kernel") bytes, initramfs $(stat -c %s "$out/initramfs") bytes, in $(($(date +%s) - started)) s: $out"
