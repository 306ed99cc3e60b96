"""What an image says of itself, and what is in it, for scripts/test-images.sh.

    image_facts.py SERVICE VERSION INSPECT.json ROOT     exit 1 with what is wrong

INSPECT.json is what `buildah inspect` prints, ROOT where its file system is mounted.
"""

import json
import os
import stat
import sys
from pathlib import Path

PROGRAMS = {"region": {"region", "lifeboat"}, "host": {"host"}, "baremetal-agent": {"baremetal-agent"}, "climc": {"climc"}}
# A crate that each must have, a package of the distribution, and nothing of another's.
CRATES = {"region": "diesel", "host": "tonic", "baremetal-agent": "tftp", "climc": "reqwest"}
STRANGERS = {"region": "qmp", "host": "diesel", "baremetal-agent": "diesel", "climc": "diesel"}


def problems(service: str, version: str, config: dict, root: Path):
    labels = config.get("Labels") or {}
    for key in ("title", "description", "licenses", "version", "revision", "created"):
        if not labels.get(f"org.opencontainers.image.{key}"):
            yield f"label {key} is missing"
    if labels.get("org.opencontainers.image.version") != version:
        yield f"label version is {labels.get('org.opencontainers.image.version')}"
    if service == "host":
        if config.get("User") not in (None, "", "0"):
            yield f"host must be root, but is {config.get('User')}"
    elif config.get("User") != "10001:10001":
        yield f"its user is {config.get('User') or 'root'}"
    if config.get("Entrypoint") != [f"/usr/local/bin/{service}"]:
        yield f"its entrypoint is {config.get('Entrypoint')}"
    health = (config.get("Healthcheck") or {}).get("Test")
    wanted = ["NONE"] if service == "climc" else ["CMD", f"/usr/local/bin/{service}", "--config", f"/etc/lifeboat/config/{service}.toml", "--health"]
    if health != wanted:
        yield f"its health check is {health}"
    yield from files(service, root)
    yield from bill(service, version, root)


def files(service: str, root: Path):
    there = {it.name for it in (root / "usr/local/bin").iterdir()}
    if there != PROGRAMS[service]:
        yield f"/usr/local/bin has {sorted(there)}"
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            where = "/" + str(path.relative_to(root))
            if path.is_symlink():
                continue
            mode = path.stat().st_mode
            # Debian's packages bring keys of their own, which are no secrets.
            ours = where.startswith(("/etc/lifeboat/", "/usr/share/lifeboat/", "/usr/local/", "/home/", "/root/", "/tmp/"))
            if (ours and name.endswith(".key")) or where.startswith(("/src/", "/target/", "/out/")):
                yield f"{where} has no place in an image"
            if where.startswith(("/etc/lifeboat/", "/usr/share/lifeboat/", "/usr/local/")) and (mode & stat.S_IWOTH or not mode & stat.S_IROTH):
                yield f"{where} has mode {stat.filemode(mode)}"
    lists = root / "var/lib/apt/lists"
    if lists.exists() and any(it.is_file() for it in lists.rglob("*")):
        yield "package lists are left in /var/lib/apt/lists"


def bill(service: str, version: str, root: Path):
    sbom = json.loads((root / "usr/share/lifeboat/sbom.cdx.json").read_text())
    if (sbom["bomFormat"], sbom["specVersion"]) != ("CycloneDX", "1.5"):
        yield "the bill of materials is no CycloneDX 1.5"
    if sbom["metadata"]["component"]["version"] != version:
        yield "the bill of materials is of another version"
    parts = sbom["components"]
    refs = [it["bom-ref"] for it in parts]
    if len(refs) != len(set(refs)):
        yield "the bill of materials names a component twice"
    for it in parts:
        if not (it["name"] and it["version"] and it["purl"].startswith(("pkg:cargo/", "pkg:deb/"))):
            yield f"the bill of materials has {it}"
    crates = {it["name"]: it for it in parts if it["purl"].startswith("pkg:cargo/")}
    for wanted in (service, CRATES[service], "tokio"):
        if wanted not in crates:
            yield f"the bill of materials lacks crate {wanted}"
    if STRANGERS[service] in crates:
        yield f"the bill of materials has crate {STRANGERS[service]}, which {service} has not"
    for name, it in crates.items():
        if "licenses" not in it:
            yield f"crate {name} has no licence"
    packages = {it["name"] for it in parts if it["bom-ref"].startswith("deb:")}
    for wanted in ["libc6"] + (["qemu-system-x86"] if service == "host" else []):
        if wanted not in packages:
            yield f"the bill of materials lacks package {wanted}"
    rescue = {it["name"] for it in parts if it.get("group") == "rescue system"}
    if ("busybox-static" in rescue) != (service == "baremetal-agent"):
        yield "the rescue system's packages belong into baremetal-agent's bill of materials, and no other"
    print(f"{service}: {len(crates)} crates, {len(packages)} packages{f', {len(rescue)} in the rescue system' if rescue else ''}")


def main() -> int:
    service, version, inspect, root = sys.argv[1:]
    config = json.loads(Path(inspect).read_text())["Docker"]["config"]
    wrong = list(problems(service, version, config, Path(root)))
    for it in wrong:
        print(f"{service}: {it}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
