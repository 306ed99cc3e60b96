"""Breaks guests in named ways, and sees what the rescue system finds and mends, on real QEMU.

    corpus.py [--jobs N] [--short] [--diagnose-only | --through-service PROGRAMS] [--report FILE] --images FOLDER --guests FOLDER
              [--guest GUEST]... [NAME...]

For each recipe: the guest's disk is copied and broken; the rescue image that suits the guest starts on an overlay of it, as a host
starts it, and is asked over its port for a diagnosis, then for a repair by the fixes that the diagnosis calls safe, and for a diagnosis
once more; it is turned off, and the machine starts from that overlay. It is back if it comes to its login prompt. What is expected stands in the recipe. GUEST: only
recipes for that guest. NAME: only recipes that begin so. --short: the six that `make test` runs. --diagnose-only: nothing is mended or
started. --through-service: the broken disk becomes a server's, and climc has it repaired (service.py). Exit code 1: verdict.py found a
fault, which is printed: a breakage that was not found, a finding on a healthy guest, one that is still there after its fix, a slow
diagnosis; of the whole corpus also too few that come back, of the short one any that does not.

Below: recipes, one case, all of them, the table. The machines are in machine.py.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

# Nothing is written among the sources.
sys.dont_write_bytecode = True
import service  # noqa: E402
import verdict  # noqa: E402
from machine import GUESTS, LOST_TIMER, MAC, Machine, Rescue, comes_up  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SHORT = ["tiny-healthy", "tiny-fstab-missing-device", "tiny-init-missing", "tiny-superblock-gone",
         "tiny-filesystem-errors", "tiny-bootloader-wrong-root"]
DIAGNOSIS_LIMIT, REPAIR_LIMIT = 300, 1800
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
        # Beside the safe ones, as a person would ask for them. None of them decides whether the machine comes back.
        self.fixes = set(field("fix"))

    def apply(self, disk, images):
        command = ["sh", self.path]
        environment = {**os.environ, "DISK": disk, "GUEST": self.guest, "LIB": f"{HERE}/lib.sh", "here": f"{HERE}/../guests"}
        if self.inside:
            command = ["sh", "-c", '. "$here/inside.sh"; guest_inside "$@"', "inside", f"{images}/std", self.path, os.path.dirname(disk),
                       "-drive", f"file={disk},format=raw,if=none,id=d0,cache=unsafe,discard=unmap", "-device", "virtio-blk-pci,drive=d0"]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, f"the recipe {self.name} failed: {done.stderr or done.stdout}"


# ── one case
def base(options, guest):
    """The guest's disk as a raw file, made once."""
    raw = f"{options.work}/{guest}.raw"
    if not os.path.exists(raw):
        subprocess.run(["qemu-img", "convert", "-O", "raw", f"{options.guests}/{guest}.qcow2", raw + ".new"], check=True)
        os.rename(raw + ".new", raw)
    return raw


def by_itself(options, recipe, folder, disk, row):
    """The image and the machine alone, without hosts or region: quick, and nothing else can fail."""
    overlay, guest, machine = f"{folder}/overlay.qcow2", GUESTS[recipe.guest], None
    try:
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
        row["found"] = sorted(found)
        row["evidence"] = {code: finding["evidence"][:3] for code, finding in found.items()}
        row["skipped"] = {skipped["code"]: skipped["why"] for skipped in diagnosis["skipped"]}
        codes = recipe.fixes | {fix["code"] for finding in found.values() for fix in finding["fixes"] if fix["safe"]}
        if codes and not options.diagnose_only:
            report, row["repair_seconds"] = machine.ask({"verb": "repair", "codes": sorted(codes), "dry_run": False}, REPAIR_LIMIT)
            row["fixes"] = [{key: fix[key] for key in ("code", "state", "message")} for fix in report["fixes"]]
            row["changes"] = [change["path"] for change in report["changes"]][:20]
            done = {fix["code"] for fix in report["fixes"] if fix["state"] == "done"}
            again, _ = machine.ask({"verb": "diagnose"}, DIAGNOSIS_LIMIT)
            row["left"] = sorted(finding["code"] for finding in again["findings"])
            offers = {code: [fix["code"] for fix in finding["fixes"]] for code, finding in found.items()}
            row["unmended"] = verdict.unmended(found, row["left"], offers, done)
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
    except BaseException:
        if machine is not None:
            machine.process.kill()
            row["console"] = machine.output().splitlines()[-15:] + machine.process.stderr.read().splitlines()[-5:]
        raise
    finally:
        if machine is not None:
            machine.stop()


def run(options, recipe):
    start = time.monotonic()
    row = {"name": recipe.name, "guest": recipe.guest, "expected": sorted(recipe.expect), "found": [], "missed": [], "unexpected": [],
           "unmended": [], "fixes": [], "back": None, "stopped_by": "", "diagnosis_seconds": None, "repair_seconds": None, "boot_seconds": None}
    folder = tempfile.mkdtemp(prefix=f"{recipe.name}.", dir=options.work)
    try:
        disk = f"{folder}/disk.raw"
        subprocess.run(["cp", "--sparse=always", base(options, recipe.guest), disk], check=True)
        recipe.apply(disk, options.images)
        if options.service:
            options.service.mend(recipe.name, GUESTS[recipe.guest], MAC, disk, row)
        else:
            by_itself(options, recipe, folder, disk, row)
    except (AssertionError, OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        row["stopped_by"] = f"{type(error).__name__}: {error}"
        row["back"] = bool(row["back"])
        row["failed"] = True
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    row["missed"] = sorted(recipe.expect - set(row["found"]))
    row["unexpected"] = sorted(set(row["found"]) - recipe.expect - recipe.also)
    row["seconds"] = time.monotonic() - start
    show(row)
    return row


# ── all of them, and the table
def show(row):
    seconds = lambda value: "     -" if value is None else f"{value:6.1f}"
    good = not row["missed"] and not row["unexpected"] and not row["unmended"] and "failed" not in row
    back = {None: "-", True: "back", False: "not back"}[row["back"]]
    with PRINTING:
        print(f"  {'ok ' if good else 'NOT'} {row['name']:36} {back:9}"
              f"{seconds(row['diagnosis_seconds'])}{seconds(row['repair_seconds'])}{seconds(row['boot_seconds'])}{seconds(row['seconds'])}  "
              + " ".join(row["found"]), flush=True)
        for what in ("missed", "unexpected"):
            if row[what]:
                print(f"        {what}: {' '.join(row[what])} {json.dumps(row.get('evidence', {}))[:600]}", flush=True)
        if row["unmended"]:
            print(f"        still found after its fix: {' '.join(row['unmended'])}", flush=True)
        if row["back"] is False:
            print(f"        stopped by: {row['stopped_by']}", flush=True)
        if row["back"] is False or row["unmended"]:
            for fix in row["fixes"]:
                print(f"        {fix['code']}: {fix['state']}: {fix['message']}", flush=True)
            for line in row.get("console", []):
                print(f"        | {line}", flush=True)


def median(rows, key):
    values = [row[key] for row in rows if row[key] is not None]
    return f"{statistics.median(values):.1f}" if values else "-"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", required=True)
    parser.add_argument("--guests", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--short", action="store_true")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--diagnose-only", action="store_true")
    way.add_argument("--through-service", metavar="PROGRAMS")
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
    with contextlib.ExitStack() as stack:
        options.work = stack.enter_context(tempfile.TemporaryDirectory(prefix="lifeboat-corpus-", dir=os.environ.get("TMPDIR")))
        # Its parts run as users of their own.
        os.chmod(options.work, 0o711)
        options.service = None
        if options.through_service:
            options.service = stack.enter_context(service.Service(service.programs(options.through_service), options.images, options.work))
        for guest in sorted({recipe.guest for recipe in recipes}):
            base(options, guest)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            rows = list(pool.map(lambda recipe: run(options, recipe), recipes))

    slowest = max((row["diagnosis_seconds"] for row in rows if row["diagnosis_seconds"] is not None), default=None)
    metrics = {**verdict.sums(rows), "slowest_diagnosis_seconds": slowest, "seconds": round(time.monotonic() - started, 1)}
    print("\n  guest   breakages  found  back  healthy  false findings  precision  recall  diagnosis s  repair s  boot s")
    for name in [*sorted({row["guest"] for row in rows}), "all"]:
        those = [row for row in rows if name in (row["guest"], "all")]
        part = verdict.sums(those)
        print(f"  {name:7} {part['breakages']:9}  {part['found']:5}  {part['back_with_one_command']:4}  {part['healthy']:7}  {part['false_findings']:14}"
              f"  {part['precision']:9.3f}  {part['recall']:6.3f}  {median(those, 'diagnosis_seconds'):>11}  {median(those, 'repair_seconds'):>8}"
              f"  {median(those, 'boot_seconds'):>6}")
    print("corpus: " + ", ".join(f"{name} {value}" for name, value in metrics.items()))
    if options.report:
        os.makedirs(os.path.dirname(options.report), exist_ok=True)
        with open(options.report + ".new", "w") as file:
            json.dump({"name": "corpus", "metrics": metrics, "rows": rows}, file, indent=1)
        os.rename(options.report + ".new", options.report)
    whole = not (options.short or options.guest or options.names or options.diagnose_only)
    # What the short run is made of can all be mended.
    faults = verdict.faults(rows, whole, all_back=options.short and not options.diagnose_only)
    for fault in faults:
        print(f"corpus: FAILED: {fault}", flush=True)
    sys.exit(1 if faults else 0)


main()
