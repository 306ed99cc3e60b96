#!/bin/bash
# The floor: a rescue as somebody would do it by hand. The server is off; start QEMU on its disk with the rescue system's kernel and
# initramfs, and wait until the rescue system says on its virtio-serial port that it is ready. Prints the seconds that took.
#
#   scripts/bench/bare-rescue.sh DISK IMAGE_FOLDER MEMORY_MIB
set -eu
disk=$1 image=$2 memory=$3

work=$(mktemp -d)
pid=
finish() {
  [ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; } || :
  rm -rf "$work"
}
trap finish EXIT

hex() { od -An -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }
session=$(cat /proc/sys/kernel/random/uuid)
(umask 077 && printf '{"version":1,"session":"%s","key":"%s","nonce":"%s","boot":1}' "$session" "$(hex 32)" "$(hex 16)" >"$work/secrets")
cmdline=$(sed -n 's/.*"cmdline": *"\([^"]*\)".*/\1/p' "$image/image.json")

began=$EPOCHREALTIME
# The machine that Lifeboat's host would start, device by device: a floor that is slower than it need be would flatter us.
qemu-system-x86_64 -nodefaults -no-user-config -display none -machine q35,accel=tcg -m "${memory}M" -smp 1 -rtc base=utc \
  -boot strict=on -no-reboot \
  -kernel "$image/kernel" -initrd "$image/initramfs" \
  -append "$cmdline yn_rescue_mode=true lifeboat.session=$session lifeboat.disks=1" \
  -fw_cfg "name=opt/org.lifeboat/session,file=$work/secrets" \
  -chardev "socket,id=serial,path=$work/console,server=on,wait=off,logfile=$work/serial" -serial chardev:serial \
  -object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng \
  -blockdev "{\"driver\":\"qcow2\",\"discard\":\"unmap\",\"node-name\":\"disk\",\"file\":{\"driver\":\"file\",\"filename\":\"$disk\"}}" \
  -device virtio-blk-pci,drive=disk,bootindex=1 \
  -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
  -device virtio-serial-pci -chardev "socket,id=port,path=$work/port,server=on,wait=off" \
  -device virtserialport,chardev=port,name=org.lifeboat.rescue.0 2>"$work/said" &
pid=$!

# The port's other end: the frames that come through it, until the one that says ready.
python3 - "$work/port" "$pid" <<'PYTHON'
import os, socket, sys, time
path, pid = sys.argv[1], int(sys.argv[2])
end = time.monotonic() + 300
while True:
    port = socket.socket(socket.AF_UNIX)
    try:
        port.connect(path)
        break
    except OSError:
        port.close()
        os.kill(pid, 0)
        time.sleep(0.005)
port.settimeout(max(1, end - time.monotonic()))
with port.makefile("rb") as frames:
    for frame in frames:
        if b'"type":"ready"' in frame:
            sys.exit(0)
sys.exit("bare-rescue: QEMU ended before the rescue system was ready")
PYTHON
ended=$EPOCHREALTIME
awk -v a="$began" -v b="$ended" 'BEGIN { printf "%.3f\n", b - a }'
