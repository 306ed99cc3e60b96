#!/bin/bash
# `make test-deb`: the packages are built from the programs that are there, checked, and installed, upgraded over a changed configuration,
# removed and purged in a small Debian of their own (root; some two minutes); their units by systemd's own eyes.
#
#   BIN    the folder of built programs; without it target/debug, or target/release
#
# Exit 77: skipped, and said why.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${LIFEBOAT_TARGET:-$PWD/target}
skip() { echo "SKIPPED: the packages were not tested: $1" >&2; exit 77; }
[ "$(id -u)" = 0 ] || skip "that takes root here"
command -v cargo-deb >/dev/null || skip "cargo install cargo-deb --locked"
command -v mmdebstrap >/dev/null || skip "apt-get install mmdebstrap"
bin=${BIN:-}
for it in debug release; do
  [ -n "$bin" ] || [ ! -x "$target/$it/region" ] || bin=$target/$it
done
[ -n "$bin" ] || skip "no programs are built: make build"

place=$(mktemp -d)
root=$place/root
cleanup() { umount "$root/proc" 2>/dev/null || true; rm -rf "$place"; }
trap cleanup EXIT
wrong=0
expect() { # WORDS COMMAND...
  local words=$1
  shift
  "$@" || { echo "wrong: $words" >&2; wrong=1; }
}
in_root() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }

echo "── packages"
mkdir -p "$place/debug"
for it in region host baremetal-agent climc; do ln -s "$(realpath "$bin/$it")" "$place/debug/$it"; done
LIFEBOAT_TARGET=$place PROFILE=dev NO_BUILD=yes scripts/deb.sh >"$place/log" 2>&1 || { cat "$place/log" >&2; exit 1; }
debs=$place/debian
for it in "$debs"/*.deb; do
  dpkg-deb --field "$it" Package Version Depends | tr '\n' ' '
  echo
  # Owned by root, and writable by nobody else.
  expect "$(basename "$it") has files of others" test -z "$(dpkg-deb --contents "$it" | awk '($2 != "root/root" && $2 != "0/0") || (substr($1, 1, 1) != "l" && substr($1, 6, 1) == "w") || substr($1, 9, 1) == "w" && substr($1, 1, 1) != "l"')"
done
file() { echo "$debs/$1"_*.deb; }

echo "── a Debian to install them in"
. /etc/os-release
mmdebstrap --quiet --variant=minbase --include=ca-certificates,systemd,procps "$VERSION_CODENAME" "$root"
mount -t proc proc "$root/proc"
cp "$debs"/*.deb "$root/tmp/"
# Whether all that they depend on is there to be had, in the versions that they ask for.
in_root apt-get update -qq
for it in region host baremetal-agent; do
  in_root sh -c "apt-get install --simulate -qq --no-install-recommends /tmp/lifeboat-${it}_*.deb" >"$place/log" 2>&1 || { cat "$place/log" >&2; exit 1; }
done
install_all() {
  in_root sh -c 'dpkg --install /tmp/climc_*.deb /tmp/lifeboat-region_*.deb /tmp/lifeboat-baremetal-agent_*.deb' >"$place/log" 2>&1 || { cat "$place/log" >&2; exit 1; }
  # Not with QEMU and all that it brings.
  in_root sh -c 'dpkg --force-depends --install /tmp/lifeboat-host_*.deb' >"$place/log" 2>&1 || { cat "$place/log" >&2; exit 1; }
}
install_all

echo "── installed"
for it in region host baremetal-agent; do
  in_root "lifeboat-$it" --version
  expect "lifeboat-$it does not take its own configuration" in_root "lifeboat-$it" --config "/etc/lifeboat/$it.toml" --check-config >/dev/null
  expect "lifeboat-$it is enabled before it is set up" test ! -e "$root/etc/systemd/system/multi-user.target.wants/lifeboat-$it.service"
done
in_root climc --version
expect "climc has no manual page" test -s "$(ls "$root"/usr/share/man/man1/climc-server-start-rescue.1* 2>/dev/null)"
expect "climc's completion is no bash" bash -n "$root/usr/share/bash-completion/completions/climc"
expect "the folder of certificates is open" test "$(in_root stat -c '%U:%G %a' /etc/lifeboat/tls)" = "root:lifeboat 750"
expect "user lifeboat can log in" test "$(in_root getent passwd lifeboat | cut -d: -f7)" = /usr/sbin/nologin
expect "QEMU has no user" test "$(in_root id -gn lifeboat-qemu)" = kvm

echo "── units"
systemd-analyze --root="$root" --man=no --generators=no verify lifeboat-region.service lifeboat-host.service lifeboat-baremetal-agent.service 2>"$place/log" || true
expect "systemd finds fault: $(cat "$place/log")" test ! -s "$place/log"
exposure() { # UNIT LIMIT: by systemd's own scale, 0 (confined) to 10
  systemd-analyze --offline=true --root="$root" --threshold="$2" security "$1" | tail -n 1
  return "${PIPESTATUS[0]}"
}
expect "lifeboat-region is less confined than it was" exposure lifeboat-region.service 15
expect "lifeboat-baremetal-agent is less confined than it was" exposure lifeboat-baremetal-agent.service 20
expect "lifeboat-host is less confined than it was" exposure lifeboat-host.service 55

echo "── again, over a configuration that was changed"
echo '# changed' >>"$root/etc/lifeboat/host.toml"
mkdir -p "$root/opt/cloud/workspace/servers/x" "$root/etc/lifeboat/tls"
touch "$root/opt/cloud/workspace/servers/x/desc" "$root/etc/lifeboat/tls/tls.key"
install_all
expect "the changed configuration is lost" grep -q '# changed' "$root/etc/lifeboat/host.toml"

echo "── removed, then purged"
in_root dpkg --remove climc lifeboat-region lifeboat-host lifeboat-baremetal-agent >/dev/null
for it in lifeboat-region lifeboat-host lifeboat-baremetal-agent climc; do
  expect "$it is still there" test ! -e "$root/usr/bin/$it"
done
expect "the configuration went with the package" test -s "$root/etc/lifeboat/host.toml"
in_root dpkg --purge climc lifeboat-region lifeboat-host lifeboat-baremetal-agent >"$place/log" 2>&1
expect "a configuration outlived the purge" test ! -e "$root/etc/lifeboat/host.toml" -a ! -e "$root/etc/lifeboat/region.toml"
expect "a guest went with the package" test -e "$root/opt/cloud/workspace/servers/x/desc"
expect "a key went with the package" test -e "$root/etc/lifeboat/tls/tls.key"
[ $wrong = 0 ] && echo "── all of it is right"
exit $wrong
