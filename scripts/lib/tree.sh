# Puts a small system together from unpacked packages (see packages.sh). To be sourced (POSIX sh).
#
#   lb_staged STAGE PATH                   prints where the file is, whether /usr is merged there or not, and appends that to the file
#                                          LB_TAKEN, if this is set
#   lb_busybox STAGE TREE                  busybox and a link for each of its programs
#   lb_libraries STAGE PATH TREE           the shared libraries of a program, into TREE/lib/TRIPLE
#   lb_triple, lb_loader                   print Debian's name of the architecture's folders (x86_64-linux-gnu), and of the loader
#   lb_kernel STAGE                        prints the file of the only kernel
#   lb_module STAGE WORK TREE MODULE       a kernel module with those it needs; fails if this kernel has none of that name.
#                                          WORK is a scratch folder, the same one in all calls
#   lb_modules_done WORK TREE              the indexes that modprobe reads, after the last module

lb_staged() {
  for _prefix in "" /usr; do
    if [ -e "$1$_prefix/$2" ]; then
      [ -z "${LB_TAKEN:-}" ] || echo "$1$_prefix/$2" >>"$LB_TAKEN"
      echo "$1$_prefix/$2"
      return 0
    fi
  done
  return 1
}

lb_triple() {
  case "${LB_ARCH:-amd64}" in
    arm64) echo aarch64-linux-gnu ;;
    *) echo x86_64-linux-gnu ;;
  esac
}
lb_loader() {
  case "${LB_ARCH:-amd64}" in
    arm64) echo lib/ld-linux-aarch64.so.1 ;;
    *) echo lib64/ld-linux-x86-64.so.2 ;;
  esac
}

lb_busybox() {
  mkdir -p "$2/bin"
  cp -L "$(lb_staged "$1" bin/busybox)" "$2/bin/busybox" || return 1
  # One for another architecture can't be asked; this machine's own has the same programs.
  _lister="$2/bin/busybox"
  [ -z "${LB_ARCH:-}" ] || _lister=busybox
  "$_lister" --list-full | while read -r _applet; do
    case "$_applet" in linuxrc | bin/busybox) continue ;; esac
    mkdir -p "$2/$(dirname "$_applet")"
    ln -sf /bin/busybox "$2/$_applet"
  done
}

# The names are read, not resolved by running the loader: so it works for another architecture too.
lb_libraries() {
  _lb_needed "$(lb_staged "$1" "$2")" | while read -r _name; do
    case "$_name" in
      # The loader has a place of its own, and its name in a program is absolute.
      ld-linux-*) continue ;;
    esac
    [ ! -e "$3/lib/$(lb_triple)/$_name" ] || continue
    _library=$(_lb_library "$1" "$_name") || { echo "$2 needs $_name, which is in none of the packages" >&2; exit 1; }
    cp -L "$_library" "$3/lib/$(lb_triple)/$_name" || exit 1
    lb_libraries "$1" "${_library#"$1"/}" "$3" || exit 1
  done
}
_lb_needed() { readelf -d "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p'; }
_lb_library() {
  for _folder in "lib/$(lb_triple)" "lib/$(lb_triple)/systemd" lib; do
    if lb_staged "$1" "$_folder/$2"; then return 0; fi
  done
  return 1
}

lb_kernel() { find "$1/boot" -name 'vmlinuz-*' | head -n 1 | grep .; }

lb_module() {
  if [ ! -e "$2/release" ]; then
    # kmod wants lib/modules below its root, and the package has no indexes yet.
    _modules=$(lb_staged "$1" lib/modules) || return 1
    _release=$(ls "$_modules")
    mkdir -p "$2/lib/modules"
    cp -a "$_modules/$_release" "$2/lib/modules/"
    depmod -b "$2" "$_release" || return 1
    echo "$_release" >"$2/release"
  fi
  _release=$(cat "$2/release")
  _to="$3/lib/modules/$_release"
  _chain=$(modprobe -S "$_release" -d "$2" --show-depends "$4" 2>/dev/null) || return 1
  mkdir -p "$_to"
  echo "$_chain" | sed -n 's/^insmod \([^ ]*\).*/\1/p' | while read -r _file; do
    _name=$(basename "$_file")
    case "$_name" in
      *.ko) cp "$_file" "$_to/$_name" ;;
      *.ko.xz) xz -dc "$_file" >"$_to/${_name%.xz}" ;;
      *.ko.zst) zstd -qdc "$_file" >"$_to/${_name%.zst}" ;;
      *) echo "no way to unpack the module $_name" >&2; exit 1 ;;
    esac
  done
}

lb_modules_done() {
  _release=$(cat "$1/release")
  _from="$1/lib/modules/$_release"
  _to="$2/lib/modules/$_release"
  cp "$_from/modules.builtin" "$_from/modules.order" "$_to/"
  if [ -e "$_from/modules.builtin.modinfo" ]; then cp "$_from/modules.builtin.modinfo" "$_to/"; fi
  depmod -b "$2" "$_release" || return 1
  # Indexes that busybox does not read.
  rm -f "$_to"/*.bin "$_to"/modules.builtin.modinfo "$_to"/modules.order "$_to"/modules.devname "$_to"/modules.softdep "$_to"/modules.symbols
}
