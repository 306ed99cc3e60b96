"""The corpus through the service: a stack of its own on loopback, in which each broken disk becomes a server's, and one command mends it.

`Service` is a stack; `Service.mend` makes the server, has it repaired by `climc server-rescue-repair NAME --auto --wait`, and boots it from
its own disk. What a recipe breaks, and what a row of the report is, stands in corpus.py.
"""

import contextlib
import datetime
import json
import os
import shutil
import subprocess
import time

from machine import STOPPED
from verdict import unmended

# Seconds: as an emulated machine on a busy one may take.
COMMAND_LIMIT, AUTO_LIMIT, BOOT_WAIT = 300, 3600, 1200


class Service:
    def __init__(self, programs, images, work):
        self.programs, self.images, self.state, self.guests = programs, images, f"{work}/stack", f"{work}/disks"
        self.environment = dict(os.environ)

    def __enter__(self):
        os.makedirs(self.guests)
        self.lifeboat("up", "--accel", "tcg", "--listen", "127.0.0.1:0", "--guests", self.guests, "--rescue-images", os.path.dirname(self.images))
        with open(f"{self.state}/rc") as file:
            variables = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
        # Nobody's own profile or token is used, or changed.
        self.environment |= variables | {"HOME": self.state, "XDG_CONFIG_HOME": f"{self.state}/config", "XDG_CACHE_HOME": f"{self.state}/cache"}
        return self

    def __exit__(self, *_):
        self.lifeboat("down")

    def lifeboat(self, verb, *args):
        done = subprocess.run([f"{self.programs}/lifeboat", verb, "--state", self.state, *args], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=COMMAND_LIMIT)
        assert done.returncode == 0, f"lifeboat {verb}: {done.stdout[-2000:]}"

    def climc(self, *args, limit=COMMAND_LIMIT, check=True):
        done = subprocess.run([f"{self.programs}/climc", *args], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=limit + 60)
        assert done.returncode == 0 or not check, f"climc {' '.join(args)}: {done.stderr[-1500:]}"
        return done

    def show(self, *args):
        """What climc says, as JSON without what it is wrapped in."""
        value = json.loads(self.climc(*args, "-o", "json").stdout)
        return next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value

    def mend(self, name, guest, mac, disk, row):
        """Fills the row in. `guest`: of corpus.GUESTS. `disk`: raw, and taken."""
        image = f"{self.guests}/{name}.qcow2"
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", disk, image], check=True)
        os.unlink(disk)
        self.climc("server-create", name, "--disk", f"image={name}.qcow2", "--mem", f"{guest['memory']}", "--net", f"mac={mac}",
                   "--firmware", "uefi" if guest["uefi"] else "bios", "--wait")
        os.unlink(image)
        began = time.monotonic()
        auto = self.climc("server-rescue-repair", name, "--auto", "--rescue-image", guest["image"], "--max-wait", str(BOOT_WAIT), "--wait",
                          "--timeout", str(AUTO_LIMIT), limit=AUTO_LIMIT, check=False)
        row["repair_seconds"] = time.monotonic() - began
        task = self.task(name)
        result = task["result"]
        row["end"], row["found"], row["fixes"] = result["end"], sorted(result["found"]), []
        examined = self.show("server-rescue-findings", name)
        diagnosis = examined.get("diagnosis") or {}
        row["skipped"] = {it["code"]: it["why"] for it in diagnosis.get("skipped", [])}
        # The slowest, with the way to the machine and back.
        times = [[datetime.datetime.fromisoformat(stage[at]) for at in ("started_at", "ended_at")] for stage in task["stages"]
                 if stage["stage"] == "diagnose" and stage["ended_at"]]
        row["diagnosis_seconds"] = max(((ended - started).total_seconds() for started, ended in times), default=None)
        for repair in examined.get("repairs", []):
            row["fixes"] += [{key: fix[key] for key in ("code", "state", "message")} for fix in repair["report"]["fixes"]]
        offers = {finding["code"]: [fix["code"] for fix in finding["fixes"]] for finding in diagnosis.get("findings", [])}
        row["left"] = sorted(result["left"])
        row["unmended"] = unmended(result["found"], result["left"], offers, result["fixed"])
        row["stopped_by"] = auto.stderr.strip()[-600:]
        # An exit code of 0 has to mean that it is back.
        assert (auto.returncode == 0) == (result["end"] in ("repaired", "healthy")), f"exit code {auto.returncode} of {result['end']}"
        if auto.returncode == 0:
            began, before = time.monotonic(), self.serial(name)
            self.climc("server-start", name, "--wait")
            row["back"], row["stopped_by"] = self.comes_up(name, guest, before)
            row["boot_seconds"] = time.monotonic() - began
        else:
            row["back"] = False
        self.forget(name)

    def task(self, name):
        """The automatic repair."""
        tasks = self.show("server-tasks", name)
        for task in tasks.get("tasks", tasks) if isinstance(tasks, dict) else tasks:
            shown = self.show("region-task-show", task["id"])
            if shown.get("result"):
                return shown
        raise AssertionError(f"no task of {name} tells of an automatic repair")

    def serial(self, name):
        """What its serial console has shown; it goes on from boot to boot, until the host begins it anew."""
        log = f"{self.state}/host/servers/{self.show('server-show', name)['id']}/serial.log"
        with contextlib.suppress(FileNotFoundError), open(log, errors="replace") as file:
            return file.read()
        return ""

    def comes_up(self, name, guest, before):
        """Whether it comes to its login prompt, by what its serial console has shown since; what stopped it, if it is known."""
        deadline = time.monotonic() + guest["limit"]
        while time.monotonic() < deadline:
            shown = self.serial(name)
            shown = shown[len(before):] if shown.startswith(before) else shown
            if guest["prompt"] in shown:
                return True, ""
            for sign in STOPPED:
                if sign in shown:
                    return False, sign.strip()
            time.sleep(0.5)
        return False, f"no prompt within {guest['limit']} s"

    def forget(self, name):
        """Space is short: what a server that did not come back leaves goes with the stack, if not here."""
        self.climc("server-stop-rescue", name, "--overlay", "discard", "--power", "off", "--force", "--wait", check=False)
        self.climc("server-stop", name, "--force", "--wait", check=False)
        self.climc("server-delete", name, "--wait", check=False)


def programs(folder):
    missing = [name for name in ("lifeboat", "climc") if shutil.which(f"{folder}/{name}") is None]
    assert not missing, f"{' and '.join(missing)} not in {folder}; run: make build"
    return os.path.abspath(folder)
