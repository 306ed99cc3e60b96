"""Machines of the corpus in QEMU (TCG): `Machine` starts a guest's own system, `Rescue` the rescue system on its disk, started and spoken
to as a host does. `GUESTS` says what each guest wants."""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import uuid

# Memory of the machine's own boot in MiB, how long that may take, what says that it came up, the rescue image that suits it.
GUESTS = {
    "tiny": {"memory": 256, "limit": 300, "prompt": "tiny login:", "image": "small", "uefi": False},
    "debian": {"memory": 512, "limit": 900, "prompt": "debian login:", "image": "small", "uefi": False},
    "uefi": {"memory": 512, "limit": 900, "prompt": "uefi login:", "image": "std", "uefi": True},
}
FIRMWARE, VARIABLES = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
READY_LIMIT = 240
# A boot that says this comes to no prompt.
STOPPED = ["Kernel panic", "You are in emergency mode", "No working init found", "(initramfs) ", "grub rescue>", "grub> ",
           "No root file system, no boot", "Press Enter for maintenance", "No bootable device", "UEFI Interactive Shell", ">>Start PXE"]
# An emulated machine on a very busy one may lose its timer's interrupts: its kernel gives up, or hangs, and is started anew.
LOST_TIMER = "8254 timer not connected"
MAC = "52:54:00:12:34:56"


class Machine:
    """QEMU with the guest's disk, in the rescue system or in its own."""

    def __init__(self, folder, label, disk, guest, memory, rescue=None):
        self.log = f"{folder}/{label}.log"
        firmware = []
        if guest["uefi"]:
            # Its variables as they come: nothing is known of loaders but where all firmware looks.
            variables = shutil.copy(VARIABLES, f"{folder}/variables.fd")
            firmware = ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={FIRMWARE}",
                        "-drive", f"if=pflash,unit=1,format=raw,file={variables}"]
        command = [
            "qemu-system-x86_64", "-machine", "q35,accel=tcg", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-m", str(memory), "-serial", f"file:{self.log}", *firmware,
            "-drive", f"file={disk},format=qcow2,if=none,id=d0,discard=unmap",
            "-device", "virtio-blk-pci,drive=d0,serial=root-disk,bootindex=1",
            "-netdev", "user,id=n0,restrict=on", "-device", f"virtio-net-pci,netdev=n0,mac={MAC}",
            "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
            *(rescue or []),
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def output(self):
        with contextlib.suppress(FileNotFoundError), open(self.log, errors="replace") as file:
            return file.read().replace("\r", "")
        return ""

    def alive(self):
        assert self.process.poll() is None, f"QEMU ended with {self.process.returncode}: {self.process.stderr.read()[-500:]}"

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()


class Rescue(Machine):
    """The rescue system on that disk, started and spoken to as a host does."""

    def __init__(self, folder, images, guest, disk):
        image = f"{images}/{guest['image']}"
        with open(f"{image}/image.json") as file:
            description = json.load(file)
        self.key, self.ids, self.buffer = secrets.token_bytes(32), 0, b""
        session = {"version": 2, "session": str(uuid.uuid4()), "key": self.key.hex(), "nonce": secrets.token_hex(16), "boot": 1, "ssh_keys": []}
        with open(os.open(f"{folder}/session.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(session, file)
        self.path = f"{folder}/port"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        memory = guest["memory"] if guest["uefi"] else 256
        super().__init__(folder, "rescue", disk, guest, max(memory, description["min_memory_mib"]), [
            "-kernel", f"{image}/kernel", "-initrd", f"{image}/initramfs",
            "-append", f"{description['cmdline']} yn_rescue_mode=true lifeboat.session={session['session']} lifeboat.disks=1",
            "-fw_cfg", f"name=opt/org.lifeboat/session,file={folder}/session.json",
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=rescue,path={self.path},server=on,wait=off",
            "-device", "virtserialport,chardev=rescue,name=org.lifeboat.rescue.0",
        ])
        self.port = None

    def begin(self):
        """Until the proof has come and holds."""
        self.port = self.connect()
        deadline = time.monotonic() + READY_LIMIT
        while (frame := self.frame(deadline))["type"] != "ready":
            pass
        proof = hmac.new(self.key, frame["payload"].encode(), hashlib.sha256).hexdigest()
        assert hmac.compare_digest(proof, frame["mac"]), "the proof is not made with the session's key"

    def connect(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            port = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(OSError):
                port.connect(self.path)
                return port
            port.close()
            self.alive()
            time.sleep(0.05)
        raise AssertionError("QEMU opens no port")

    def frame(self, deadline):
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            assert left > 0, "the rescue system is silent"
            self.port.settimeout(left)
            data = self.port.recv(65536)
            assert data, "the rescue system's port was closed"
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def ask(self, verb, limit):
        """Sends a request; returns the answer, put together, and the seconds it took."""
        self.ids += 1
        start = time.monotonic()
        self.port.sendall(json.dumps({"type": "request", "id": self.ids, "verb": verb}).encode() + b"\n")
        text, part = "", 0
        while True:
            frame = self.frame(start + limit)
            if frame["type"] != "answer" or frame["id"] != self.ids:
                continue
            assert frame["part"] == part, f"part {frame['part']} of the answer where {part} was due"
            text, part = text + frame["text"], part + 1
            if frame["last"]:
                assert frame["ok"], f"{verb['verb']} was not carried out: {text}"
                return json.loads(text), time.monotonic() - start

    def shut_down(self):
        self.port.sendall(b'{"type":"shutdown"}\n')
        assert self.process.wait(120) == 0


def comes_up(machine, guest):
    """Whether the machine comes to its login prompt; what stopped it, if it is known."""
    deadline = time.monotonic() + guest["limit"]
    while time.monotonic() < deadline:
        output = machine.output()
        if guest["prompt"] in output:
            return True, ""
        for sign in STOPPED:
            if sign in output:
                return False, sign.strip()
        if machine.process.poll() is not None:
            return False, "the machine turned itself off"
        time.sleep(0.2)
    return False, f"no prompt within {guest['limit']} s"
