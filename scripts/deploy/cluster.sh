#!/bin/bash
# With a cluster: applies the demo, waits, rescues a server through the Service, upgrades the host agent beneath it, and removes everything.
# Part of `make test-deploy` when KUBECONFIG is set. Takes a namespace `lifeboat` that is not there yet, and a node of amd64 that pods may run on.
#
#   REGISTRY, VERSION   where the images are (make images REGISTRY= PUSH=yes); or
#   KIND                the name of a kind cluster that they were loaded into (make images KIND=)
#   BIN                 the folder with climc; without it target/debug or target/release
#   KEEP                yes: leave it running
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${LIFEBOAT_TARGET:-$PWD/target}
bin=${BIN:-}
for it in debug release; do
  [ -n "$bin" ] || [ ! -x "$target/$it/climc" ] || bin=$target/$it
done
die() { echo "cluster: $*" >&2; exit 1; }
guest=${LIFEBOAT_GUESTS:-$target/guests}/tiny.qcow2
[ -x "$bin/climc" ] || die "there is no climc; run: make build"
[ -s "$guest" ] || die "there is no $guest; run: make tiny-guest"
export VERSION=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)} NAMESPACE=lifeboat
k() { kubectl --namespace lifeboat "$@"; }
say() { printf '%4ss %s\n' "$SECONDS" "$*"; }
! kubectl get namespace lifeboat >/dev/null 2>&1 || die "namespace lifeboat is there already: this test would end what runs in it"

forward=
scratch=$(mktemp -d)
cleanup() {
  code=$?
  [ -z "$forward" ] || kill "$forward" 2>/dev/null || true
  if [ $code != 0 ]; then
    k get pods --output wide || true
    for it in region host baremetal-agent; do k logs --tail 30 --prefix --selector "app.kubernetes.io/name=$it" || true; done
  fi >&2
  if [ "${KEEP:-}" != yes ]; then
    say "everything is removed"
    kubectl delete --kustomize deploy/overlays/demo --ignore-not-found --wait --timeout=300s >/dev/null || true
  fi
  rm -rf "$scratch"
  exit $code
}
trap cleanup EXIT

say "apply deploy/overlays/demo, and wait"
python3 scripts/deploy/rollout.py apply demo

# The Service, at a free port of this machine; the line that says which ends the wait.
forwarded() {
  [ -z "$forward" ] || kill "$forward" 2>/dev/null || true
  k port-forward service/region :8774 >"$scratch/forward" 2>&1 &
  forward=$!
  for _ in $(seq 300); do
    port=$(sed -n 's/^Forwarding from 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$scratch/forward")
    [ -z "$port" ] || break
    kill -0 "$forward" 2>/dev/null || die "port-forward: $(cat "$scratch/forward")"
    sleep 0.1
  done
  [ -n "$port" ] || die "port-forward does not begin: $(cat "$scratch/forward")"
  export OS_AUTH_URL=http://127.0.0.1:$port/v3
}
forwarded
export OS_USERNAME=admin OS_PROJECT_NAME=system OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default
OS_PASSWORD=$(k get secret region-secrets --output jsonpath='{.data.admin-password}' | base64 -d)
export OS_PASSWORD
climc() { "$bin/climc" "$@"; }
online() { climc "$1-list" --output-format kv | grep -cE "^(host_)?status=online"; }
until_one() { # WORDS COMMAND...
  local words=$1
  shift
  for _ in $(seq 120); do [ "$("$@" || true)" -lt 1 ] 2>/dev/null || return 0; sleep 1; done
  die "$words"
}
until_one "no host is online after two minutes" online host
until_one "no agent is online after two minutes" online agent

say "a server, from an image that every host gets"
for pod in $(k get pods --selector app.kubernetes.io/name=host --output name); do
  k exec "$pod" -- mkdir -p /opt/cloud/workspace/images
  k exec --stdin "$pod" -- sh -c 'cat >/opt/cloud/workspace/images/tiny.qcow2' <"$guest"
done
climc server-create deploy-test --disk image=tiny.qcow2 --mem 256 --auto-start --wait --timeout 300

say "rescue it"
climc server-start-rescue deploy-test --wait --timeout 600
climc server-rescue-show deploy-test --output-format kv | grep -q '^state=active' || die "the session is not active"

say "another host agent: the guest outlives its pod"
before=$(climc server-rescue-show deploy-test --output-format kv | sed -n 's/^id=//p')
k rollout restart daemonset/host
k rollout status daemonset/host --timeout=300s
until_one "no host is online after its restart" online host
climc server-rescue-show deploy-test --output-format kv | grep -qx "id=$before" || die "another session than before"

say "and back"
climc server-stop-rescue deploy-test --wait --timeout 300
climc server-show deploy-test --output-format kv | grep -qx 'status=running' || die "the server does not run again"
climc server-stop deploy-test --wait --timeout 300
climc server-delete deploy-test --wait --timeout 300
say "done"
