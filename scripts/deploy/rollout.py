"""Brings images and manifests into the cluster that kubectl points to, and waits until they run.

    rollout.py apply OVERLAY     all of deploy/overlays/OVERLAY
    rollout.py image SERVICE     another image for what runs of one service: a deployment, or a daemonset, one for each zone

REGISTRY and VERSION name the images: REGISTRY/SERVICE:VERSION (without REGISTRY: lifeboat/SERVICE:VERSION). NAMESPACE (lifeboat) and TIMEOUT (300, in
seconds, for each object) can be set, too. If an object does not come up with its new image, all that were changed go back to the image they
had, and the exit code is 1. A region whose Deployment leaves migrations to a Job (--migrate never) is migrated by one first; if that fails,
nothing else is changed.

Nothing here but Python's own library, as it runs on a developer's machine.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ["region", "host", "baremetal-agent"]
KINDS = "deployment,daemonset,statefulset"
# Jobs whose pods can't be given another image.
JOBS = ["region-migrate", "lifeboat-secrets"]
NAMESPACE = os.environ.get("NAMESPACE") or "lifeboat"
TIMEOUT = int(os.environ.get("TIMEOUT") or 300)


class Failed(Exception):
    """What to tell, as it is."""


def kubectl(*args: str, stdin: str | None = None, quiet: bool = True) -> str:
    """kubectl's standard output. What it complains of is shown as it comes."""
    done = subprocess.run(
        ["kubectl", "--namespace", NAMESPACE, *args], input=stdin, stdout=subprocess.PIPE if quiet else None, text=True
    )
    if done.returncode:
        raise Failed(f"failed: kubectl {' '.join(args)}")
    return done.stdout or ""


def image(service: str) -> str:
    version = os.environ.get("VERSION")
    if not version:
        raise Failed("VERSION is not set")
    return f"{os.environ.get('REGISTRY') or 'lifeboat'}/{service}:{version}"


def service_of(image: str) -> str:
    """`host` of `registry:5000/team/host:1.2@sha256:...`"""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def running(service: str) -> list[dict]:
    found = json.loads(kubectl("get", KINDS, "--selector", f"app.kubernetes.io/name={service}", "--output", "json"))["items"]
    if not found:
        raise Failed(f"no {service} runs in namespace {NAMESPACE}; first: make deploy")
    return found


def target(it: dict) -> str:
    return f"{it['kind'].lower()}/{it['metadata']['name']}"


def containers(it: dict) -> list[dict]:
    spec = it["spec"]["template"]["spec"]
    return spec["containers"] + spec.get("initContainers", [])


def wait(what: str) -> bool:
    try:
        kubectl("rollout", "status", what, f"--timeout={TIMEOUT}s", quiet=False)
        return True
    except Failed:
        return False


def migration(deployment: dict, new: str) -> dict:
    """The Job that does what region's Deployment leaves to it: the same pod, once, with the new image."""
    template = json.loads(json.dumps(deployment["spec"]["template"]))
    spec = template["spec"]
    (container,) = [it for it in spec["containers"] if service_of(it["image"]) == "region"]
    for key in ("startupProbe", "readinessProbe", "livenessProbe", "lifecycle", "ports"):
        container.pop(key, None)
    container["image"] = new
    container["args"][container["args"].index("--migrate") + 1] = "only"
    spec["restartPolicy"] = "OnFailure"
    for key in ("affinity", "topologySpreadConstraints"):
        spec.pop(key, None)
    # Not region's own labels, or its service would send requests here.
    labels = {"app.kubernetes.io/name": "region-migrate", "app.kubernetes.io/component": "migrations", "app.kubernetes.io/part-of": "lifeboat"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "region-migrate", "labels": labels},
        "spec": {
            "backoffLimit": 2,
            "activeDeadlineSeconds": TIMEOUT,
            "ttlSecondsAfterFinished": 600,
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def migrate(deployment: dict, new: str) -> None:
    job = migration(deployment, new)
    name = job["metadata"]["name"]
    kubectl("delete", "job", name, "--ignore-not-found", "--wait")
    kubectl("create", "--filename", "-", stdin=json.dumps(job))
    print(f"job/{name} migrates the database", flush=True)
    ends = time.monotonic() + TIMEOUT
    while time.monotonic() < ends:
        status = json.loads(kubectl("get", "job", name, "--output", "json")).get("status", {})
        conditions = {it["type"] for it in status.get("conditions", []) if it["status"] == "True"}
        if "Complete" in conditions:
            return
        if "Failed" in conditions:
            break
        time.sleep(1)
    raise Failed(f"the migration did not succeed, and nothing else was changed; why: kubectl -n {NAMESPACE} logs job/{name}")


def set_image(service: str) -> None:
    new = image(service)
    objects = running(service)
    for it in objects:
        args = [arg for container in containers(it) for arg in container.get("args", [])]
        if service == "region" and "--migrate" in args and args[args.index("--migrate") + 1] == "never":
            migrate(it, new)
    changed = []
    for it in objects:
        ours = [container for container in containers(it) if service_of(container["image"]) == service]
        if not ours:
            raise Failed(f"{target(it)} has no container with an image called {service}")
        if all(container["image"] == new for container in ours):
            print(f"{target(it)} has {new} already; an image that is built anew needs another VERSION", flush=True)
            continue
        kubectl("set", "image", target(it), *[f"{container['name']}={new}" for container in ours], quiet=False)
        changed.append(target(it))
        if not wait(target(it)):
            undo(changed, new)
    for what in changed:
        print(f"{what} runs {new}", flush=True)


def undo(changed: list[str], new: str) -> None:
    stuck = changed[-1]
    subprocess.run(["kubectl", "--namespace", NAMESPACE, "get", "pods", "--output", "wide"])
    back = []
    for what in reversed(changed):
        kubectl("rollout", "undo", what, quiet=False)
        back.append(f"{what} {'runs' if wait(what) else 'does NOT run'} what it ran before")
    raise Failed(f"{stuck} did not come up with {new} in {TIMEOUT} s; gone back: {', '.join(back)}")


def apply(overlay: str) -> None:
    folder = ROOT / "deploy" / "overlays" / overlay
    if not (folder / "kustomization.yaml").exists():
        there = sorted(it.name for it in folder.parent.iterdir() if (it / "kustomization.yaml").exists())
        raise Failed(f"there is no overlay '{overlay}', but {', '.join(there)}")
    # Beside the overlays, as a kustomization can name folders by relative paths only.
    made = Path(tempfile.mkdtemp(prefix=".made-", dir=folder.parent))
    try:
        names = {service: image(service).rpartition(":") for service in SERVICES}
        images = "".join(f"  - {{name: lifeboat/{it}, newName: {name}, newTag: {json.dumps(tag)}}}\n" for it, (name, _, tag) in names.items())
        (made / "kustomization.yaml").write_text(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
            f"resources: [../{overlay}]\nimages:\n{images}"
        )
        for job in JOBS:
            kubectl("delete", "job", job, "--ignore-not-found", "--wait")
        kubectl("apply", "--kustomize", str(made), quiet=False)
    finally:
        shutil.rmtree(made)
    found = kubectl("get", KINDS, "--selector", "app.kubernetes.io/part-of=lifeboat", "--output", "name").split()
    late = [what for what in found if not wait(what)]
    if late:
        subprocess.run(["kubectl", "--namespace", NAMESPACE, "get", "pods", "--output", "wide"])
        raise Failed(f"not up after {TIMEOUT} s: {', '.join(late)}; why: kubectl -n {NAMESPACE} describe pods")
    print(f"up: {', '.join(found)}\n"
          f"the admin's password: kubectl -n {NAMESPACE} get secret region-secrets -o jsonpath='{{.data.admin-password}}' | base64 -d\n"
          f"REST: http://ANY-NODE:30774, or http://127.0.0.1:8774 with: kubectl -n {NAMESPACE} port-forward service/region 8774")


def main() -> int:
    try:
        if not shutil.which("kubectl"):
            raise Failed("kubectl is missing")
        match sys.argv[1:]:
            case ["apply", overlay]:
                apply(overlay)
            case ["image", service] if service in SERVICES:
                set_image(service)
            case _:
                raise Failed(f"usage: rollout.py apply OVERLAY | image {'|'.join(SERVICES)}")
    except Failed as failed:
        print(f"deploy: {failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
