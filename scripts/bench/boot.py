#!/usr/bin/env python3
"""Boot-file servers beside each other: ours, tftpd-hpa, atftpd, dnsmasq and the crate tftpd by TFTP; ours and nginx by HTTP.

    boot.py BIN REPORT [RUNS] [SECONDS] [LOSS_RUNS]

BIN: folder with baremetal-agent and examples/boot-load (a release build). Needs root: everything runs on loopback in a network namespace of
its own. Each cell is a block size, a window, a number of clients and a rate of loss; each server serves it RUNS times for SECONDS, in turns,
and the median counts. Under loss a run takes three times as long, three seconds at least, since a client that lost its request waits a second.
Server CPU is seconds of CPU for each second; memory is the most that was resident during the run.

Loss: a firewall rule drops what arrives on loopback at random, so that each direction loses as much; packets that were handed over together
are cut up first. A server that does not grant what is asked for is marked with what it granted.
"""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

INSIDE = "LIFEBOAT_BENCH_INSIDE"
SIZE = 60 << 20
OURS = "lifeboat"


def sh(*command, **more):
    return subprocess.run(command, check=True, text=True, capture_output=True, **more).stdout


def peers():
    """Programs by name; what is missing is named and left out."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lifeboat" / "bench"
    found = {
        "tftpd-hpa": shutil.which("in.tftpd", path="/usr/sbin:/usr/bin"),
        "atftpd": shutil.which("atftpd", path=f"/usr/sbin:{cache}/atftpd/usr/sbin"),
        "dnsmasq": shutil.which("dnsmasq", path="/usr/sbin"),
        "tftpd": shutil.which("tftpd", path=f"{cache}/bin:{os.environ['PATH']}"),
        "nginx": shutil.which("nginx", path="/usr/sbin"),
    }
    for name, path in found.items():
        if not path:
            print(f"boot: {name} is not here and is left out (scripts/bench/boot-peers.sh brings it)", file=sys.stderr)
    return {name: path for name, path in found.items() if path}


class Server:
    def __init__(self, name, command, address, where, environment=None):
        self.name, self.address = name, address
        log = open(where / f"{name}.log", "w")
        self.process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd=where,
            env=dict(os.environ, **(environment or {})))

    def members(self):
        """The process and all it has started: they share a session."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                except OSError:
                    continue
                if int(fields[3]) == self.process.pid:
                    yield entry, fields

    def cpu(self):
        ticks = os.sysconf("SC_CLK_TCK")
        return sum(sum(map(int, fields[11:15])) for _, fields in self.members()) / ticks

    def rss(self):
        page = os.sysconf("SC_PAGE_SIZE")
        return sum(int(fields[21]) for _, fields in self.members()) * page

    def stop(self):
        for entry, _ in list(self.members()):
            try:
                os.kill(int(entry.name), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


def start(bin, found, where, root):
    """All servers, on ports of their own; dnsmasq knows port 69 only."""
    config = where / "agent.toml"
    config.write_text(
        f'root = "{root}"\n[http]\nlisten = "127.0.0.1:8001"\n'
        '[tftp]\nlisten = "127.0.0.1:6901"\nmax_transfers_per_client = 200\n')
    servers = {OURS: Server(OURS, [bin / "baremetal-agent", "--config", config], "127.0.0.1:6901", where, {"RUST_LOG": "warn"})}
    commands = {
        "tftpd-hpa": ([found.get("tftpd-hpa"), "-L", "-a", "127.0.0.1:6902", "-u", "root", "-s", root], "127.0.0.1:6902"),
        "atftpd": ([found.get("atftpd"), "--daemon", "--no-fork", "--user", "root", "--maxthread", "200", "--verbose=0", "--port", "6903",
                    "--bind-address", "127.0.0.1", root], "127.0.0.1:6903"),
        "dnsmasq": ([found.get("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--enable-tftp", f"--tftp-root={root}",
                     "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root", "--tftp-max=200", f"--pid-file={where}/dnsmasq.pid"],
                    "127.0.0.1:69"),
        "tftpd": ([found.get("tftpd"), "-i", "127.0.0.1", "-p", "6905", "-d", root, "-r", "-q"], "127.0.0.1:6905"),
    }
    for name, (command, address) in commands.items():
        if name in found:
            servers[name] = Server(name, command, address, where)
    if "nginx" in found:
        conf = where / "nginx.conf"
        conf.write_text(
            f"user root;\nworker_processes auto;\ndaemon off;\npid {where}/nginx.pid;\nerror_log {where}/nginx-error.log;\nevents {{ worker_connections 1024; }}\n"
            f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; "
            f"client_body_temp_path {where}/t1; proxy_temp_path {where}/t2; fastcgi_temp_path {where}/t3; uwsgi_temp_path {where}/t4; "
            f"scgi_temp_path {where}/t5; server {{ listen 127.0.0.1:8002; location /tftp/ {{ alias {root}/; }} }} }}\n")
        servers["nginx"] = Server("nginx", [found["nginx"], "-e", f"{where}/nginx-error.log", "-c", conf], "127.0.0.1:8002", where)
    time.sleep(1.5)  # daemons do not say when they are ready
    for name in list(servers):
        if servers[name].process.poll() is not None:
            print(f"boot: {name} does not start: {(where / f'{name}.log').read_text()[-300:]}", file=sys.stderr)
            del servers[name]
    return servers


def measure(server, load):
    """One run: throughput, CPU and memory of the server."""
    most, done = [0], threading.Event()

    def watch():
        while not done.wait(0.1):
            most[0] = max(most[0], server.rss())

    before, began = server.cpu(), time.monotonic()
    watcher = threading.Thread(target=watch)
    watcher.start()
    result = subprocess.run([str(part) for part in load], text=True, capture_output=True)
    took = time.monotonic() - began
    done.set()
    watcher.join()
    run = json.loads(result.stdout) if result.returncode == 0 else {"mib_s": 0.0, "failed": 1, "complete": 0, "blksize": 0, "windowsize": 0}
    run["cpu"] = (server.cpu() - before) / took
    run["rss_mib"] = max(most[0], server.rss()) / (1 << 20)
    return run


def lose(percent):
    rules = "flush ruleset\n"
    if percent:
        rules += ("table inet loss {\nchain input {\ntype filter hook input priority 0;\n"
                  f"numgen random mod 100 < {percent} drop\n}}\n}}\n")
    sh("nft", rules)
    sh("ip", "link", "set", "lo", "gso_max_segs", "1" if percent else "65535")


def summary(runs):
    best = sorted(runs, key=lambda run: run["mib_s"])[len(runs) // 2]
    return {
        "mib_s": round(statistics.median(run["mib_s"] for run in runs), 3),
        "cpu": round(statistics.median(run["cpu"] for run in runs), 3),
        "rss_mib": round(max(run["rss_mib"] for run in runs), 1),
        "complete": sum(run["complete"] for run in runs),
        "failed": sum(run["failed"] for run in runs),
        "blksize": best.get("blksize", 0),
        "windowsize": best.get("windowsize", 0),
    }


def tftp_cells(servers, load, runs, seconds, loss_runs):
    rows = []
    names = [name for name in servers if name != "nginx"]
    for percent in (0, 1, 5):
        lose(percent)
        for clients in (1, 50):
            for blksize in (512, 1468, 8192):
                for window in (1, 16, 64):
                    taken = {name: [] for name in names}
                    for _ in range(loss_runs if percent else runs):
                        for name in names:
                            server = servers[name]
                            taken[name].append(measure(server, [
                                load, "tftp", server.address, "60m", blksize, window, clients, max(3, seconds * 3) if percent else seconds]))
                    row = {"loss_percent": percent, "clients": clients, "blksize": blksize, "windowsize": window, "servers": {}}
                    for name in names:
                        result = summary(taken[name])
                        if (result["blksize"], result["windowsize"]) != (blksize, window):
                            result["granted_other"] = f'{result["blksize"]}x{result["windowsize"]}'
                        row["servers"][name] = result
                    others = {name: row["servers"][name]["mib_s"] for name in names if name != OURS}
                    best = max(others, key=others.get) if others else ""
                    row["best_peer"] = best
                    row["ratio"] = round(row["servers"][OURS]["mib_s"] / max(others.get(best, 0), 0.001), 3)
                    rows.append(row)
                    print(line(row, names), flush=True)
    lose(0)
    return rows


def line(row, names):
    def cell(name):
        result = row["servers"][name]
        return f'{result["mib_s"]:9.2f}{"*" if "granted_other" in result else " "}'
    return (f'{row["loss_percent"]:3d} % {row["clients"]:3d} {row["blksize"]:5d} x{row["windowsize"]:3d} '
            + " ".join(cell(name) for name in names) + f'  {row["ratio"]:9.2f} of {row["best_peer"]}')


def http_cells(servers, load, runs, seconds):
    rows = []
    ports = {OURS: "127.0.0.1:8001", "nginx": "127.0.0.1:8002"}
    for file in ("60m", "4k"):
        taken = {name: [] for name in ports if name in servers}
        for _ in range(runs):
            for name in taken:
                taken[name].append(measure(servers[name], [load, "http", ports[name], f"/tftp/{file}", 64, max(seconds, 1)]))
        row = {"http": file, "clients": 64, "servers": {name: summary(all) for name, all in taken.items()}}
        if "nginx" in taken:
            row["ratio"] = round(row["servers"][OURS]["mib_s"] / row["servers"]["nginx"]["mib_s"], 3)
        rows.append(row)
        print(f"HTTP {file:4s} " + "  ".join(
            f'{name} {result["mib_s"]:.1f} MiB/s, CPU {result["cpu"]:.2f}, {result["rss_mib"]:.0f} MiB' for name, result in row["servers"].items())
            + f'  ratio {row.get("ratio", 0):.2f}', flush=True)
    return rows


def main():
    if INSIDE not in os.environ:
        if os.geteuid():
            sys.exit("boot: this needs root, for a network namespace and port 69")
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    bin, report = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    runs, seconds = int((sys.argv[3:] or ["5"])[0]), float((sys.argv[4:] or ["1"])[0])
    loss_runs = int((sys.argv[5:] or [str(runs)])[0])
    sh("ip", "link", "set", "lo", "up")
    # in.tftpd resolves even a numeric address only where an interface besides loopback has one.
    sh("ip", "link", "add", "bench0", "type", "veth", "peer", "name", "bench1")
    sh("ip", "addr", "add", "10.99.99.1/30", "dev", "bench0")
    sh("ip", "link", "set", "bench0", "up")
    found = peers()
    with tempfile.TemporaryDirectory(prefix="lifeboat-bench-") as folder:
        where = Path(folder)
        where.chmod(0o755)
        root = where / "root"
        root.mkdir()
        (root / "60m").write_bytes(os.urandom(SIZE))
        (root / "4k").write_bytes(os.urandom(4096))
        servers = start(bin, found, where, root)
        try:
            load = bin / "examples" / "boot-load"
            http = http_cells(servers, load, runs, seconds)
            names = [name for name in servers if name != "nginx"]
            print("\nMiB/s by TFTP (* granted something else than was asked)\n loss  cl   blk  win " + " ".join(f"{name:>10s}" for name in names))
            rows = tftp_cells(servers, load, runs, seconds, loss_runs)
        finally:
            for server in servers.values():
                server.stop()
    lockstep = [row for row in rows if row["windowsize"] == 1 and not row["loss_percent"]]
    others = [row for row in rows if row not in lockstep]
    lossy = [row for row in rows if row["loss_percent"]]
    ahead = sum(row["ratio"] >= 0.97 for row in lockstep) + sum(row["ratio"] > 1 for row in others)
    ratio = {row["http"]: row.get("ratio") for row in http}
    metrics = {
        "tftp_cells": len(rows),
        "tftp_cells_ahead": ahead,
        "tftp_worst_ratio": min(row["ratio"] for row in rows),
        "tftp_worst_lockstep_ratio": min(row["ratio"] for row in lockstep),
        "tftp_median_ratio_under_loss": statistics.median(row["ratio"] for row in lossy),
        "http_60m_ratio_vs_nginx": ratio["60m"],
        "http_4k_ratio_vs_nginx": ratio["4k"],
        "runs": runs,
        "loss_runs": loss_runs,
        "seconds": seconds,
    }
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps({"name": "boot", "metrics": metrics, "rows": http + rows}, indent=1) + "\n")
    print(json.dumps(metrics, indent=1))
    print(f"report: {report}")


main()
