"""Renders an overlay and finds things in it.

`render` asks `kubectl kustomize`; `Manifests` holds the documents and answers what the rules of policy.py ask: pods of all workloads, objects by
kind and name, whose labels a selector matches.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ["demo", "production", "production-cert-manager"]
# Where a workload of each kind has its pod's template.
TEMPLATES = {
    "Deployment": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
CLUSTER_WIDE = {"Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding"}


def render(folder: Path, kubectl: str = "kubectl") -> list[dict]:
    """The documents of a kustomization.

    Raises RuntimeError with kubectl's own words."""
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{folder} does not render: {done.stderr.strip()}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def at(thing, *path, default=None):
    """A value below nested dictionaries, or `default`."""
    for step in path:
        if not isinstance(thing, dict) or step not in thing:
            return default
        thing = thing[step]
    return thing


def matches(selector: dict, labels: dict) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


@dataclass
class Pod:
    """A workload's pod template."""

    kind: str
    name: str
    workload: dict
    template: dict

    @property
    def spec(self) -> dict:
        return at(self.template, "spec", default={})

    @property
    def labels(self) -> dict:
        return at(self.template, "metadata", "labels", default={})

    @property
    def app(self) -> str:
        return self.labels.get("app.kubernetes.io/name", "")

    @property
    def runs_on(self) -> bool:
        """It is meant to run for ever."""
        return self.kind in ("Deployment", "DaemonSet", "StatefulSet")

    def containers(self, init: bool = True) -> list[dict]:
        return self.spec.get("containers", []) + (self.spec.get("initContainers", []) if init else [])

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Manifests:
    def __init__(self, documents: list[dict]):
        self.documents = documents

    def of(self, kind: str) -> list[dict]:
        return [it for it in self.documents if it.get("kind") == kind]

    def find(self, kind: str, name: str) -> dict | None:
        return next((it for it in self.of(kind) if at(it, "metadata", "name") == name), None)

    def pods(self) -> list[Pod]:
        return [
            Pod(it["kind"], at(it, "metadata", "name", default=""), it, at(it, *TEMPLATES[it["kind"]], default={}))
            for it in self.documents
            if it.get("kind") in TEMPLATES
        ]

    def selected(self, selector: dict) -> list[Pod]:
        return [pod for pod in self.pods() if matches(selector, pod.labels)]

    def secrets(self) -> set[str]:
        """Secrets that are here, that something here makes, or that the namespace says are made elsewhere."""
        names = {at(it, "metadata", "name") for it in self.of("Secret")}
        names |= {at(it, "spec", "secretName") for it in self.of("Certificate")}
        for kind, annotation in (("Job", "lifeboat.io/makes-secrets"), ("Namespace", "lifeboat.io/expects-secrets")):
            for it in self.of(kind):
                names |= set((at(it, "metadata", "annotations", default={}) or {}).get(annotation, "").split())
        return names
