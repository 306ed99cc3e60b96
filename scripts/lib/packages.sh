# Takes files out of the distribution's packages without installing anything: needs neither root nor mounts. To be sourced (POSIX sh).
#
#   lb_cache                     prints the cache folder, ${XDG_CACHE_HOME:-~/.cache}/lifeboat
#   lb_closure PACKAGE...        prints the packages and all they depend on, as `name=version`
#   lb_stage NAME=VERSION...     unpacks packages into one folder of the cache (again only if the list changed) and prints it;
#                                the folder's packages.txt lists `name version`, files.txt `name path` for each of their files
#   lb_real_kernel META          prints the package with the kernel that the meta package stands for, and the package of its modules
#                                where the distribution has one
#
# Which mirror: whatever the machine's own apt sources say. apt is run with a state of its own, so that neither what is installed
# nor the machine's apt cache matters or changes.
#
# LB_ARCH, if set, is another architecture, as Debian names it (arm64): its packages are only looked at and unpacked.

lb_cache() { echo "${XDG_CACHE_HOME:-$HOME/.cache}/lifeboat"; }
lb_say() { echo "$*" >&2; }

# What apt keeps for us; its lists differ by architecture.
_lb_state() { echo "$(lb_cache)/apt${LB_ARCH:+-$LB_ARCH}"; }

_lb_apt() {
  _tool=$1
  shift
  _state=$(_lb_state)
  mkdir -p "$_state/cache/archives/partial" "$_state/lists/partial"
  [ -e "$_state/status" ] || : >"$_state/status"
  # The machine's own lists, as long as they will do; lists of ours once they did not.
  if [ -e "$_state/own-lists" ]; then set -- -o "Dir::State::lists=$_state/lists" "$@"; fi
  if [ -n "${LB_ARCH:-}" ]; then set -- -o "APT::Architecture=$LB_ARCH" -o "APT::Architectures=$LB_ARCH" "$@"; fi
  LC_ALL=C "$_tool" -q -o "Dir::State::status=$_state/status" -o "Dir::Cache=$_state/cache" -o Debug::NoLocking=1 \
    -o APT::Install-Recommends=0 -o APT::Sandbox::User="$(id -un)" -o APT::Get::List-Cleanup=0 -o Dpkg::Use-Pty=0 "$@"
}

# Runs a function of ours; if it fails because of missing or outdated lists, fetches lists and runs it once more.
_lb_fresh() {
  mkdir -p "$(_lb_state)"
  if "$@" 2>"$(_lb_state)/errors"; then return 0; fi
  lb_say "packages: reading the distribution's package lists"
  : >"$(_lb_state)/own-lists"
  _lb_apt apt-get update >/dev/null || { lb_say "packages: the package lists can't be fetched"; return 1; }
  "$@"
}

lb_closure() { _lb_fresh _lb_closure "$@"; }
_lb_closure() {
  _plan=$(_lb_apt apt-get -s install "$@") || return 1
  echo "$_plan" | sed -n 's/^Inst \([^ ]*\) (\([^ )]*\) .*/\1=\2/p' | LC_ALL=C sort
}

lb_real_kernel() { _lb_fresh _lb_real_kernel "$@"; }
_lb_real_kernel() {
  _lb_plan=$(_lb_apt apt-get -s install "$1") || return 1
  _lb_all=$(echo "$_lb_plan" | sed -n 's/^Inst \(linux-[^ ]*\) (\([^ )]*\) .*/\1=\2/p')
  _lb_image=$(echo "$_lb_all" | grep '^linux-image-[0-9]' | head -n 1)
  [ -n "$_lb_image" ] || return 1
  echo "$_lb_image"
  _lb_flavour=${_lb_image#linux-image-}
  echo "$_lb_all" | grep -F "linux-modules-${_lb_flavour%%=*}=" || true
}

lb_stage() { _lb_fresh _lb_stage "$@"; }
_lb_stage() {
  _cache=$(lb_cache)
  _arch=${LB_ARCH:-$(dpkg --print-architecture)}
  # The first word changes with what a stage holds.
  _key=$(printf '%s\n' files "$_arch" "$@" | LC_ALL=C sort | sha256sum | cut -c1-16)
  _stage="$_cache/stage/$_key"
  if [ -e "$_stage/packages.txt" ]; then echo "$_stage"; return 0; fi
  mkdir -p "$_cache/debs" "$_cache/stage"
  # apt itself checks each file against its signed lists, and fetches only what is not there yet.
  (cd "$_cache/debs" && _lb_apt apt-get download "$@" >/dev/null) || return 1
  _new=$(mktemp -d "$_cache/stage/new.XXXXXX")
  for _package in "$@"; do
    _name=${_package%%=*}
    _version=${_package#*=}
    _file=
    for _of in "$_arch" all; do
      _file="$_cache/debs/${_name}_$(echo "$_version" | sed 's/:/%3a/')_$_of.deb"
      [ ! -e "$_file" ] || break
    done
    [ -e "$_file" ] || { lb_say "packages: $_package was downloaded but is not found"; return 1; }
    dpkg-deb -x "$_file" "$_new"
    dpkg-deb --fsys-tarfile "$_file" | tar -t | sed -n "s/^\.\/\(.*[^/]\)$/$_name \1/p" >>"$_new/files.txt"
  done
  printf '%s\n' "$@" | LC_ALL=C sort | sed 's/=/ /' >"$_new/packages.txt"
  chmod -R u+rwX "$_new"
  # Two builds at once make the same folder: the first one stays.
  mv -T "$_new" "$_stage" 2>/dev/null || rm -rf "$_new"
  echo "$_stage"
}
