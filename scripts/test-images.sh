#!/bin/bash
# `make test-images`: the images are built without a registry, and do what they are for. Root, by buildah: from a Debian base that is made
# here, with this machine's own Rust and Node in the builder. Cold some 10 minutes on two cores, as all programs are compiled in the builder.
#
#   PROFILE   cargo's; dev without it
#
# What is made stays in target/image-test for the next time (some 6 GB; the folder can be removed). Exit 77: skipped, and said why.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${LIFEBOAT_TARGET:-$PWD/target}
place=$target/image-test
mkdir -p "$place"

skip() { echo "SKIPPED: the images were not built: $1" >&2; exit 77; }
[ "$(id -u)" = 0 ] || skip "that takes root here"
for it in buildah:buildah mmdebstrap:mmdebstrap node:nodejs npm:npm; do
  command -v "${it%:*}" >/dev/null || skip "${it%:*} is missing: apt-get install ${it#*:}"
done
rustc=$(command -v rustc) || skip "there is no Rust"
sysroot=$(rustc --print sysroot)

# Storage of its own. Processes are only confined by chroot, which works within containers, too.
export STORE="--root $place/store --runroot $place/run --storage-driver overlay" BUILDAH_ISOLATION=chroot
# Caches of RUN --mount: beside the rest.
export TMPDIR=$place/tmp
mkdir -p "$TMPDIR"
b() { buildah $STORE "$@"; }
containers=()
cleanup() { for it in "${containers[@]}"; do b rm "$it" >/dev/null 2>&1 || true; done; }
trap cleanup EXIT
# Sets `it` to a new container of an image.
from() { it=$(b from --pull-never "$1"); containers+=("$it"); }
say() { printf '%4ss %s\n' "$SECONDS" "$*"; }

. /etc/os-release
base=localhost/lifeboat-test/base:$VERSION_CODENAME
builder=localhost/lifeboat-test/builder:$VERSION_CODENAME-$(rustc --version | cut -d' ' -f2)-$(node --version)

if ! b inspect --type image "$base" >/dev/null 2>&1; then
  say "a base: $PRETTY_NAME by mmdebstrap"
  mmdebstrap --quiet --variant=minbase --customize-hook='rm -rf "$1"/var/lib/apt/lists/*' "$VERSION_CODENAME" "$place/base.tar"
  from scratch
  b add --quiet "$it" "$place/base.tar" / >/dev/null
  rm "$place/base.tar"
  b config --cmd /bin/bash "$it"
  b commit --quiet "$it" "$base" >/dev/null
fi
if ! b inspect --type image "$builder" >/dev/null 2>&1; then
  say "a builder: that base with a C compiler, $(rustc --version | cut -d' ' -f1-2) and node $(node --version) of this machine"
  packages="gcc libc6-dev ca-certificates"
  # Debian's own Node is spread over many packages.
  modules=$(dirname "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")")
  [ -e "$modules/npm/package.json" ] && ! ldd "$(command -v node)" | grep -q libnode || { packages+=" nodejs npm"; modules=; }
  from "$base"
  b run "$it" -- sh -c "apt-get update -qq && apt-get install -qq --yes --no-install-recommends $packages >/dev/null && rm -rf /var/lib/apt/lists/*"
  tar -C "$sysroot" --exclude=./share --exclude='./lib/rustlib/*/analysis' --exclude=./lib/rustlib/src --exclude=./lib/rustlib/wasm32* -cf "$place/rust.tar" .
  b add --quiet "$it" "$place/rust.tar" /opt/rust >/dev/null
  rm "$place/rust.tar"
  if [ -n "$modules" ]; then
    b copy --quiet "$it" "$(readlink -f "$(command -v node)")" /usr/local/bin/node >/dev/null
    b copy --quiet "$it" "$modules/npm" /usr/local/lib/node_modules/npm >/dev/null
    b run "$it" -- ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
  fi
  # Whoever this machine trusts, when packages are fetched.
  b copy --quiet "$it" "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" /etc/ssl/certs/ca-certificates.crt >/dev/null
  b config --env PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --env CARGO_HOME=/opt/cargo \
    --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt --env CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt \
    --env CARGO_INCREMENTAL=0 --env CARGO_PROFILE_DEV_DEBUG=0 --env npm_config_cache=/opt/npm "$it"
  b commit --quiet "$it" "$builder" >/dev/null
fi

# What cargo and npm have fetched before is read from this machine's own, and what they write there is thrown away.
mkdir -p "${CARGO_HOME:-$HOME/.cargo}/registry" "$HOME/.npm"
say "the images"
# Under its own name nothing else here can take it for a release.
version=0.0.0-test
BUILDER=$builder NODE=$builder BASE=$base PROFILE=${PROFILE:-dev} ENGINE=buildah REGISTRY=localhost/lifeboat-test VERSION=$version \
  VOLUMES="${CARGO_HOME:-$HOME/.cargo}/registry:/opt/cargo/registry:O $HOME/.npm:/opt/npm:O" \
  scripts/images.sh region host baremetal-agent climc >"$place/build.log" 2>&1 || { tail -n 40 "$place/build.log" >&2; exit 1; }

say "what they say of themselves, and what is in them"
for service in region host baremetal-agent climc; do
  from "localhost/lifeboat-test/$service:$version"
  folder=$(b mount "$it")
  b inspect "$it" >"$place/$service.json"
  python3 scripts/deploy/image_facts.py "$service" "$version" "$place/$service.json" "$folder"
  b umount "$it" >/dev/null
  b run "$it" -- "/usr/local/bin/$service" --version
done

say "region takes its configuration, and is not well while nobody serves"
from "localhost/lifeboat-test/region:$version"
b run "$it" -- region --config /etc/lifeboat/config/region.toml --check-config >/dev/null
b run "$it" -- lifeboat --version >/dev/null
! b run "$it" -- region --config /etc/lifeboat/config/region.toml --health 2>"$place/health" || { echo "region is well though nobody serves" >&2; exit 1; }
grep -q 127.0.0.1:8774 "$place/health" || { echo "what --health says names no address: $(cat "$place/health")" >&2; exit 1; }

say "host has a QEMU, its firmware and a user for it"
from "localhost/lifeboat-test/host:$version"
b run "$it" -- host --config /etc/lifeboat/config/host.toml --check-config >/dev/null
b run "$it" -- sh -ec 'qemu-system-x86_64 --version; qemu-img --version | head -n 1; ip -V; id lifeboat-qemu
  test -s /usr/share/OVMF/OVMF_CODE_4M.fd; test -s "$HOST_QEMU__PROBE_KERNEL"'

say "baremetal-agent publishes the images it brings, twice without a change, and serves them"
from "localhost/lifeboat-test/baremetal-agent:$version"
b run "$it" -- sh -ec '
  config="--config /etc/lifeboat/config/baremetal-agent.toml"
  test "$(id -u)" = 10001
  /usr/local/lib/lifeboat/install-images /usr/share/lifeboat/boot/images $config
  /usr/local/lib/lifeboat/install-images /usr/share/lifeboat/boot/images $config | grep -q "there already"
  # A service of its own, without a region: no endpoint is known here.
  sed "/^\[region\]/,/^$/d; /^\[tls\]/,/^$/d" /etc/lifeboat/config/baremetal-agent.toml >/tmp/agent.toml
  baremetal-agent --config /tmp/agent.toml >/tmp/log 2>&1 &
  agent=$!
  for try in $(seq 100); do baremetal-agent --config /tmp/agent.toml --health 2>/tmp/why && well=yes && break; kill -0 $agent; sleep 0.1; done
  test "${well:-}" = yes || { cat /tmp/why /tmp/log; exit 1; }
  kill $agent
  wait $agent'
say "done"
