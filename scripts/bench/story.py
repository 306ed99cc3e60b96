#!/usr/bin/env python3
"""The same rescue by Lifeboat and by a bare shell script with QEMU, in turns; prints the ratio and writes story.json.

    story.py BIN GUESTS RESCUE_IMAGES REPORT [RUNS]

The server is off before each rescue, so that the time its own system takes to shut down is in neither. Lifeboat's time is from
before the POST until its API says that the session is ready; the floor's is from the start of QEMU until the ready frame.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

MEMORY = 256
LIMIT = 300
TO_REACH = 1.15
# The floor does the same work each time. Where its slowest run took so much longer than its fastest, the machine was busy with something
# else, and the ratio says nothing.
STEADY = 1.3


class Api:
    """Region's REST API, as its administrator."""

    def __init__(self, rc):
        values = dict(line.split("=", 1) for line in rc.read_text().splitlines())
        url, password = values["OS_AUTH_URL"], values["OS_PASSWORD"]
        user = {"domain": {"name": "Default"}, "name": values["OS_USERNAME"], "password": password}
        auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": {"name": "system"}}}
        self.base = url.removesuffix("/v3")
        self.token = None
        with self.send("POST", "/v3/auth/tokens", {"auth": auth}) as answer:
            self.token = answer.headers["X-Subject-Token"]

    def send(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method)
        request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("X-Auth-Token", self.token)
        return urllib.request.urlopen(request, None if body is None else json.dumps(body).encode(), timeout=60)

    def call(self, method, path, body=None):
        with self.send(method, path, body) as answer:
            return json.load(answer)

    def wait(self, task):
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            task = self.call("GET", f"/tasks/{task['id']}")["task"]
            if task["is_complete"]:
                if task["state"] != "succeeded":
                    sys.exit(f"bench: {task['task_name']} {task['state']}: {task['cause']}\n" + "\n".join(task["evidence"]))
                return task
            time.sleep(0.1)
        sys.exit(f"bench: {task['task_name']} does not end")


def lifeboat_rescue(api):
    """Seconds from the POST until the API says ready, and of that what was spent between the task's stages."""
    began = time.monotonic()
    answer = api.call("POST", "/servers/bench/start-rescue", {"server": {}})
    session = f"/rescuesessions/{answer['rescue_session']['id']}"
    while True:
        if api.call("GET", session)["rescuesession"]["is_ready"]:
            break
        if time.monotonic() - began > LIMIT:
            sys.exit("bench: the rescue system does not become ready")
        time.sleep(0.05)
    seconds = time.monotonic() - began
    task = api.wait(answer["task"])
    api.wait(api.call("POST", "/servers/bench/stop-rescue", {"server": {"force": True}})["task"])
    return seconds, [(stage["stage"], stage["started_at"], stage["ended_at"]) for stage in task["stages"]]


def main():
    programs, guests, images, report = map(pathlib.Path, sys.argv[1:5])
    runs = int(sys.argv[5]) if len(sys.argv) > 5 else 5
    here = pathlib.Path(__file__).resolve().parent
    image = images / "images" / "small"
    with tempfile.TemporaryDirectory(prefix="lb-") as folder:
        os.chmod(folder, 0o711)
        lifeboat = [str(programs / "lifeboat")]
        place = ["--state", folder]
        environment = dict(os.environ, LIFEBOAT_GUESTS=str(guests), LIFEBOAT_RESCUE_IMAGES=str(images))
        environment.pop("DATABASE_URL", None)
        disk = pathlib.Path(folder) / "bare.qcow2"
        disk.write_bytes((guests / "tiny.qcow2").read_bytes())
        up = lifeboat + ["up", "--listen", "127.0.0.1:0", "--accel", "tcg"] + place
        try:
            subprocess.run(up, env=environment, check=True, stdout=subprocess.DEVNULL)
            api = Api(pathlib.Path(folder) / "rc")
            server = {"name": "bench", "vmem_size": MEMORY, "disks": [{"image": "tiny.qcow2"}], "nets": [{}]}
            api.wait(api.call("POST", "/servers", {"server": server})["task"])
            rows = []
            # The first of each fills caches (of files, of the host's store) and does not count.
            for run in range(-1, runs):
                bare = ["bash", str(here / "bare-rescue.sh"), str(disk), str(image), str(MEMORY)]
                floor = float(subprocess.run(bare, check=True, stdout=subprocess.PIPE, text=True).stdout)
                ours, stages = lifeboat_rescue(api)
                counted = run >= 0
                print(f"  run {run + 1 if counted else 'to warm up'}: floor {floor:.2f} s, lifeboat {ours:.2f} s", flush=True)
                if counted:
                    rows.append({"run": run + 1, "floor_s": floor, "post_to_ready_s": round(ours, 3), "stages": stages})
        finally:
            subprocess.run(lifeboat + ["down"] + place, check=False, stderr=subprocess.DEVNULL)
    floor = statistics.median(row["floor_s"] for row in rows)
    ours = statistics.median(row["post_to_ready_s"] for row in rows)
    ratio = ours / floor
    floors = [row["floor_s"] for row in rows]
    spread = max(floors) / min(floors)
    metrics = {
        "ratio_post_to_ready": round(ratio, 3),
        "post_to_ready_s": round(ours, 3),
        "floor_s": round(floor, 3),
        "floor_spread": round(spread, 3),
    }
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps({"name": "story", "metrics": metrics, "rows": rows}, indent=2) + "\n")
    print(f"POST to ready {ours:.2f} s, floor {floor:.2f} s, ratio {ratio:.3f} over {len(rows)} runs; {report}")
    if spread > STEADY:
        print(f"NOT a measurement: the floor itself ranged over a factor of {spread:.1f} (at most {STEADY}); run it on a quiet machine")
    else:
        print(f"at most {TO_REACH}: {'reached' if ratio <= TO_REACH else 'NOT reached'}")


main()
