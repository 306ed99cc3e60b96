#!/usr/bin/env python3
"""Boots a guest's disk in QEMU (TCG) and checks that it does what the stories need.

    tests/guests/check.py DISK.qcow2

Boots to the login prompt and goes off by the power button; does not boot once break.sh has moved init away or spoiled /etc/fstab,
and says so on its console; and boots again after each repair. The disk itself is not changed: each step works on a copy.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BOOT_LIMIT = 300  # seconds
SIGNS = {
    "init": ["requested /sbin/init", "No working init found", "Attempted to kill init", "Kernel panic"],
    "fstab": ["Dependency failed for", "emergency mode"],
}
# What debugfs does to put right what break.sh did.
REPAIRS = {
    "init": ["ln {folder}/init.moved {folder}/init", "unlink {folder}/init.moved"],
    "fstab": ["cd /etc", "rm fstab", "write {fstab} fstab"],
}
os.environ["PATH"] += ":/usr/sbin:/sbin"


class Boot:
    """One run of a machine with one disk."""

    def __init__(self, folder, disk):
        self.log, self.qmp = f"{folder}/console.log", f"{folder}/qmp.sock"
        for path in (self.log, self.qmp):
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
        self.started = time.monotonic()
        self.process = subprocess.Popen([
            "qemu-system-x86_64", "-machine", "q35,accel=tcg", "-nodefaults", "-no-user-config", "-display", "none", "-m", "512",
            "-no-reboot", "-serial", f"file:{self.log}", "-qmp", f"unix:{self.qmp},server=on,wait=off",
            "-drive", f"file={disk},format=qcow2,if=none,id=d0", "-device", "virtio-blk-pci,drive=d0",
            "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0"], stdin=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print("--- its console:\n" + "\n".join(self.output().splitlines()[-40:]) + "\n---", file=sys.stderr)
        self.process.kill()
        self.process.wait()

    def output(self):
        with contextlib.suppress(FileNotFoundError), open(self.log, errors="replace") as file:
            return file.read()
        return ""

    def shows(self, texts):
        """The first line that holds one of the texts, and the seconds it took."""
        while time.monotonic() - self.started < BOOT_LIMIT:
            for line in self.output().splitlines():
                if any(text in line for text in texts):
                    return line.strip(), time.monotonic() - self.started
            assert self.process.poll() is None, f"QEMU ended with {self.process.returncode}"
            time.sleep(0.1)
        raise AssertionError(f"none of {texts} on the console within {BOOT_LIMIT} s")

    def presses_off(self):
        """Presses the power button every few seconds, as a host does, until the machine is off."""
        start = time.monotonic()
        with socket.socket(socket.AF_UNIX) as qmp:
            qmp.connect(self.qmp)
            with qmp.makefile("rw") as lines:
                lines.readline()
                for command in ["qmp_capabilities"] + ["system_powerdown"] * 20:
                    with contextlib.suppress(BrokenPipeError):
                        lines.write(json.dumps({"execute": command}) + "\n")
                        lines.flush()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        if command == "system_powerdown":
                            assert self.process.wait(3) == 0
                            return time.monotonic() - start
        raise AssertionError("the power button does nothing")


def debugfs(folder, disk, commands):
    """Runs commands of debugfs on the disk's file system, by the same means as break.sh."""
    work = f"{folder}/work"
    os.mkdir(work)
    with open(f"{work}/commands", "w") as file:
        file.write("\n".join(commands) + "\n")
    script = f"""
        . {HERE}/lib.sh
        guest_open {disk} {work} || exit 1
        e2fsck -p {work}/part >/dev/null
        debugfs -w -f {work}/commands {work}/part || exit 1
        guest_close {disk} {work}
    """
    said = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True)
    shutil.rmtree(work)
    return said.stdout


def main(image):
    with tempfile.TemporaryDirectory(prefix="lifeboat-guest-") as folder:
        disk = f"{folder}/disk.qcow2"
        subprocess.run(["cp", image, disk], check=True)

        def boots():
            with Boot(folder, disk) as boot:
                line, seconds = boot.shows(["login:"])
                off = boot.presses_off()
                print(f"check: boots after {seconds:.1f} s ({line}), off {off:.1f} s after the power button", flush=True)

        boots()
        before = debugfs(folder, disk, ["cat /etc/fstab", "stat /usr/sbin/init"])
        fstab = before.split("debugfs: cat /etc/fstab\n", 1)[1].split("debugfs: stat", 1)[0]
        with open(f"{folder}/fstab", "w") as file:
            file.write(fstab)
        names = {"fstab": f"{folder}/fstab", "folder": "/usr/sbin" if "Inode:" in before.split("debugfs: stat", 1)[1] else "/sbin"}
        for fault, signs in SIGNS.items():
            start = time.monotonic()
            subprocess.run([f"{HERE}/break.sh", fault, disk], check=True)
            print(f"check: break.sh {fault} took {time.monotonic() - start:.1f} s", flush=True)
            with Boot(folder, disk) as boot:
                line, seconds = boot.shows(signs)
                assert "login:" not in boot.output()
                print(f"check: does not boot, and says so after {seconds:.1f} s: {line}", flush=True)
            debugfs(folder, disk, [command.format(**names) for command in REPAIRS[fault]])
        boots()


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(sys.argv[1])
