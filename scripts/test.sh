#!/bin/bash
# `make test`: each phase in turn, stops at the first that fails, then prints how many minutes each took and the sum of all tests.
#
# Phases: formatting, web console, lints, build, deployment, rescue images (the same bytes from two builds, and what no other test shows
# of them), tiny guest, tests, browser, corpus. Tests run against one private Postgres server that lives as long as they do. The web
# console comes before the build, which embeds it. A phase that ends with 77 was skipped, and has said why.
set -u
cd "$(dirname "$0")/.." || exit 1
target=${LIFEBOAT_TARGET:-$PWD/target}
export CARGO_TERM_PROGRESS_WHEN=${CARGO_TERM_PROGRESS_WHEN:-never}
out=$(mktemp)
trap 'rm -f "$out"' EXIT

report=
phase() {
  local name=$1 began=$SECONDS
  shift
  echo "── $name"
  "$@"
  local code=$?
  if [ $code = 77 ]; then
    report+=$(printf '  %-14s SKIPPED, see above' "$name")$'\n'
    return
  fi
  if [ $code != 0 ]; then
    printf '\n%s' "$report"
    echo "FAILED: $name (after $((SECONDS - began)) s)"
    total
    exit 1
  fi
  report+=$(awk -v s=$((SECONDS - began)) -v n="$name" 'BEGIN { printf "  %-14s %5.1f min", n, s / 60 }')$'\n'
}

tests() {
  # Failing tests of one package must not hide those of the next.
  "$target/debug/pg-cluster" exec -- cargo test --workspace --no-fail-fast 2>&1 | tee "$out"
  return "${PIPESTATUS[0]}"
}

# Two builds of `small`, thrown away.
same_bytes() {
  local folder code
  folder=$(mktemp -d)
  CARGO_TARGET_DIR=$target docker/rescue-image/build.sh --check-reproducible small "$folder"
  code=$?
  rm -rf "$folder"
  return $code
}

corpus() {
  (cd tests/broken-guests && python3 -B -m unittest --quiet test_verdict) || return 1
  python3 tests/broken-guests/corpus.py --short --images "$target/rescue-images/images" --guests "$target/guests"
}

# cargo's own lines, one for each package, added up.
total() {
  awk '/^test result:/ { for (i = 1; i < NF; i++) { if ($(i+1) ~ /^passed/) p += $i; if ($(i+1) ~ /^failed/) f += $i } }
    END { printf "%d passed, %d failed\n", p, f }' "$out"
}

phase format cargo fmt --all --check
phase web scripts/web.sh check
phase lint cargo clippy --quiet --workspace --all-targets -- -D warnings
# All targets at once: the same features, so that nothing is compiled twice.
phase build cargo build --quiet --workspace --all-targets
# Never with a cluster that somebody happens to have at hand.
phase deployment env -u KUBECONFIG scripts/test-deploy.sh
phase rescue-image scripts/built.sh rescue-image
phase rescue-std scripts/built.sh rescue-image-std
phase rescue-same same_bytes
phase rescue-smoke docker/rescue-image/smoke.sh "$target/rescue-images/images/small" --only-here --jobs 2
phase smoke-std docker/rescue-image/smoke.sh "$target/rescue-images/images/std" --of-std
phase tiny-guest scripts/built.sh tiny
phase tests tests
phase browser scripts/web.sh browser
phase corpus corpus

printf '\n%s' "$report"
awk -v s=$SECONDS 'BEGIN { printf "  %-14s %5.1f min\n", "together", s / 60 }'
total
