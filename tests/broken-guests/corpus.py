"""Breaks guests in named ways, and sees what the rescue system finds and mends, on real QEMU.

    corpus.py [--jobs N] [--short] [--diagnose-only] [--report FILE] --images FOLDER --guests FOLDER [--guest GUEST]... [NAME...]

For each recipe: the guest's disk is copied and broken; the rescue image that suits the guest starts on an overlay of it, as a host
starts it, and is asked over its port for a diagnosis, then for a repair by the fixes that the diagnosis calls safe; it is turned off,
and the machine starts from that overlay. It is back if it comes to its login prompt. What is expected stands in the recipe. GUEST: only
recipes for that guest. NAME: only recipes that begin so. --short: the six that `make test` runs. --diagnose-only: nothing is mended or
started. Exit code 1: something was not found, or found on a healthy guest.

Below: recipes, the machine, one case, all of them, the table.
"""

import argparse
import concurrent.futures
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
SHORT = ["tiny-healthy", "tiny-fstab-missing-device", "tiny-init-missing", "tiny-superblock-gone",
         "tiny-filesystem-errors", "tiny-bootloader-wrong-root"]
# Memory of the machine's own boot in MiB, how long that may take, what says that it came up, the rescue image that suits it.
GUESTS = {
    "tiny": {"memory": 256, "limit": 300, "prompt": "tiny login:", "image": "small", "uefi": False},
    "debian": {"memory": 512, "limit": 900, "prompt": "debian login:", "image": "small", "uefi": False},
    "uefi": {"memory": 512, "limit": 900, "prompt": "uefi login:", "image": "std", "uefi": True},
}
FIRMWARE, VARIABLES = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
READY_LIMIT, DIAGNOSIS_LIMIT, REPAIR_LIMIT = 240, 300, 1800
# A boot that says this comes to no prompt.
STOPPED = ["Kernel panic", "You are in emergency mode", "No working init found", "(initramfs) ", "grub rescue>", "grub> ",
           "No root file system, no boot", "Press Enter for maintenance", "No bootable device", "UEFI Interactive Shell", ">>Start PXE"]
# An emulated machine on a very busy one may lose its timer's interrupts: its kernel gives up, or hangs, and is started anew.
LOST_TIMER = "8254 timer not connected"
MAC = "52:54:00:12:34:56"
PRINTING = threading.Lock()


# ── recipes
class Recipe:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)[:-3]
        with open(path) as file:
            text = file.read()
        field = lambda name: (re.search(rf"^# {name}: *(.*)$", text, re.M) or [None, ""])[1].split()
        self.guest = field("guest")[0]
        self.expect, self.also, self.inside = set(field("expect")), set(field("also")), field("inside") == ["yes"]

    def apply(self, disk, images):
        command = ["sh", self.path]
        environment = {**os.environ, "DISK": disk, "GUEST": self.guest, "LIB": f"{HERE}/lib.sh", "here": f"{HERE}/../guests"}
        if self.inside:
            command = ["sh", "-c", '. "$here/inside.sh"; guest_inside "$@"', "inside", f"{images}/std", self.path, os.path.dirname(disk),
                       "-drive", f"file={disk},format=raw,if=none,id=d0,cache=unsafe,discard=unmap", "-device", "virtio-blk-pci,drive=d0"]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, f"the recipe {self.name} failed: {done.stderr or done.stdout}"


# ── the machine
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


# ── one case
def base(options, guest):
    """The guest's disk as a raw file, made once."""
    raw = f"{options.work}/{guest}.raw"
    if not os.path.exists(raw):
        subprocess.run(["qemu-img", "convert", "-O", "raw", f"{options.guests}/{guest}.qcow2", raw + ".new"], check=True)
        os.rename(raw + ".new", raw)
    return raw


def run(options, recipe):
    start = time.monotonic()
    row = {"name": recipe.name, "guest": recipe.guest, "expected": sorted(recipe.expect), "found": [], "missed": [], "unexpected": [],
           "fixes": [], "back": None, "stopped_by": "", "diagnosis_seconds": None, "repair_seconds": None, "boot_seconds": None}
    folder = tempfile.mkdtemp(prefix=f"{recipe.name}.", dir=options.work)
    machine = None
    try:
        disk, overlay, guest = f"{folder}/disk.raw", f"{folder}/overlay.qcow2", GUESTS[recipe.guest]
        subprocess.run(["cp", "--sparse=always", base(options, recipe.guest), disk], check=True)
        recipe.apply(disk, options.images)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", overlay], check=True)
        for attempt in range(3):
            machine = Rescue(folder, options.images, guest, overlay)
            try:
                machine.begin()
                break
            except (AssertionError, OSError):
                if attempt == 2 or LOST_TIMER not in machine.output():
                    raise
                machine.stop()
        diagnosis, row["diagnosis_seconds"] = machine.ask({"verb": "diagnose"}, DIAGNOSIS_LIMIT)
        found = {finding["code"]: finding for finding in diagnosis["findings"]}
        row["found"], row["missed"] = sorted(found), sorted(recipe.expect - set(found))
        row["unexpected"] = sorted(set(found) - recipe.expect - recipe.also)
        row["evidence"] = {code: finding["evidence"][:3] for code, finding in found.items()}
        row["skipped"] = {skipped["code"]: skipped["why"] for skipped in diagnosis["skipped"]}
        safe = sorted({fix["code"] for finding in found.values() for fix in finding["fixes"] if fix["safe"]})
        if safe and not options.diagnose_only:
            report, row["repair_seconds"] = machine.ask({"verb": "repair", "codes": safe, "dry_run": False}, REPAIR_LIMIT)
            row["fixes"] = [{key: fix[key] for key in ("code", "state", "message")} for fix in report["fixes"]]
            row["changes"] = [change["path"] for change in report["changes"]][:20]
        machine.shut_down()
        machine.stop()
        if not options.diagnose_only:
            began = time.monotonic()
            for attempt in range(3):
                machine = Machine(folder, "own", overlay, guest, guest["memory"])
                row["back"], row["stopped_by"] = comes_up(machine, guest)
                if row["back"] or LOST_TIMER not in machine.output():
                    break
                machine.stop()
            row["boot_seconds"] = time.monotonic() - began
            if not row["back"]:
                row["console"] = machine.output().splitlines()[-12:]
    except (AssertionError, OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        row["stopped_by"] = f"{type(error).__name__}: {error}"
        row["missed"] = row["missed"] or sorted(recipe.expect - set(row["found"]))
        row["back"] = bool(row["back"])
        row["failed"] = True
        if machine is not None:
            machine.process.kill()
            row["console"] = machine.output().splitlines()[-15:] + machine.process.stderr.read().splitlines()[-5:]
    finally:
        if machine is not None:
            machine.stop()
        shutil.rmtree(folder, ignore_errors=True)
    row["seconds"] = time.monotonic() - start
    show(row)
    return row


# ── all of them, and the table
def show(row):
    seconds = lambda value: "     -" if value is None else f"{value:6.1f}"
    good = not row["missed"] and not row["unexpected"] and "failed" not in row
    back = {None: "-", True: "back", False: "not back"}[row["back"]]
    with PRINTING:
        print(f"  {'ok ' if good else 'NOT'} {row['name']:36} {back:9}"
              f"{seconds(row['diagnosis_seconds'])}{seconds(row['repair_seconds'])}{seconds(row['boot_seconds'])}{seconds(row['seconds'])}  "
              + " ".join(row["found"]), flush=True)
        for what in ("missed", "unexpected"):
            if row[what]:
                print(f"        {what}: {' '.join(row[what])} {json.dumps(row.get('evidence', {}))[:600]}", flush=True)
        if row["back"] is False:
            print(f"        stopped by: {row['stopped_by']}", flush=True)
            for fix in row["fixes"]:
                print(f"        {fix['code']}: {fix['state']}: {fix['message']}", flush=True)
            for line in row.get("console", []):
                print(f"        | {line}", flush=True)


def sums(rows):
    broken, healthy = [row for row in rows if row["expected"]], [row for row in rows if not row["expected"]]
    named = sum(len(row["expected"]) for row in broken)
    hits = named - sum(len(row["missed"]) for row in broken)
    strays = sum(len(row["unexpected"]) for row in rows)
    return {
        "breakages": len(broken),
        "found": sum(1 for row in broken if not row["missed"]),
        "healthy": len(healthy),
        "false_findings": sum(len(row["found"]) for row in healthy),
        "back_with_one_command": sum(1 for row in broken if row["back"]),
        "precision": round(hits / max(1, hits + strays), 4),
        "recall": round(hits / max(1, named), 4),
    }


def median(rows, key):
    values = [row[key] for row in rows if row[key] is not None]
    return f"{statistics.median(values):.1f}" if values else "-"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", required=True)
    parser.add_argument("--guests", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--diagnose-only", action="store_true")
    parser.add_argument("--report")
    parser.add_argument("--guest", action="append", choices=list(GUESTS))
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    recipes = [Recipe(f"{HERE}/recipes/{name}") for name in sorted(os.listdir(f"{HERE}/recipes")) if name.endswith(".sh")]
    if options.short:
        recipes = [recipe for recipe in recipes if recipe.name in SHORT]
    if options.guest:
        recipes = [recipe for recipe in recipes if recipe.guest in options.guest]
    if options.names:
        recipes = [recipe for recipe in recipes if any(recipe.name.startswith(name) for name in options.names)]
    missing = sorted({recipe.guest for recipe in recipes if not os.path.exists(f"{options.guests}/{recipe.guest}.qcow2")})
    if missing or not recipes:
        sys.exit(f"corpus: no disk of {', '.join(missing)} in {options.guests}" if missing else "corpus: no recipe of that name")
    started = time.monotonic()
    print(f"corpus: {len(recipes)} guests, {options.jobs} at a time; seconds of diagnosis, repair, boot, all", flush=True)
    with tempfile.TemporaryDirectory(prefix="lifeboat-corpus-", dir=os.environ.get("TMPDIR")) as options.work:
        for guest in sorted({recipe.guest for recipe in recipes}):
            base(options, guest)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            rows = list(pool.map(lambda recipe: run(options, recipe), recipes))

    metrics = {**sums(rows), "seconds": round(time.monotonic() - started, 1)}
    print("\n  guest   breakages  found  back  healthy  false findings  precision  recall  diagnosis s  repair s  boot s")
    for name in [*sorted({row["guest"] for row in rows}), "all"]:
        those = [row for row in rows if name in (row["guest"], "all")]
        part = sums(those)
        print(f"  {name:7} {part['breakages']:9}  {part['found']:5}  {part['back_with_one_command']:4}  {part['healthy']:7}  {part['false_findings']:14}"
              f"  {part['precision']:9.3f}  {part['recall']:6.3f}  {median(those, 'diagnosis_seconds'):>11}  {median(those, 'repair_seconds'):>8}"
              f"  {median(those, 'boot_seconds'):>6}")
    print("corpus: " + ", ".join(f"{name} {value}" for name, value in metrics.items()))
    if options.report:
        os.makedirs(os.path.dirname(options.report), exist_ok=True)
        with open(options.report + ".new", "w") as file:
            json.dump({"name": "corpus", "metrics": metrics, "rows": rows}, file, indent=1)
        os.rename(options.report + ".new", options.report)
    sound = metrics["found"] == metrics["breakages"] and metrics["false_findings"] == 0
    sound &= all(row["back"] is not False for row in rows if not row["expected"])
    # What the short run is made of can all be mended.
    sys.exit(0 if sound and (not options.short or metrics["back_with_one_command"] == metrics["breakages"]) else 1)


main()
