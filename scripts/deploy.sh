#!/bin/sh
# The demo overlay into the cluster that kubectl points to: secrets (made once, then kept), manifests, the rescue image.
#
#   scripts/deploy.sh            needs kubectl, `make build rescue-image`, and images of the services (make images) in the cluster
set -eu
cd "$(dirname "$0")/.."
target=${LIFEBOAT_TARGET:-$PWD/target}
images="$target/rescue-images"
pki="$target/deploy/pki"
namespace=lifeboat

command -v kubectl >/dev/null 2>&1 || { echo "deploy: kubectl is missing" >&2; exit 1; }
[ -s "$images/images/small/manifest.json.minisig" ] || { echo "deploy: no signed rescue image; run: make rescue-image" >&2; exit 1; }
random() { od -An -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }
k() { kubectl --namespace "$namespace" "$@"; }
there() { k get "$1" "$2" >/dev/null 2>&1; }

kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace"
"$target/debug/lifeboat" certificates "$pki" --host host1 --agent agent1
tls() { # SECRET FILE
  there secret "$1" || k create secret generic "$1" --from-file=ca.crt="$pki/ca.pem" --from-file=tls.crt="$pki/$2.pem" --from-file=tls.key="$pki/$2.key"
}
tls region-tls region
tls host-tls host1
tls baremetal-agent-tls agent1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Through files: a command line is visible to everybody on the machine.
(umask 077 && random 12 >"$work/admin-password" && random 32 >"$work/region-key" && random 16 >"$work/password" &&
  printf 'postgres://postgres:%s@postgres/lifeboat' "$(cat "$work/password")" >"$work/url")
there secret region-secrets || k create secret generic region-secrets --from-file="$work/admin-password" --from-file="$work/region-key"
there secret database || k create secret generic database --from-file="$work/password" --from-file="$work/url"
k create configmap rescue-image-keys --from-file=rescue-images.pub="$images/keys/development.pub" --dry-run=client -o yaml | k apply -f -

kubectl apply -k deploy/overlays/demo
for what in statefulset/postgres deployment/region deployment/baremetal-agent statefulset/host; do
  k rollout status "$what" --timeout=300s
done
pod=$(k get pod -l app=baremetal-agent -o name | head -n 1)
tar -C "$images" --exclude packages.txt --exclude image.json -cf - images | k exec -i "$pod" -- tar -C /var/lib/lifeboat/boot -xf -
echo "deployed. The admin's password: kubectl -n $namespace get secret region-secrets -o jsonpath='{.data.admin-password}' | base64 -d"
echo "REST on http://127.0.0.1:8774 with: kubectl -n $namespace port-forward service/region 8774"
