#!/usr/bin/env python3
"""How long climc takes from its start to its end; prints the figures and writes climc.json.

    climc.py CLIMC REPORT [RUNS]

Each command runs as a user's would: a process of its own, in a home of its own. The service is a socket here that answers at once, so that
its time is not climc's; the token is kept from a log-in before. /bin/true, started the same way, is what any process costs on this machine.
The processor's time says the same where the machine has other work to do.
"""
import json
import os
import pathlib
import resource
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time

# Milliseconds from start to end, the median.
AIM = 20
SERVERS = 20


def catalog(url):
    endpoint = {"id": "", "interface": "public", "region": "region0", "region_id": "region0", "url": url, "name": ""}
    return {"token": {
        "methods": ["password"], "issued_at": "2026-01-01T00:00:00Z", "expires_at": "2126-01-01T00:00:00Z",
        "user": {"id": "u", "name": "admin", "domain": {"id": "default", "name": "Default"}},
        "project": {"id": "p", "name": "system", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "r", "name": "admin"}],
        "catalog": [{"id": "", "name": "region2", "type": "compute_v2", "endpoints": [endpoint]}],
    }}


def server(n):
    return {
        "id": f"0198c7a6-0000-7000-8000-{n:012x}", "name": f"web{n}", "status": "running", "status_reason": None,
        "power_state": "running", "hypervisor": "kvm", "host_id": "0198c7a6-0000-7000-8000-0000000000ff", "host": "h1",
        "arch": "x86_64", "machine": "q35", "firmware": "bios", "vcpu_count": 1, "vmem_size": 512, "disks": [], "nics": [],
        "rescue_mode": False, "rescue_session_id": None, "task": None, "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z", "update_version": 1,
    }


class Service(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


class Answer(socketserver.StreamRequestHandler):
    """One answer for each request of a connection."""

    disable_nagle_algorithm = True

    def handle(self):
        while line := self.rfile.readline():
            length = 0
            while (header := self.rfile.readline().strip()):
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            self.rfile.read(length)
            url = "http://%s:%s" % self.server.server_address
            extra, body = "", {"servers": [server(n) for n in range(SERVERS)], "total": SERVERS, "limit": 20, "offset": 0}
            if b"/auth/tokens" in line:
                extra, body = "X-Subject-Token: kept\r\n", catalog(url)
            data = json.dumps(body).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{extra}Content-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data)


def processor():
    """Seconds that the processes started here have kept a processor busy, those that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(command, environment, runs):
    """Milliseconds of each run, sorted; and of the processor, on average. A run that fails ends it all."""
    took, before = [], processor()
    for _ in range(runs):
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        took.append((time.perf_counter() - began) * 1000)
        if done.returncode != 0:
            sys.exit(f"bench: {' '.join(command)} failed:\n{done.stderr.decode()}")
    return sorted(took), (processor() - before) * 1000 / runs


def main():
    climc, report = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    service = Service(("127.0.0.1", 0), Answer)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "HOME": home, "PATH": os.environ["PATH"], "OS_AUTH_URL": "http://%s:%s/v3" % service.server_address,
            "OS_USERNAME": "admin", "OS_PASSWORD": "x", "OS_PROJECT_NAME": "system",
        }
        timed([str(climc), "login"], environment, 1)
        commands = [
            ("true", ["/bin/true"], {}),
            ("help", [str(climc), "help"], {}),
            ("help_zh", [str(climc), "help"], {"LC_ALL": "zh_CN.UTF-8"}),
            ("server_list", [str(climc), "server-list"], {}),
            ("server_list_json", [str(climc), "server-list", "-o", "json"], {}),
            ("complete", [str(climc), "--", "climc", "server-st"], {"CLIMC_COMPLETE": "bash", "_CLAP_COMPLETE_INDEX": "1"}),
        ]
        metrics, rows = {}, []
        for name, command, more in commands:
            took, busy = timed(command, environment | more, runs)
            median, late = statistics.median(took), took[int(len(took) * 0.95)]
            metrics[f"{name}_ms"] = round(median, 2)
            metrics[f"{name}_cpu_ms"] = round(busy, 2)
            rows.append({
                "command": name, "median_ms": round(median, 2), "p95_ms": round(late, 2), "least_ms": round(took[0], 2),
                "cpu_ms": round(busy, 2), "runs": runs,
            })
    print(f"| {'command':<18} | {'median ms':>9} | {'p95 ms':>7} | {'least ms':>8} | {'cpu ms':>7} | aim")
    for row in rows:
        reached = "" if row["command"] == "true" else f"at most {AIM}: " + ("reached" if row["median_ms"] <= AIM else "NOT reached")
        times = f"{row['median_ms']:>9} | {row['p95_ms']:>7} | {row['least_ms']:>8} | {row['cpu_ms']:>7}"
        print(f"| {row['command']:<18} | {times} | {reached}")
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps({"name": "climc", "metrics": metrics, "rows": rows}, indent=1) + "\n")


main()
