#!/bin/bash
# The web console (crates/console/web): its packages, checks and build, and the test in a real browser. For `make web`, `make test-browser`
# and `make test`.
#
#   scripts/web.sh check     packages, types, unit tests, build into dist (with the limit of the first page's size)
#   scripts/web.sh build     packages and build alone
#   scripts/web.sh browser   stories in Debian's Chromium against a whole stack with real QEMU; what they need must have been built
#                            (SCREENSHOTS=1: pictures of each page instead)
#
# Exit 77: skipped, because this machine lacks Node 20 or Chromium, which is said loudly. The console is then a page that says how to build
# it; everything else works.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${LIFEBOAT_TARGET:-$PWD/target}
web=crates/console/web

skip() {
  {
    echo "┌─ SKIPPED: $1"
    echo "└─ ${2:-}"
  } >&2
  exit 77
}

need_node() {
  local found
  found=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p') || found=
  [ "${found:-0}" -ge 20 ] || skip "the web console was neither built nor tested: Node 20 or newer is needed, found ${found:-none}" \
    "Install it (Debian 13: apt-get install nodejs npm; else https://nodejs.org/en/download), then: make web"
  command -v npm >/dev/null || skip "the web console was neither built nor tested: npm is missing" "apt-get install npm, then: make web"
}

# As in package-lock.json, exactly; done again only when that changes.
packages() {
  local wanted
  wanted=$(cat "$web/package-lock.json" "$web/.npmrc" | sha256sum)
  if [ "$(cat "$web/node_modules/.lifeboat" 2>/dev/null)" != "$wanted" ]; then
    rm -f "$web/node_modules/.lifeboat"
    # Registries hiccup.
    (cd "$web" && { npm ci --no-progress --loglevel=error || npm ci --no-progress --loglevel=error; }) >&2
    echo "$wanted" >"$web/node_modules/.lifeboat"
  fi
}

build() { (cd "$web" && npm run --silent build); }

need_chromium() {
  local chromium=${CHROMIUM:-/usr/bin/chromium}
  "$chromium" --version >/dev/null 2>&1 || skip "the test in a real browser did not run: there is no $chromium" \
    "Install it (apt-get install chromium fonts-noto-cjk), or name another with CHROMIUM=..., then: make test-browser"
}

case "${1:-}" in
  check)
    need_node
    packages
    (cd "$web" && npm run --silent typecheck && npm run --silent test)
    build
    ;;
  build)
    need_node
    packages
    build
    ;;
  browser)
    need_node
    need_chromium
    packages
    [ -e "$web/dist/index.html" ] || build
    (cd "$web" && LIFEBOAT_TARGET=$target npm run --silent browser)
    ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 1
    ;;
esac
