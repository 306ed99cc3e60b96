#!/bin/bash
# `make test-units`: the packages as docs/operations.md installs them, in a small Debian whose own systemd runs them: Postgres, region, host and
# agent under their units, a guest that is rescued, and that outlives its agent's unit. Root; some 500 MB, and five minutes.
#
#   BIN    the folder of built programs; without it target/debug, or target/release
#   ROOT   a folder for that Debian, which is kept for the next time; without it a new one, which is removed
#
# Exit 77: skipped, and said why.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${LIFEBOAT_TARGET:-$PWD/target}
guest=${LIFEBOAT_GUESTS:-$target/guests}/tiny.qcow2
images=${LIFEBOAT_RESCUE_IMAGES:-$target/rescue-images}
skip() { echo "SKIPPED: the units were not run: $1" >&2; exit 77; }
die() { echo "units: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || skip "that takes root here"
command -v cargo-deb >/dev/null || skip "cargo install cargo-deb --locked"
command -v mmdebstrap >/dev/null || skip "apt-get install mmdebstrap"
[ -s "$guest" ] && [ -s "$images/images/small/manifest.json.minisig" ] || skip "make rescue-image tiny-guest"
bin=${BIN:-}
for it in debug release; do
  [ -n "$bin" ] || [ ! -x "$target/$it/lifeboat" ] || bin=$target/$it
done
[ -n "$bin" ] || skip "no programs are built: make build"
say() { printf '%4ss %s\n' "$SECONDS" "$*"; }

place=$(mktemp -d)
root=${ROOT:-$place/root}
booted=
cleanup() {
  code=$?
  if [ -n "$booted" ]; then
    if [ $code != 0 ]; then inside journalctl --no-pager --lines 40 --unit 'lifeboat-*' >&2 || true; fi
    # With it goes everything in its namespaces.
    kill -KILL "$booted" 2>/dev/null || true
    wait "$booted" 2>/dev/null || true
  fi
  rm -rf "$place"
  exit $code
}
trap cleanup EXIT
until_true() { # WORDS COMMAND...
  local words=$1
  shift
  for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
  die "$words"
}

say "packages"
mkdir -p "$place/debug"
for it in region host baremetal-agent climc; do ln -s "$(realpath "$bin/$it")" "$place/debug/$it"; done
LIFEBOAT_TARGET=$place PROFILE=dev NO_BUILD=yes scripts/deb.sh >"$place/log" 2>&1 || { cat "$place/log" >&2; exit 1; }
if [ ! -x "$root/lib/systemd/systemd" ]; then
  say "a Debian with systemd"
  . /etc/os-release
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,systemd,systemd-sysv,dbus,procps,curl "$VERSION_CODENAME" "$root"
fi
say "installed, with all that they depend on, and Postgres"
mkdir -p "$root/srv/packages"
cp "$place"/debian/*.deb "$root/srv/packages/"
chroot "$root" sh -ec 'export DEBIAN_FRONTEND=noninteractive; apt-get update -qq
  apt-get install -qq --yes --no-install-recommends --reinstall postgresql /srv/packages/*.deb' >"$place/log" 2>&1 || { tail -n 30 "$place/log" >&2; exit 1; }

say "set up as docs/operations.md says"
etc=$root/etc/lifeboat
group=$(chroot "$root" getent group lifeboat | cut -d: -f3)
"$bin/lifeboat" certificates "$place/pki" --host host1 --agent agent1 >/dev/null
key_pair() { # FOLDER NAME GROUP MODE
  install -d -m 750 -g "$3" "$etc/$1"
  install -m 644 "$place/pki/ca.pem" "$etc/$1/ca.crt"
  install -m 644 "$place/pki/$2.pem" "$etc/$1/tls.crt"
  install -m "$4" -g "$3" "$place/pki/$2.key" "$etc/$1/tls.key"
}
# Three parts on one machine: a certificate for each.
key_pair tls region "$group" 440
key_pair tls-host host1 0 600
key_pair tls-agent agent1 "$group" 440
sed -i 's|/etc/lifeboat/tls/|/etc/lifeboat/tls-host/|; s|^name = ""|name = "host1"|' "$etc/host.toml"
sed -i 's|/etc/lifeboat/tls/|/etc/lifeboat/tls-agent/|; s|^listen = "127.0.0.1:0"  *# machines.*|listen = "127.0.0.1:69"|' "$etc/baremetal-agent.toml"
cat "$images"/keys/*.pub >"$etc/images.pub"
rm -rf "$root/srv/image"
cp -r "$images/images/small" "$root/srv/image"
chmod -R a+rX "$root/srv" "$etc/images.pub"
rm -rf "$root/opt/cloud" "$root/var/lib/lifeboat"

scripts/lib/boot-systemd.sh "$root" >"$place/boot" 2>&1 &
booted=$!
systemd() { pgrep --parent "$booted" --oldest; }
until_true "systemd does not start: $(cat "$place/boot")" systemd
inside() { nsenter --target "$(systemd)" --all -- "$@"; }
until_true "Postgres does not run" inside runuser -u postgres -- psql -c 'select 1'
inside runuser -u postgres -- psql --quiet --command 'set client_min_messages = error' -c 'drop database if exists lifeboat' -c 'drop role if exists lifeboat'
inside runuser -u postgres -- createuser lifeboat
inside runuser -u postgres -- createdb --owner lifeboat lifeboat

say "started: $(inside systemctl --version | head -n 1)"
# By region's default URL: Postgres' socket, and the name that the unit's user has.
inside systemctl enable --now --quiet lifeboat-region lifeboat-baremetal-agent lifeboat-host
until_true "region is not well" inside lifeboat-region --config /etc/lifeboat/region.toml --health
inside runuser -u lifeboat -- lifeboat-baremetal-agent --config /etc/lifeboat/baremetal-agent.toml image add /srv/image
inside systemctl reload lifeboat-baremetal-agent
climc() {
  inside env OS_AUTH_URL=http://127.0.0.1:8774/v3 OS_USERNAME=admin OS_PROJECT_NAME=system OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default \
    OS_PASSWORD="$(cat "$root/var/lib/lifeboat/region/admin-password")" climc "$@"
}
shows() { climc "${@:2}" --output-format kv | grep -qE "$1"; }
until_true "no host is online" shows '^(host_)?status=online' host-list
until_true "no agent is online" shows '^(host_)?status=online' agent-list
until_true "the agent's image is not offered" shows 'small' agent-show agent1

say "a guest, in a scope of its own and as QEMU's user"
install -D -m 644 "$guest" "$root/opt/cloud/workspace/images/tiny.qcow2"
climc server-create web1 --disk image=tiny.qcow2 --mem 256 --auto-start --wait --timeout 400 >/dev/null
pid=$(inside pgrep --oldest qemu-system)
[ "$(inside ps --no-headers -o user:20 -p "$pid")" = lifeboat-qemu ] || die "QEMU runs as $(inside ps --no-headers -o user:20 -p "$pid")"
inside grep -q 'lifeboat-guest-.*\.scope' "/proc/$pid/cgroup" || die "QEMU is in the unit's own cgroup: $(inside cat "/proc/$pid/cgroup")"
inside systemctl restart lifeboat-host lifeboat-region
until_true "region is not well after its restart" inside lifeboat-region --config /etc/lifeboat/region.toml --health
until_true "no host is online after its restart" shows '^host_status=online' host-list
[ "$(inside pgrep --oldest qemu-system)" = "$pid" ] || die "the guest did not outlive its agent's unit"

say "rescued, and back"
climc server-start-rescue web1 --wait --timeout 500 >/dev/null
shows '^state=active' server-rescue-show web1 || die "the session is not active"
climc server-stop-rescue web1 --wait --timeout 400 >/dev/null
shows '^status=running' server-show web1 || die "the server does not run again"
climc server-stop web1 --wait --timeout 400 >/dev/null
climc server-delete web1 --wait --timeout 400 >/dev/null
failed=$(inside systemctl --failed --plain --no-legend list-units 'lifeboat*')
[ -z "$failed" ] || die "units failed: $failed"
say "all of it works under its units"
