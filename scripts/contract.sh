#!/bin/bash
# `make test-contract`: schemathesis asks a live region everything that its OpenAPI document promises: no 5xx, no answer that the document does
# not describe. It is fetched from PyPI, in a fixed version, into a virtual environment beside what is built.
#
#   EXAMPLES=N   requests per operation and phase at most (default 15)
#   SECONDS_MAX=N  ends the run after so long (default 240)
#
# Bodies are drawn at random, so a refusal (4xx) is as good an answer as any: what counts is that it has the shape that the document says.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${LIFEBOAT_TARGET:-$PWD/target}
venv=$target/contract-venv
version=4.32.5

if [ ! -x "$venv/bin/schemathesis" ] || ! "$venv/bin/schemathesis" --version | grep -qF "$version"; then
  python3 -m venv "$venv" 2>/dev/null || { echo "python3-venv is missing. Install it: sudo apt-get install python3-venv" >&2; exit 1; }
  "$venv/bin/pip" install --quiet "schemathesis==$version"
fi
cargo build --quiet -p testing --example live

coproc LIVE { exec "$target/debug/examples/live"; }
# It ends with its standard input.
read -r -u "${LIVE[0]}" url
read -r -u "${LIVE[0]}" token
read -r -u "${LIVE[0]}" CONTRACT_KEEP
export CONTRACT_KEEP SCHEMATHESIS_HOOKS=contract_hooks PYTHONPATH=$PWD/scripts
config=$(mktemp)
trap 'rm -f "$config"' EXIT
# The token goes by file: arguments are in the process list.
printf 'headers = { "X-Auth-Token" = "%s" }\n' "$token" >"$config"
chmod 600 "$config"
# Not asked: the stream, which has no end. One worker: two threads that parse at once trip over each other in Python 3.11 ("AST constructor
# recursion depth mismatch"), and the run counts as failed though every answer was right.
"$venv/bin/schemathesis" --config-file "$config" run "$url/openapi.json" \
  --checks not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance \
  --phases examples,coverage,fuzzing --max-examples "${EXAMPLES:-15}" --max-time "${SECONDS_MAX:-240}" \
  --exclude-path /stream \
  --suppress-health-check all --continue-on-failure --no-shrink --workers 1 --request-timeout 35 --seed 1
