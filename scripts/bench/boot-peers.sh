#!/bin/sh
# Brings the servers that `make bench-boot` measures beside ours, without starting any of them: packages of the distribution, and the crate
# tftpd by cargo. atftpd and tftpd-hpa exclude each other, so that atftpd is only unpacked.
set -eu
cache="${XDG_CACHE_HOME:-$HOME/.cache}/lifeboat/bench"
mkdir -p "$cache"
missing=
for pair in in.tftpd:tftpd-hpa dnsmasq:dnsmasq-base nginx:nginx-light nft:nftables ip:iproute2; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
if [ -n "$missing" ]; then
  echo "bench-boot: installing$missing"
  # Daemons are not to start by themselves.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
if [ ! -x "$cache/atftpd/usr/sbin/atftpd" ]; then
  (cd "$cache" && apt-get download -qq atftpd && dpkg -x atftpd_*.deb atftpd && rm -f atftpd_*.deb)
fi
[ -x "$cache/bin/tftpd" ] || cargo install --quiet --locked --root "$cache" tftpd
