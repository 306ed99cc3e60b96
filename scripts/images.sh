#!/bin/sh
# Container images of all services, with docker or podman:   scripts/images.sh [TAG]
# BUILDER and BASE, if set, name the images to build with and on.
set -eu
cd "$(dirname "$0")/.."
tag=${1:-latest}
for engine in docker podman; do
  if command -v "$engine" >/dev/null 2>&1; then break; fi
  engine=
done
[ -n "$engine" ] || { echo "images: neither docker nor podman is here; install one of them" >&2; exit 1; }
set --
[ -z "${BUILDER:-}" ] || set -- "$@" --build-arg "BUILDER=$BUILDER"
[ -z "${BASE:-}" ] || set -- "$@" --build-arg "BASE=$BASE"
for file in docker/*/Dockerfile; do
  name=$(basename "$(dirname "$file")")
  echo "── lifeboat/$name:$tag"
  "$engine" build "$@" --file "$file" --tag "lifeboat/$name:$tag" .
done
