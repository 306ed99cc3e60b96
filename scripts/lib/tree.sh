# Puts a small system together from unpacked packages (see packages.sh). To be sourced (POSIX sh).
#
#   lb_staged STAGE PATH                   prints where the file is, whether /usr is merged there or not
#   lb_busybox STAGE TREE                  busybox and a link for each of its programs
#   lb_libraries STAGE PATH TREE           the shared libraries of a program, into TREE/lib/x86_64-linux-gnu
#   lb_kernel STAGE                        prints the file of the only kernel
#   lb_module STAGE WORK TREE MODULE       a kernel module with those it needs; fails if this kernel has none of that name.
#                                          WORK is a scratch folder, the same one in all calls
#   lb_modules_done WORK TREE              the indexes that modprobe reads, after the last module

lb_staged() {
  for _prefix in "" /usr; do
    if [ -e "$1$_prefix/$2" ]; then echo "$1$_prefix/$2"; return 0; fi
  done
  return 1
}

lb_busybox() {
  mkdir -p "$2/bin"
  cp -L "$(lb_staged "$1" bin/busybox)" "$2/bin/busybox" || return 1
  "$2/bin/busybox" --list-full | while read -r _applet; do
    case "$_applet" in linuxrc | bin/busybox) continue ;; esac
    mkdir -p "$2/$(dirname "$_applet")"
    ln -sf /bin/busybox "$2/$_applet"
  done
}

lb_libraries() {
  _file=$(lb_staged "$1" "$2") || return 1
  _loader=$(lb_staged "$1" lib64/ld-linux-x86-64.so.2) || return 1
  _list=$("$_loader" --library-path "$1/lib/x86_64-linux-gnu:$1/usr/lib/x86_64-linux-gnu" --list "$_file") || return 1
  echo "$_list" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | while read -r _library; do
    case "$_library" in
      # The loader has a place of its own, and its name in a program is absolute.
      */ld-linux-*) ;;
      "$1"/*) cp -Lu "$_library" "$3/lib/x86_64-linux-gnu/" ;;
      *) echo "$2 needs $_library, which is in none of the packages" >&2; exit 1 ;;
    esac
  done
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
