#!/bin/sh
# Container images of the services, with docker, podman or buildah:
#
#   scripts/images.sh [SERVICE...]        all of docker/*/Dockerfile, or those named
#
#   REGISTRY   before the names: REGISTRY/region:VERSION; without it lifeboat/region:VERSION
#   VERSION    the tag; without it the workspace's version
#   PUSH       yes: push what was built
#   KIND       the name of a kind cluster: load what was built into it
#   PLATFORMS  linux/amd64,linux/arm64: for several machines at once, by docker's buildx; takes REGISTRY, and pushes
#   ENGINE     docker, podman or buildah; without it the first of these that is there
#   BUILDER, NODE, BASE, PROFILE, CARGO_FLAGS   as the Dockerfiles say: images to build with and on, cargo's profile, and more words for cargo
#   VOLUMES    podman, buildah: FROM:TO[:O] ..., folders that the build sees (cargo's registry, where there is no network)
#   STORE      buildah: words for each call, like --root DIR
#
# The signed rescue images and the key that counts are what `make rescue-image rescue-image-std` made in $LIFEBOAT_RESCUE_IMAGES; the signing key
# stays outside.
set -eu
cd "$(dirname "$0")/.."
registry=${REGISTRY:-lifeboat}
version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}
images=${LIFEBOAT_RESCUE_IMAGES:-${LIFEBOAT_TARGET:-$PWD/target}/rescue-images}
engine=${ENGINE:-}
die() { echo "images: $*" >&2; exit 1; }
for it in docker podman buildah; do
  [ -n "$engine" ] || ! command -v "$it" >/dev/null 2>&1 || engine=$it
done
[ -n "$engine" ] || die "neither docker nor podman nor buildah is here; install one of them"
[ $# -gt 0 ] || set -- $(for file in docker/*/Dockerfile; do basename "$(dirname "$file")"; done)
for service; do [ -e "docker/$service/Dockerfile" ] || die "there is no docker/$service/Dockerfile"; done
[ -s "$images/images/small/manifest.json.minisig" ] || die "no signed rescue image in $images; run: make rescue-image"
case "$engine ${PLATFORMS:-}" in
  docker\ ?*) [ -n "${REGISTRY:-}" ] || die "PLATFORMS needs REGISTRY: images of several platforms can only be pushed" ;;
  *\ ?*) die "PLATFORMS needs docker's buildx" ;;
esac

# What else goes in: the rescue image, and the public key.
rescue=$(mktemp -d)
trap 'rm -rf "$rescue"' EXIT
for image in "$images"/images/*/; do
  name=$(basename "$image")
  [ -s "$image/manifest.json.minisig" ] || continue
  mkdir -p "$rescue/boot/images/$name"
  for file in kernel initramfs manifest.json manifest.json.minisig packages.txt licences.txt sbom.json; do
    # Images of older releases have no licences.txt and sbom.json.
    [ -e "$image/$file" ] || continue
    cp "$image/$file" "$rescue/boot/images/$name/$file"
  done
done
cat "$images"/keys/*.pub >"$rescue/images.pub"
chmod -R a+rX "$rescue"
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
# The last change's time, so that the same sources give the same labels.
created=$(git log -1 --format=%cI 2>/dev/null || date -u +%Y-%m-%dT%H:%M:%SZ)

build() { # SERVICE NAME
  file=docker/$1/Dockerfile name=$2
  set -- --file "$file" --tag "$name" --build-context "rescue=$rescue" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "CREATED=$created"
  for it in BUILDER NODE BASE PROFILE CARGO_FLAGS; do
    eval "value=\${$it:-}"
    [ -z "$value" ] || set -- "$@" --build-arg "$it=$value"
  done
  case "$engine" in
    docker)
      if [ -n "${PLATFORMS:-}" ]; then docker buildx build "$@" --platform "$PLATFORMS" --sbom=true --provenance=true --push .
      else DOCKER_BUILDKIT=1 docker build "$@" .; fi ;;
    # Health checks are an extension of docker's format.
    podman | buildah)
      for it in ${VOLUMES:-}; do set -- --volume "$it" "$@"; done
      # shellcheck disable=SC2086
      "$engine" ${STORE:-} build --format docker --layers "$@" . ;;
    *) die "ENGINE is $engine; docker, podman and buildah are known" ;;
  esac
}

for service; do
  name=$registry/$service:$version
  echo "── $name"
  build "$service" "$name"
  [ "${PUSH:-}" != yes ] || [ -n "${PLATFORMS:-}" ] || "$engine" ${STORE:-} push "$name"
  [ -z "${KIND:-}" ] || kind load docker-image --name "$KIND" "$name"
done
