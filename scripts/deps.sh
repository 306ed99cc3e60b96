#!/bin/sh
# Installs what `make demo` and `make test` need from the distribution (Debian, Ubuntu), only what is missing, saying so first.
#
#   scripts/deps.sh           check the Rust toolchain, then install what is missing
#   scripts/deps.sh --check   only check
#
# Not root, or no apt: prints the line to paste. Exit 0: everything needed is there; 1: something is missing, and was named.
# What only the web console's build, its test in a browser, and climc's completions need is installed too, but nothing ends without it.
# In this order below: what is needed, the toolchain, what is missing, the trap of mixed QEMU versions, the installation.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
# Debian keeps mke2fs, sfdisk and depmod off an ordinary user's path.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export DEBIAN_FRONTEND=noninteractive

only_check=no
case "${1:-}" in
  '') ;;
  --check) only_check=yes ;;
  *) echo "usage: scripts/deps.sh [--check]" >&2; exit 1 ;;
esac

have() { command -v "$1" >/dev/null 2>&1; }

# ── what is needed: package, one word why, and what proves that it is there (a command, or a file pattern)
needed() {
  cat <<'LIST'
postgresql       database    /usr/lib/postgresql/*/bin/initdb
qemu-system-x86  machines    qemu-system-x86_64
qemu-utils       disks       qemu-img
ovmf             firmware    /usr/share/OVMF/OVMF_CODE_4M.fd
ipxe-qemu        netboot     /usr/lib/ipxe/qemu/*virtio.rom
mmdebstrap       guests      mmdebstrap
kmod             modules     depmod
grub-pc-bin      bootloader  /usr/lib/grub/i386-pc/boot.img
fdisk            partitions  sfdisk
cpio             initramfs   cpio
e2fsprogs        filesystems mke2fs
busybox-static   initramfs   busybox
openssh-client   rescue      ssh
curl             requests    curl
tftp-hpa         netboot     tftp
atftp            netboot     atftp
iproute2         netboot     ip
nftables         netboot     nft
runc             containers  runc
python3          tests       python3
python3-venv     deployment  /usr/lib/python3*/ensurepip/__init__.py
gcc              linking     cc
libc6-dev        linking     /usr/lib/*/libc.a
LIST
}

# The web console (`make web`, the test in a browser), clocks that jump (`make chaos`), and shells that climc completes in: what lacks these says loudly that it is skipped.
wished() {
  echo "fonts-noto-cjk   browser     /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
  echo "chromium         browser     chromium"
  echo "nodejs           console     node"
  echo "npm              console     npm"
  echo "libfaketime      chaos       /usr/lib/*/faketime/libfaketimeMT.so.1"
  echo "zsh              completion  zsh"
  echo "fish             completion  fish"
}
# Node's major version, and whether a version of it is new enough.
node_wanted=20
node_major() { node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p'; }

there() {
  if [ "$1" = node ]; then
    [ "$(node_major || true)" -ge "$node_wanted" ] 2>/dev/null
    return
  fi
  case "$1" in
    /*) for file in $1; do [ -e "$file" ] && return 0; done; return 1 ;;
    *) have "$1" ;;
  esac
}

# ── the Rust toolchain: nothing is installed for it, rustup is the user's choice
wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$root/Cargo.toml")
found=$(cd "$root" && rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p') || found=
if [ -z "$found" ] || [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1)" != "$wanted" ]; then
  {
    echo "Rust $wanted or newer is needed; found: ${found:-none}."
    if have rustup; then
      echo "Update it:   rustup update stable"
    elif [ -x "$HOME/.cargo/bin/rustc" ]; then
      echo "A toolchain is in ~/.cargo/bin but not on the path:   . \"\$HOME/.cargo/env\""
    else
      echo "Install it:   curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . \"\$HOME/.cargo/env\""
    fi
  } >&2
  exit 1
fi

# ── what is missing
lacking() { while read -r package why proof; do there "$proof" || echo "$package $why"; done; }
candidate() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p'; }
missing=$(needed | lacking)
# Of what is wished, what the distribution has: not Node before 20, and no Chromium that is only a pointer to another shop (Ubuntu's snap).
extra=$(wished | lacking | while read -r package why; do
  version=$(candidate "$package")
  case "$package" in
    nodejs) version=${version#*:}; [ "${version%%[!0-9]*}" -ge "$node_wanted" ] 2>/dev/null || continue ;;
    npm) there node || { version=$(candidate nodejs); [ "${version%%[!0-9]*}" -ge "$node_wanted" ] 2>/dev/null || continue; } ;;
    chromium) case "$version" in *snap*) continue ;; esac ;;
  esac
  [ -z "$version" ] || [ "$version" = "(none)" ] || echo "$package $why"
done)
without() {
  lack=$(wished | lacking | cut -d' ' -f1 | tr '\n' ' ')
  [ -z "$lack" ] || echo "deps: not from this distribution: $lack- what needs it is skipped: the web console's build, its test in a browser, a shell's completions (Node $node_wanted: https://nodejs.org/en/download)"
}
if [ -z "$missing$extra" ]; then
  without
  echo "deps: all there (Rust $found)"
  exit 0
fi
if [ -z "$missing" ] && { [ "$only_check" = yes ] || [ "$(id -u)" != 0 ]; }; then
  without
  echo "deps: all that is needed is there (Rust $found)"
  exit 0
fi
names() { echo "$1" | sed '/^$/d' | cut -d' ' -f1 | tr '\n' ' '; }
packages=$(names "$missing")
echo "deps: missing from this machine:"
printf '%s\n%s\n' "$missing" "$extra" | sed '/^$/d' | while read -r package why; do printf '  %-16s %s\n' "$package" "$why"; done

# ── QEMU in one version: a machine with qemu-utils from backports refuses an older qemu-system-x86
. /etc/os-release
suite=${VERSION_CODENAME:-}-backports
qemu=no # whether QEMU's packages must come from backports
installed() { dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^installed //p'; }
check_qemu() {
  case " $packages" in *" qemu-system-x86 "* | *" ipxe-qemu "*) ;; *) return 0 ;; esac
  tools=$(installed qemu-utils)
  system=$(candidate qemu-system-x86)
  if [ -n "$tools" ] && [ -n "$system" ] && [ "$system" != "(none)" ] && dpkg --compare-versions "$tools" gt "$system"; then
    qemu=yes
  fi
}

has_suite() { apt-get indextargets --format '$(RELEASE)' 2>/dev/null | grep -qx "$suite"; }

# Prints a deb822 paragraph for the backports suite, with the URI, components and key of the source that serves the release itself.
backports_source() {
  uri=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' | sed -n "s/^$VERSION_CODENAME //p" | head -n 1)
  [ -n "$uri" ] || { echo "no source for $VERSION_CODENAME in apt's configuration" >&2; return 1; }
  key=
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -e "$file" ] || continue
    # One paragraph at a time: the one that names this URI.
    key=$(awk -v uri="${uri%/}" 'BEGIN { RS = "" } index($0, uri "\n") || index($0, uri "/\n") {
      n = split($0, line, "\n")
      for (i = 1; i <= n; i++) if (tolower(line[i]) ~ /^signed-by:[ \t]*\//) { sub(/^[^:]*:[ \t]*/, "", line[i]); print line[i]; exit }
    }' "$file" | head -n 1)
    [ -z "$key" ] || break
  done
  if [ -z "$key" ]; then
    key=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
      sed -n "s,^deb .*\[.*signed-by=\([^] ]*\).*\] *${uri%/}/* .*,\1,p" | head -n 1)
  fi
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$suite"
  [ -z "$key" ] || printf 'Signed-By: %s\n' "$key"
}

# ── the installation
have apt-get && check_qemu
if ! have apt-get; then
  echo "This machine has no apt. Install what these packages of Debian hold, by its own means: $packages" >&2
  exit 1
fi
if [ "$only_check" = yes ] || [ "$(id -u)" != 0 ]; then
  as_root=
  [ "$(id -u)" = 0 ] || as_root="sudo "
  {
    echo "Install:"
    if [ "$qemu" = yes ]; then
      # The script knows how to add the suite; a pasted line would only repeat it.
      echo "  ${as_root}$root/scripts/deps.sh    # qemu-utils is newer than $VERSION_CODENAME's qemu-system-x86: both must come from $suite"
    else
      echo "  ${as_root}apt-get update && ${as_root}apt-get install -y --no-install-recommends $packages"
    fi
  } >&2
  exit 1
fi

echo "deps: installing them with apt-get"
log=$(mktemp)
# Debian starts a database cluster of its own with the package. Lifeboat runs a private one, so that default is off meanwhile.
conf=/etc/postgresql-common/createcluster.conf
saved=
restore() {
  if [ -n "$saved" ]; then
    if [ -s "$saved" ]; then cp "$saved" "$conf"
    elif [ -e /usr/share/postgresql-common/createcluster.conf ]; then cp /usr/share/postgresql-common/createcluster.conf "$conf"
    else rm -f "$conf"; fi
    rm -f "$saved"
  fi
  rm -f "$log"
}
trap restore EXIT
trap 'exit 130' INT TERM
case " $packages" in *" postgresql "*)
  saved=$(mktemp)
  mkdir -p "$(dirname "$conf")"
  [ ! -e "$conf" ] || cp "$conf" "$saved"
  echo 'create_main_cluster = false' >"$conf" ;;
esac

quietly() {
  if ! "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "deps: failed: $*" >&2
    exit 1
  fi
}

quietly apt-get update
check_qemu # its answer depends on fresh lists
if [ "$qemu" = yes ]; then
  if ! has_suite; then
    echo "deps: qemu-utils $tools is newer than $VERSION_CODENAME's qemu-system-x86; adding the suite $suite for QEMU"
    backports_source >"$log"
    cp "$log" /etc/apt/sources.list.d/lifeboat-backports.sources
    chmod 644 /etc/apt/sources.list.d/lifeboat-backports.sources
    quietly apt-get update
  fi
  from_backports=
  rest=
  for package in $packages; do
    case "$package" in qemu-system-x86 | ipxe-qemu) from_backports="$from_backports $package" ;; *) rest="$rest $package" ;; esac
  done
  # shellcheck disable=SC2086
  quietly apt-get install -y --no-install-recommends -t "$suite" $from_backports
  packages=$rest
fi
# shellcheck disable=SC2086
[ -z "$packages" ] || quietly apt-get install -y --no-install-recommends $packages
# One by one: what can't be had must not take the others with it.
for package in $(names "$extra"); do
  apt-get install -y --no-install-recommends "$package" >"$log" 2>&1 || { tail -n 3 "$log" >&2; echo "deps: could not install $package" >&2; }
done

still=$(needed | while read -r package why proof; do there "$proof" || echo "$package"; done)
if [ -n "$still" ]; then
  echo "deps: installed, but still not found: $still" >&2
  exit 1
fi
without
echo "deps: all there (Rust $found)"
