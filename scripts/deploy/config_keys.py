"""Whether the programs take the configuration that their pods get: the ConfigMap's file, and the variables that go over it.

Each variable must be a key that the shipped example shows, with a value of its type. Where the programs are built, each is also started with
file and variables and `--check-config`, which reads all of it and ends; and the Job that makes Secrets with its words, outside of a cluster.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from manifests import Manifests, at

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

PREFIXES = {"region": "REGION_", "host": "HOST_", "baremetal-agent": "BAREMETAL_AGENT_"}
# What a pod learns from its node, and from Secrets.
SAMPLES = {"spec.nodeName": "node1", "status.hostIP": "192.0.2.1"}
SECRET = "postgres://postgres:secret@postgres/lifeboat"


def flat(table: dict, before: str = "") -> dict:
    """{"http.listen": value}"""
    keys = {}
    for key, value in table.items():
        keys[before + key] = value
        if isinstance(value, dict):
            keys |= flat(value, f"{before}{key}.")
    return keys


def environment(container: dict) -> dict:
    env = {}
    for it in container.get("env", []):
        source = it.get("valueFrom", {})
        if "fieldRef" in source:
            value = SAMPLES[source["fieldRef"]["fieldPath"]]
        elif "secretKeyRef" in source:
            value = SECRET
        else:
            value = re.sub(r"\$\(([^)]*)\)", lambda name: env.get(name[1], name[0]), it.get("value", ""))
        env[it["name"]] = value
    return env


def programs(all: Manifests):
    """(pod, container, program, the ConfigMap's text) of each container that is given a configuration."""
    for pod in all.pods():
        for it in pod.containers():
            args = it.get("args", [])
            if "--config" not in args:
                continue
            program = it["image"].rpartition("/")[2].partition(":")[0]
            path = args[args.index("--config") + 1]
            mounts = {mount["mountPath"]: mount["name"] for mount in it.get("volumeMounts", [])}
            volume = mounts.get(str(Path(path).parent))
            name = next((at(v, "configMap", "name") for v in pod.spec.get("volumes", []) if v["name"] == volume), None)
            text = at(all.find("ConfigMap", name or "") or {}, "data", Path(path).name)
            yield pod, it, program, text


def of_type(text: str, sample) -> bool:
    if isinstance(sample, bool):
        return text in ("true", "false")
    if isinstance(sample, int):
        return re.fullmatch(r"-?[0-9]+", text) is not None
    return isinstance(sample, str)


def problems(all: Manifests) -> list[str]:
    wrong = []
    for pod, container, program, text in programs(all):
        if text is None:
            wrong.append(f"{pod}: the file of --config is in no ConfigMap")
            continue
        try:
            keys = flat(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            wrong.append(f"{pod}: its ConfigMap is no TOML: {error}")
            continue
        prefix = PREFIXES[program]
        for name, value in environment(container).items():
            if not name.startswith(prefix):
                continue
            key = name.removeprefix(prefix).lower().replace("__", ".")
            if key not in keys:
                wrong.append(f"{pod}: {name}: {program} has no key '{key}'")
            elif not of_type(value, keys[key]):
                wrong.append(f"{pod}: {name}: '{value}' is no value like {keys[key]!r}")
    return wrong


def start(all: Manifests, folder: Path) -> tuple[list[str], int]:
    """Starts the programs of `folder` with what their pods give them. What they refuse, and how many took it."""
    wrong, good = [], 0
    for pod, container, program, text in programs(all):
        binary = folder / program
        if "--check-config" not in subprocess.run([binary, "--help"], capture_output=True, text=True).stdout:
            wrong.append(f"{binary} has no --check-config; build it anew")
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(text)
            file.flush()
            env = {"PATH": os.environ["PATH"], **environment(container)}
            done = subprocess.run([binary, "--config", file.name, "--check-config"], env=env, capture_output=True, text=True, timeout=30)
        if done.returncode:
            wrong.append(f"{pod}: {program} refuses its configuration: {done.stderr.strip()}")
        elif SECRET in done.stdout or ":secret@" in done.stdout:
            wrong.append(f"{pod}: {program} --check-config shows the database's password")
        else:
            good += 1
    return wrong, good


def understood(all: Manifests, folder: Path) -> tuple[list[str], int]:
    """Gives `lifeboat` the words of its Job, with a service account that is not there: it must get as far as missing that (exit code 1), and
    not stumble over the words (2). What it stumbled over, and how many were understood."""
    wrong, good = [], 0
    for pod in all.pods():
        for it in pod.containers():
            if Path((it.get("command") or [""])[0]).name != "lifeboat" or not (folder / "lifeboat").exists():
                continue
            words = [*it.get("args", []), "--service-account", "/nonexistent"]
            env = {"PATH": os.environ["PATH"], "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
            done = subprocess.run([folder / "lifeboat", *words], env=env, capture_output=True, text=True, timeout=30)
            if done.returncode != 1 or "/nonexistent" not in done.stderr:
                wrong.append(f"{pod}: lifeboat does not understand its words: {done.stderr.strip()}")
            else:
                good += 1
    return wrong, good
