# Unpacks a Debian system (on Ubuntu: Ubuntu) into a cached archive, without root if the package uidmap is there. To be sourced (POSIX sh),
# after scripts/lib/packages.sh and /etc/os-release.
#
#   guest_tree NAME PACKAGES FILES   prints the path of the archive. FILES: a folder with `early` (files that have to be there before
#                                    packages are configured) and `root` (files of the finished system)
#
# Packages come from the machine's own apt sources. The archive's name has the digest of the packages' versions, of FILES and of this file.

# The machine's own sources of this release, in the form of sources.list(5), without what others publish for it.
guest_sources() {
  apt-get indextargets --format '$(CREATED_BY) $(ORIGIN) $(RELEASE) $(REPO_URI) $(COMPONENT)' | sort -u |
    while read -r kind origin release uri component; do
      case "$kind $origin $release" in
        "Packages Debian $VERSION_CODENAME" | "Packages Debian $VERSION_CODENAME-updates" | "Packages Debian $VERSION_CODENAME-security" | \
          "Packages Ubuntu $VERSION_CODENAME" | "Packages Ubuntu $VERSION_CODENAME-updates" | "Packages Ubuntu $VERSION_CODENAME-security")
          echo "deb $uri $release $component" ;;
      esac
    done
}

guest_tree() {
  # shellcheck disable=SC2086
  _versions=$(lb_closure $2) || { echo "$1: the packages' dependencies can't be resolved" >&2; return 1; }
  _key=$({ echo "$_versions"; cat "$here/tree.sh"; find "$3/early" "$3/root" -type f | sort | xargs cat; } | sha256sum | cut -c1-16)
  _archive="$(lb_cache)/guests/$1-$_key.tar"
  if [ ! -s "$_archive" ]; then
    mkdir -p "$(dirname "$_archive")"
    [ -n "$(guest_sources)" ] || { echo "$1: apt has no sources for $VERSION_CODENAME; run apt-get update" >&2; return 1; }
    echo "$1: unpacking the system (minutes; kept in $_archive)" >&2
    _new=$(mktemp -d "$(lb_cache)/guests/new.XXXXXX")
    _proxy=$(apt-config shell proxy Acquire::http::Proxy | sed "s/^proxy='\(.*\)'$/\1/")
    guest_sources | mmdebstrap --quiet --variant=minbase --include="$(echo "$2" | tr ' ' ',')" --format=tar \
      ${_proxy:+--aptopt="Acquire::http::Proxy \"$_proxy\""} \
      --dpkgopt='force-unsafe-io' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
      --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
      --essential-hook="cp -R '$3/early/.' \"\$1\"" \
      --customize-hook="cp -R '$3/root/.' \"\$1\"" \
      --customize-hook='chroot "$1" systemctl --quiet enable systemd-networkd.service' \
      --customize-hook='chroot "$1" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service' \
      --customize-hook=': >"$1/etc/machine-id"; rm -f "$1/etc/resolv.conf"; mkdir -p "$1/data"' \
      "$VERSION_CODENAME" "$_new/root.tar" - >"$_new/log" 2>&1 ||
      { tail -n 20 "$_new/log" >&2; echo "$1: mmdebstrap failed" >&2; rm -rf "$_new"; return 1; }
    mv "$_new/root.tar" "$_archive"
    rm -rf "$_new"
  fi
  echo "$_archive"
}
