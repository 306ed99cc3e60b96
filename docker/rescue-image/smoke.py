"""Boots the rescue image in QEMU (TCG) the way a host does, and checks what it promises.

Each case is a function below, named by its promise; `smoke.sh IMAGE NAME` runs one. Sockets, disks and logs live in a temporary
folder; what a failing machine printed is shown. Nothing but loopback is used.
"""

import argparse
import base64
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
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse
import uuid

ARGUMENTS = argparse.ArgumentParser(prog="smoke.sh")
ARGUMENTS.add_argument("image")
ARGUMENTS.add_argument("cases", nargs="*")
ARGUMENTS.add_argument("--jobs", type=int, default=1)
ARGUMENTS.add_argument("--of-std", action="store_true")
ARGUMENTS.add_argument("--only-here", action="store_true")
OPTIONS = ARGUMENTS.parse_intermixed_args()
IMAGE = OPTIONS.image
READY_LIMIT = 240  # seconds; about 5 on an idle machine
PREFIX = "LIFEBOAT-FRAME "
# An emulated machine on a very busy one may lose its timer's interrupts: its kernel gives up before it has begun, and is started anew.
LOST_TIMER = "IO-APIC + timer doesn't work"
CASES = {}
OF_STD = set()
ELSEWHERE = set()
READY = threading.local()  # .seconds: from QEMU's start to each proof, in the case of this thread
PORTS = set()  # handed out by free_port, and perhaps not taken yet
# What crypt(3) makes of it with SHA-512; Python no longer can.
PASSWORD = "correct horse"
PASSWORD_HASH = "$6$lifeboatsmoke$oueXWoTRMaORoA7.3eXqeIZJMcTJ6MbqznaO0kZOcV8wz8nxdM2d8C7vkWoTJQTU9tGe7RNcTP8Pr2tj5O9021"


def case(function):
    assert function.__name__ not in CASES, f"two cases are called {function.__name__}"
    CASES[function.__name__] = function
    return function


def case_shown_elsewhere(function):
    """What a test of `cargo test` shows as well, with a real host and QEMU."""
    ELSEWHERE.add(function.__name__)
    return case(function)


def case_of_std(function):
    """What only the image `std` can do."""
    with open(f"{IMAGE}/image.json") as file:
        if json.load(file)["name"] == "std":
            OF_STD.add(function.__name__)
            case(function)
    return function


class LostTimer(Exception):
    pass


def wait(what, condition, limit=60):
    """Waits until the condition returns something, and returns it."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {limit} s")


class Session:
    """What a host makes up for one boot."""

    def __init__(self, folder, ssh=True, password=False, boot=1, host_key=True, network=None):
        self.key = secrets.token_bytes(32)
        self.values = {
            "version": 1,
            "session": str(uuid.uuid4()),
            "key": self.key.hex(),
            "nonce": secrets.token_hex(16),
            "boot": boot,
            "ssh_keys": [],
            "disk_names": {"root-disk": "sdb"},
        }
        self.ssh_key = f"{folder}/key"
        if ssh:
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.ssh_key], check=True)
            with open(self.ssh_key + ".pub") as public:
                self.values["ssh_keys"] = [public.read().strip()]
        if password:
            self.values["password_hash"] = PASSWORD_HASH
        if network:
            self.values["network"] = network
        if host_key:
            self.host_key = f"{folder}/host_key"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", self.host_key], check=True)
            self.values["host_key"] = self.halves()

    def halves(self):
        """Of the host key, from OpenSSH's file (PROTOCOL.key): its last part is 32 bytes public, then 32 private and the public ones again."""
        with open(self.host_key) as file:
            blob = base64.b64decode("".join(file.read().split("\n")[1:-2]))
        rest = blob[blob.rindex(b"ssh-ed25519") + 11 + 4:]
        return {"seed": rest[36:68].hex(), "public": rest[:32].hex()}

    def host_key_line(self):
        with open(self.host_key + ".pub") as public:
            return public.read().strip()

    def known(self, folder, port, report):
        path = f"{folder}/known_hosts"
        with open(path, "w") as file:
            file.write(f"[127.0.0.1]:{port} {report['ssh_host_key']}\n")
        return path

    def write(self, path):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump(self.values, file)

    def check(self, frame):
        """The report, if the proof is right."""
        mac = hmac.new(self.key, frame["payload"].encode(), hashlib.sha256).hexdigest()
        assert hmac.compare_digest(mac, frame["mac"]), "the proof is not made with the session's key"
        report = json.loads(frame["payload"])
        for field in ("session", "nonce", "boot"):
            assert report[field] == self.values[field], f"the proof is for another {field}"
        return report


class Machine:
    def __init__(self, folder, session=None, port=True, machine="q35", extra=(), append="", secrets_text=None):
        self.folder = folder
        self.port_path, self.console_path, self.qmp_path = (f"{folder}/{name}.sock" for name in ("port", "console", "qmp"))
        self.log = f"{folder}/console.log"
        with open(f"{IMAGE}/image.json") as file:
            self.description = json.load(file)
        command = [
            "qemu-system-x86_64", "-machine", f"{machine},accel=tcg", "-nodefaults", "-no-user-config", "-display", "none",
            "-m", str(self.description["min_memory_mib"]), "-no-reboot",
            "-kernel", f"{IMAGE}/kernel", "-initrd", f"{IMAGE}/initramfs",
            "-chardev", f"socket,id=console,path={self.console_path},server=on,wait=off,logfile={self.log}",
            "-serial", "chardev:console",
            "-qmp", f"unix:{self.qmp_path},server=on,wait=off",
            "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
        ]
        if port:
            command += [
                "-device", "virtio-serial-pci", "-chardev", f"socket,id=rescue,path={self.port_path},server=on,wait=off",
                "-device", "virtserialport,chardev=rescue,name=org.lifeboat.rescue.0",
            ]
        if session:
            session.write(f"{folder}/session.json")
            append += f" lifeboat.session={session.values['session']}"
        if secrets_text is not None:
            with open(f"{folder}/session.json", "w") as file:
                file.write(secrets_text)
        if session or secrets_text is not None:
            command += ["-fw_cfg", f"name=opt/org.lifeboat/session,file={folder}/session.json"]
        command += ["-append", f"{self.description['cmdline']} yn_rescue_mode=true {append}"]
        self.started = time.monotonic()
        self.process = subprocess.Popen([*command, *extra], stdin=subprocess.DEVNULL)
        self.buffer = b""
        self.port = None

    def connect(self, path):
        def attempt():
            stream = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(OSError):
                stream.connect(path)
                return stream
            assert self.process.poll() is None, f"QEMU ended with {self.process.returncode}"
        return wait(f"a connection to {path}", attempt)

    def frame(self, limit=READY_LIMIT):
        """The next frame from the port."""
        if self.port is None:
            self.port, self.buffer = self.connect(self.port_path), b""
        self.port.settimeout(limit)
        while b"\n" not in self.buffer:
            data = self.port.recv(65536)
            assert data, "the port was closed"
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def ready(self, session):
        assert self.frame() == {"type": "hello", "version": 2}
        frame = self.frame()
        assert frame["type"] == "ready", frame
        READY.seconds.append(time.monotonic() - self.started)
        return session.check(frame)

    def send(self, frame):
        self.port.sendall(json.dumps(frame).encode() + b"\n")

    def output(self):
        with contextlib.suppress(FileNotFoundError), open(self.log, errors="replace") as file:
            return file.read().replace("\r", "")
        return ""

    def console_frame(self):
        for line in self.output().splitlines():
            if line.startswith(PREFIX):
                with contextlib.suppress(ValueError):
                    return json.loads(line[len(PREFIX):])

    def sees(self, text, limit=READY_LIMIT):
        wait(f"{text!r} on the console", lambda: text in self.output(), limit)

    def powerdown(self):
        with self.connect(self.qmp_path) as qmp, qmp.makefile("rw") as lines:
            lines.readline()
            for command in ("qmp_capabilities", "system_powerdown"):
                lines.write(json.dumps({"execute": command}) + "\n")
                lines.flush()
                lines.readline()

    def ended(self, limit=60):
        assert self.process.wait(limit) == 0

    def ssh(self, port, session, known_hosts, command, *options):
        return subprocess.run(
            ["ssh", "-F", "none", "-p", str(port), "-i", session.ssh_key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
             "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known_hosts}", "-o", "ConnectTimeout=30",
             *options, "root@127.0.0.1", command],
            capture_output=True, text=True, timeout=120)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def machine(*args, **options):
    with tempfile.TemporaryDirectory(prefix="lifeboat-smoke-") as folder:
        session_options = options.pop("session", None)
        session = Session(folder, **session_options) if session_options is not None else None
        disks = options.pop("disks", lambda folder: [])(folder)
        vm = Machine(folder, session, *args, extra=[*disks, *options.pop("extra", [])], **options)
        try:
            yield vm, session
        except BaseException as error:
            if LOST_TIMER in vm.output():
                raise LostTimer from error
            print("--- the machine's console:\n" + "\n".join(vm.output().splitlines()[-40:]) + "\n---", file=sys.stderr)
            raise
        finally:
            vm.stop()


def free_port():
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in PORTS:
            PORTS.add(port)
            return port


def user_net(port, model="virtio-net-pci"):
    return ["-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:22", "-device", f"{model},netdev=n0"]


DISK_UUID = "11111111-2222-4333-8444-555555555555"


def one_disk(folder):
    """A file system that fills a disk, and holds one file."""
    os.makedirs(f"{folder}/files/etc")
    with open(f"{folder}/files/fstab", "w") as file:
        file.write("broken\n")
    with open(f"{folder}/files/etc/fstab", "w") as file:
        file.write(f"UUID={DISK_UUID} / ext4 defaults 0 1\nLABEL=gone /data ext4 defaults 0 2\n")
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "guestroot", "-U", DISK_UUID, "-d", f"{folder}/files",
                    f"{folder}/disk.img", "64M"], check=True, stdout=subprocess.DEVNULL)
    return ["-drive", f"file={folder}/disk.img,format=raw,if=none,id=d0",
            "-device", "virtio-blk-pci,drive=d0,serial=root-disk"]


def lines_of(file):
    with open(f"{IMAGE}/{file}") as lines:
        return lines.read().splitlines()


@case
def its_bill_of_materials_names_what_is_in_it():
    """CycloneDX, each package of packages.txt and each crate of the agent once, with a package URL."""
    with open(f"{IMAGE}/image.json") as file:
        image = json.load(file)
    with open(f"{IMAGE}/sbom.json") as file:
        bill = json.load(file)
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.5", 1), bill
    about = bill["metadata"]["component"]
    assert (about["type"], about["name"], about["version"]) == ("operating-system", f"lifeboat-rescue-{image['name']}", image["version"]), about
    parts = bill["components"]
    assert len({part["bom-ref"] for part in parts}) == len(parts), "a component is named twice"
    found = {"deb": set(), "cargo": set()}
    for part in parts:
        # Package URLs escape what stands in versions of Debian's: `pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1`.
        kind, name, version = re.fullmatch(r"pkg:(deb/[a-z]+|cargo)/([a-zA-Z0-9%._~-]+)@([a-zA-Z0-9%._~-]+)", part["purl"]).groups()
        assert (urllib.parse.unquote(name), urllib.parse.unquote(version)) == (part["name"], part["version"]), part
        found[kind.split("/")[0]].add(f"{part['name']} {part['version']}")
        # No mark of `cargo tree` is taken for a part of the licence.
        assert kind != "cargo" or re.fullmatch(r"[A-Za-z0-9 .()+-]+", part["licenses"][0]["expression"]), part
    assert found["deb"] == set(lines_of("packages.txt")) and found["deb"], found["deb"] ^ set(lines_of("packages.txt"))
    licences = lines_of("licences.txt")
    crates = licences[next(number for number, line in enumerate(licences) if line.startswith("════ rescue-agent")) + 1:]
    assert found["cargo"] == {" ".join(line.split()[:2]).replace(" v", " ", 1) for line in crates} and len(crates) > 20, found["cargo"]


@case_shown_elsewhere
def proves_repairs_and_shuts_down():
    """Proof over the port, disk seen, SSH with the published host key, a repair that survives, shutdown by frame."""
    port = free_port()
    with machine(session={}, disks=one_disk, extra=user_net(port), append="lifeboat.disks=1") as (vm, session):
        report = vm.ready(session)
        assert report["image"] == f"{vm.description['name']} {vm.description['version']}", report["image"]
        [disk] = report["disks"]
        assert (disk["name"], disk["size"], disk["serial"], disk["read_only"]) == ("vda", 64 << 20, "root-disk", False), disk
        [part] = disk["parts"]
        assert (part["filesystem"], part["label"], part["uuid"]) == ("ext4", "guestroot", DISK_UUID), part
        assert (disk["normal_name"], disk["by_id"]) == ("sdb", "virtio-root-disk"), disk
        assert (part["normal_name"], part["by_id"], part["mounted"]) == ("sdb", "virtio-root-disk", "/"), part
        # The proof does not wait for the network longer than 1.5 s, which a busy machine may need.
        assert all(address.startswith("eth0 ") for address in report["addresses"]), report["addresses"]

        assert report["ssh_host_key"] == session.host_key_line(), "the session's key, not one of this boot"
        known_hosts = f"{vm.folder}/known_hosts"
        with open(known_hosts, "w") as file:
            file.write(f"[127.0.0.1]:{port} {session.host_key_line()}\n")
        shown = subprocess.run(["ssh-keygen", "-lf", known_hosts], capture_output=True, text=True, check=True).stdout
        assert report["ssh_fingerprint"] == shown.split()[1], (report["ssh_fingerprint"], shown)
        run = vm.ssh(port, session, known_hosts, "mount /dev/vda /mnt && echo repaired > /mnt/fstab && id -u && ip -4 -o addr show eth0 && cat /etc/motd")
        assert run.returncode == 0 and run.stdout.startswith("0\n"), run
        assert "10.0.2.15/24" in run.stdout, run.stdout
        assert "/dev/vda" in run.stdout and "guestroot" in run.stdout and "virtio-root-disk" in run.stdout, run.stdout
        linked = vm.ssh(port, session, known_hosts, "readlink -f /dev/disk/by-id/virtio-root-disk /dev/disk/by-label/guestroot")
        assert linked.stdout.split() == ["/dev/vda", "/dev/vda"], linked

        refused = vm.ssh(port, session, known_hosts, "true", "-o", "PubkeyAuthentication=no")
        assert refused.returncode == 255 and "Permission denied (publickey)" in refused.stderr, refused
        copied = subprocess.run(
            ["scp", "-q", "-F", "none", "-P", str(port), "-i", session.ssh_key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
             "-o", f"UserKnownHostsFile={known_hosts}", "root@127.0.0.1:/mnt/fstab", f"{vm.folder}/copy"],
            capture_output=True, text=True, timeout=60)
        assert copied.returncode == 0, copied

        # The same port, a new connection: a host that was restarted says hello and is told once more, and beats go on.
        vm.port.close()
        vm.port = None
        vm.frame(30)
        vm.send({"type": "hello", "version": 1})
        assert session.check(wait("the proof again", lambda: (frame := vm.frame(30))["type"] == "ready" and frame)) == report
        assert wait("a heartbeat", lambda: (frame := vm.frame(30))["type"] == "heartbeat" and frame)["uptime_s"] > 0

        vm.send({"type": "shutdown"})
        vm.ended()
        assert "login:" not in vm.output() and "no login here" in vm.output()
        for secret in (session.values["key"], session.values["nonce"], session.values["host_key"]["seed"]):
            assert secret not in vm.output()
        content = subprocess.run(["debugfs", "-R", "cat /fstab", f"{vm.folder}/disk.img"], capture_output=True, text=True, check=True)
        assert content.stdout == "repaired\n", content
        state = subprocess.run(["e2fsck", "-fn", f"{vm.folder}/disk.img"], capture_output=True, text=True)
        assert state.returncode == 0 and "recovering journal" not in state.stdout, state


@case
def proves_on_the_console_without_a_port():
    with machine(session={"ssh": False}, port=False, disks=one_disk) as (vm, session):
        report = session.check(wait("a frame on the console", vm.console_frame, READY_LIMIT))
        assert [disk["serial"] for disk in report["disks"]] == ["root-disk"]
        assert "ssh_host_key" not in report, "nobody could log in, so there is no SSH"
        vm.sees("neither an SSH key nor a password")
        wait("the power button to be watched", lambda: pressed_off(vm))


@case
def proves_on_the_console_when_nobody_listens_and_again_on_the_port():
    with machine(session={}) as (vm, session):
        session.check(wait("a frame on the console", vm.console_frame, READY_LIMIT))
        vm.ready(session)


def pressed_off(vm):
    """Presses the power button, as often as a host would: before the machine watches it, a press is lost."""
    vm.powerdown()
    with contextlib.suppress(subprocess.TimeoutExpired):
        return vm.process.wait(2) == 0


@case
def a_password_opens_the_console_and_a_wrong_one_does_not():
    with machine(session={"ssh": False, "password": True}) as (vm, session):
        vm.ready(session)
        console = vm.connect(vm.console_path)
        # A client that does not read holds up the machine's console: after some hundred bytes QEMU waits for it.
        threading.Thread(target=lambda: all(iter(lambda: console.recv(4096), b"")), daemon=True).start()
        for word, answer in (("wrong", "Login incorrect"), ("", "Login incorrect"), (PASSWORD, "[rescue] ~ #")):
            for prompt, line in (("login: ", "root"), ("Password: ", word)):
                wait(f"the prompt {prompt!r}", lambda: vm.output().endswith(prompt))
                console.sendall(line.encode() + b"\n")
            vm.sees(answer)
        console.sendall(b"poweroff\n")
        vm.ended()


@case
def an_agent_that_dies_comes_back_to_what_runs():
    """Init starts it anew; it proves the same boot with the same host key, and starts no service twice. The host is an older one: it gives
    no host key, so this boot makes its own."""
    port = free_port()
    with machine(session={"host_key": False}, extra=user_net(port)) as (vm, session):
        report = vm.ready(session)
        known_hosts = f"{vm.folder}/known_hosts"
        with open(known_hosts, "w") as file:
            file.write(f"[127.0.0.1]:{port} {report['ssh_host_key']}\n")
        assert vm.ssh(port, session, known_hosts, "kill -9 $(pidof rescue-agent)").returncode == 0
        again = session.check(wait("the proof again", lambda: (frame := vm.frame(60))["type"] == "ready" and frame))
        assert again["ssh_host_key"] == report["ssh_host_key"]
        # The server, and the child that serves this very connection.
        count = vm.ssh(port, session, known_hosts, "pidof dropbear | wc -w; pidof udhcpc | wc -w; pidof rescue-agent | wc -w")
        assert count.stdout.split() == ["2", "1", "1"], count
        vm.send({"type": "shutdown"})
        vm.ended()


@case_shown_elsewhere
def a_disk_that_qemu_has_to_let_be_written_is_not():
    """On a bus that QEMU can't be told so."""
    port = free_port()

    def disks(folder):
        one_disk(folder)
        return ["-drive", f"file={folder}/disk.img,format=raw,if=none,id=d0", "-device", "ide-hd,drive=d0,serial=root-disk"]

    def digest(vm):
        with open(f"{vm.folder}/disk.img", "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    with machine(session={}, machine="pc", disks=disks, extra=user_net(port), append="lifeboat.disks=1 lifeboat.disk_mode=ro") as (vm, session):
        before = digest(vm)
        report = vm.ready(session)
        [disk] = report["disks"]
        assert disk["read_only"] and (disk["name"], disk["by_id"]) == ("sda", "ata-QEMU_HARDDISK_root-disk"), disk
        known_hosts = session.known(vm.folder, port, report)
        torn = vm.ssh(port, session, known_hosts, "echo torn | dd of=/dev/sda bs=512 count=1 conv=fsync")
        assert torn.returncode != 0 and "not permitted" in torn.stderr, torn
        assert vm.ssh(port, session, known_hosts, "mount -t ext4 -o rw /dev/sda /mnt && touch /mnt/x").returncode != 0
        vm.send({"type": "shutdown"})
        vm.ended()
        assert digest(vm) == before, "the disk was written"


@case
def without_a_network_nobody_waits_for_one():
    """Its NIC is there, and nothing asks for an address or listens; the console is the way in."""
    nic = ["-netdev", "hubport,id=n0,hubid=0", "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:07"]
    with machine(session={"password": True, "network": "none"}, extra=nic) as (vm, session):
        report = vm.ready(session)
        assert report["addresses"] == [] and "ssh_host_key" not in report, report
        console = vm.connect(vm.console_path)
        threading.Thread(target=lambda: all(iter(lambda: console.recv(4096), b"")), daemon=True).start()
        for prompt, line in (("login: ", "root"), ("Password: ", PASSWORD), ("[rescue] ~ #", "cat /sys/class/net/*/address; pidof dropbear udhcpc || echo qu''iet")):
            # The shell asks where the cursor is after its prompt.
            wait(f"the prompt {prompt!r}", lambda: vm.output().removesuffix("\x1b[6n").rstrip().endswith(prompt.rstrip()))
            console.sendall(line.encode() + b"\n")
        vm.sees("52:54:00:00:00:07")
        vm.sees("quiet")


@case
def without_a_session_nobody_gets_in():
    """A boot over the network has no fw_cfg: hello on the console, no login, no SSH."""
    port = free_port()
    with machine(extra=user_net(port)) as (vm, _):
        assert wait("a frame on the console", vm.console_frame, READY_LIMIT) == {"type": "hello", "version": 2}
        vm.sees("nobody can log in")
        wait("power off", lambda: pressed_off(vm))
        assert "login:" not in vm.output()


@case
def a_broken_session_file_is_told_without_its_content():
    with machine(secrets_text='{"version":1,"key":"hunter2') as (vm, _):
        vm.sees("it is cut off")
        vm.sees("nobody can log in")
        assert "hunter2" not in vm.output()


def guest_files(folder, fstab):
    """What a system of a guest needs to be known as one, and to run a command in."""
    for name in ("etc", "usr", "var", "boot", "proc", "sys", "dev", "run", "bin"):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    for name, text in (("fstab", fstab), ("passwd", "root:x:0:0::/:/bin/busybox\n"), ("resolv.conf", "nameserver 192.0.2.1\n")):
        with open(f"{folder}/etc/{name}", "w") as file:
            file.write(text)
    shutil.copy(shutil.which("busybox"), f"{folder}/bin/busybox")


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@case
def a_disk_that_may_only_be_read_is_not_written():
    """Nor does mounting it play back anything."""
    port = free_port()

    def disks(folder):
        guest_files(f"{folder}/root", "LABEL=guest / ext4 defaults 0 1\nLABEL=gone /data ext4 defaults 0 2\n")
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "guest", "-d", f"{folder}/root", f"{folder}/disk.img", "64M"],
                       check=True, stdout=subprocess.DEVNULL)
        return ["-drive", f"file={folder}/disk.img,format=raw,if=none,id=d0,readonly=on", "-device", "virtio-blk-pci,drive=d0,serial=root-disk"]

    with machine(session={}, disks=disks, extra=user_net(port), append="lifeboat.disks=1") as (vm, session):
        before = digest(f"{vm.folder}/disk.img")
        report = vm.ready(session)
        [disk] = report["disks"]
        assert disk["read_only"] and disk["name"] == "vda", disk
        ssh = lambda command: vm.ssh(port, session, session.known(vm.folder, port, report), command)
        assert ssh("echo torn | dd of=/dev/vda bs=512 count=1 conv=fsync").returncode != 0
        assert ssh("mount -t ext4 -o rw /dev/vda /mnt && touch /mnt/x").returncode != 0
        assert ssh("umount /mnt; true").returncode == 0
        mounted = ssh("rescue-mount")
        assert mounted.returncode == 0 and "read-only, noload" in mounted.stdout, mounted
        assert "left out: /data: LABEL=gone is not here" in mounted.stderr, mounted
        inside = ssh("rescue-chroot /mnt /bin/busybox sh -c 'busybox cat /proc/1/comm /etc/resolv.conf; busybox ls /dev/vda /sys/block/vda/ro'")
        assert inside.returncode == 0 and "init" in inside.stdout and "/dev/vda" in inside.stdout, inside
        assert "192.0.2.1" not in inside.stdout, "the names of this network, not of the guest's"
        again = ssh("rescue-mount")
        assert again.returncode == 1 and "mounted already" in again.stderr, again
        undone = ssh("rescue-mount --undo && ! grep /mnt /proc/mounts")
        assert undone.returncode == 0, undone
        vm.send({"type": "shutdown"})
        vm.ended()
        assert digest(f"{vm.folder}/disk.img") == before, "the disk was written"


def many_disks(folder):
    options = []
    for name in ("scsi", "nvme", "ide", "ro"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "raw", f"{folder}/{name}.img", "16M"], check=True)
        readonly = ",readonly=on" if name == "ro" else ""
        options += ["-drive", f"file={folder}/{name}.img,format=raw,if=none,id={name}{readonly}"]
    return options + [
        "-device", "virtio-scsi-pci,id=s0", "-device", "scsi-hd,drive=scsi,serial=on-scsi",
        "-device", "nvme,drive=nvme,serial=on-nvme", "-device", "ide-hd,drive=ide,serial=on-ide",
        "-device", "virtio-blk-pci,drive=ro,serial=on-virtio"]


@case
def disks_on_every_bus_are_seen():
    for append in ("lifeboat.disks=4", ""):
        with machine(session={}, machine="pc", disks=many_disks, append=append) as (vm, session):
            disks = {disk["serial"]: disk for disk in vm.ready(session)["disks"]}
            assert set(disks) == {"on-scsi", "on-nvme", "on-ide", "on-virtio"}, disks
            assert [serial for serial, disk in disks.items() if disk["read_only"]] == ["on-virtio"], disks


def usb_and_ahci(folder):
    for name in ("sata", "stick"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "raw", f"{folder}/{name}.img", "16M"], check=True)
    return ["-drive", f"file={folder}/sata.img,format=raw,if=none,id=sata", "-device", "ide-hd,drive=sata,serial=on-ahci",
            "-drive", f"file={folder}/stick.img,format=raw,if=none,id=stick",
            "-device", "qemu-xhci", "-device", "usb-storage,drive=stick,serial=on-usb"]


@case_of_std
def disks_on_ahci_and_usb_are_seen():
    """A stick comes later than the proof may; its driver is loaded even then."""
    port = free_port()
    with machine(session={}, disks=usb_and_ahci, extra=user_net(port), append="lifeboat.disks=1") as (vm, session):
        report = vm.ready(session)
        assert "on-ahci" in [disk["serial"] for disk in report["disks"]], report["disks"]
        known_hosts = f"{vm.folder}/known_hosts"
        with open(known_hosts, "w") as file:
            file.write(f"[127.0.0.1]:{port} {report['ssh_host_key']}\n")
        run = vm.ssh(port, session, known_hosts, "until lsblk -dno NAME,TRAN | grep -q usb; do sleep 0.2; done; lsblk -dno TRAN")
        assert run.returncode == 0 and "usb" in run.stdout, run


def three_disks(folder):
    options = []
    for number in range(3):
        subprocess.run(["qemu-img", "create", "-q", "-f", "raw", f"{folder}/d{number}.img", "400M"], check=True)
        options += ["-drive", f"file={folder}/d{number}.img,format=raw,if=none,id=d{number}", "-device", f"virtio-blk-pci,drive=d{number},serial=d{number}"]
    return options


# A mirror, encrypted, with logical volumes on it, as an installer would lay it out; and a boot partition beside it.
INSTALL = """
set -e
mdadm --create /dev/md0 --level=1 --raid-devices=2 --metadata=1.2 --run /dev/vdb /dev/vdc >/dev/null 2>&1
printf 'open sesame' | cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/md0 -
printf 'open sesame' | cryptsetup open /dev/md0 made -
pvcreate -q /dev/mapper/made >/dev/null; vgcreate -q my-vg /dev/mapper/made >/dev/null
lvcreate -q -y -L 320M -n root my-vg >/dev/null
mkfs.xfs -q -f /dev/my-vg/root
mke2fs -q -F -t ext4 -L boot /dev/vda
mount -t xfs /dev/my-vg/root /mnt
mkdir -p /mnt/etc /mnt/usr /mnt/var /mnt/boot /mnt/proc /mnt/sys /mnt/dev /mnt/run /mnt/bin
cp /bin/busybox /mnt/bin/; echo root:x:0:0::/:/bin/sh >/mnt/etc/passwd; ln -s ../run/systemd/resolve/stub-resolv.conf /mnt/etc/resolv.conf
printf '/dev/mapper/my--vg-root / xfs defaults 0 0\nLABEL=boot /boot ext4 defaults 0 2\nnas:/x /nas nfs defaults 0 0\n' >/mnt/etc/fstab
umount /mnt; vgchange -q -an my-vg >/dev/null; cryptsetup close made; mdadm --stop /dev/md0 >/dev/null 2>&1
"""


@case_of_std
def a_system_on_lvm_luks_and_raid_is_mounted_entered_and_left():
    port = free_port()
    with machine(session={}, disks=three_disks, extra=user_net(port), append="lifeboat.disks=3") as (vm, session):
        report = vm.ready(session)
        ssh = lambda command: vm.ssh(port, session, session.known(vm.folder, port, report), command)
        made = ssh(INSTALL)
        assert made.returncode == 0, made
        locked = ssh("rescue-mount")
        assert locked.returncode == 1 and "/dev/md" in locked.stdout and "is encrypted; rescue-mount --unlock" in locked.stdout, locked
        assert "no device holds a system" in locked.stderr, locked
        wrong = ssh("echo wrong | rescue-mount --unlock")
        assert wrong.returncode == 1 and "was not unlocked" in wrong.stderr, wrong
        # On a terminal cryptsetup asks; here it reads the line. Nobody could see it among the arguments of programs.
        mounted = ssh("echo 'open sesame' | rescue-mount --unlock; cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sesam[e]' || true")
        assert "/mnt  /dev/mapper/my--vg-root xfs, read-write, nouuid" in mounted.stdout, mounted
        assert "/mnt/boot  /dev/vda ext4, read-write" in mounted.stdout, mounted
        inside = ssh("rescue-chroot /mnt /bin/busybox sh -c 'busybox cat /etc/resolv.conf; busybox touch /boot/here && busybox ls /dev/md*'")
        assert inside.returncode == 0 and "nameserver" in inside.stdout and "/dev/md" in inside.stdout, inside
        busy = ssh("cd /mnt/boot && sleep 1000 >/dev/null 2>&1 & sleep 0.3; rescue-mount --undo")
        assert busy.returncode == 1 and "in use by" in busy.stderr and "sleep (" in busy.stderr, busy
        undone = ssh("kill $(pidof sleep); rescue-mount --undo && ! grep /mnt /proc/mounts && ls /dev/mapper && grep -c '^md' /proc/mdstat")
        assert "control" in undone.stdout.splitlines() and undone.stdout.splitlines()[-1] == "0", undone
        vm.send({"type": "shutdown"})
        vm.ended()
        there = subprocess.run(["debugfs", "-R", "stat /here", f"{vm.folder}/d0.img"], capture_output=True, text=True)
        assert "Inode:" in there.stdout, there


def run(name):
    start = time.monotonic()
    READY.seconds = []
    try:
        for _ in range(2):
            with contextlib.suppress(LostTimer):
                CASES[name]()
                break
        else:
            CASES[name]()
    except Exception:
        print(f"smoke: FAILED: {name} ({time.monotonic() - start:.1f} s)\n{traceback.format_exc()}", file=sys.stderr, flush=True)
        return False
    seconds = "".join(f", ready after {seconds:.1f}" for seconds in READY.seconds)
    print(f"smoke: {name} ({time.monotonic() - start:.1f} s{seconds})", flush=True)
    return True


def main():
    wanted = OPTIONS.cases or list(CASES)
    if unknown := set(wanted) - set(CASES):
        sys.exit(f"smoke: no case is called {' or '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if OPTIONS.of_std:
        wanted = [name for name in wanted if name in OF_STD]
    if OPTIONS.only_here:
        wanted = [name for name in wanted if name not in ELSEWHERE]
    if not wanted:
        sys.exit("smoke: no case is left to run")
    with concurrent.futures.ThreadPoolExecutor(OPTIONS.jobs) as pool:
        sys.exit(0 if all(list(pool.map(run, wanted))) else 1)


main()
