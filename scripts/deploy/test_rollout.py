"""Rolling out, against a kubectl, docker and kind that only write down how they are called, and answer as a cluster would."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from manifests import ROOT

# Answers by what stands in the folder: objects.json for `get KINDS`, job.json for `get job`; a file `fails` names words of calls that fail,
# each once for each of its lines.
STAND_IN = """#!/usr/bin/env python3
import json, os, sys
from pathlib import Path
here = Path(os.environ["STAND_IN"])
call = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
with (here / "calls").open("a") as calls:
    calls.write(call + "\\n")
if sys.argv[1:2] == ["--namespace"] and sys.argv[3:4] == ["create"]:
    (here / "created.json").write_text(sys.stdin.read())
if "--kustomize" in sys.argv:
    (here / "applied.yaml").write_text(Path(sys.argv[sys.argv.index("--kustomize") + 1], "kustomization.yaml").read_text())
fails = here / "fails"
if fails.exists():
    words = fails.read_text().splitlines()
    for index, it in enumerate(words):
        if it in call:
            fails.write_text("\\n".join(words[:index] + words[index + 1:]))
            sys.exit(1)
if " get " in call and "--output json" in call:
    print((here / ("job.json" if " get job " in call else "objects.json")).read_text())
if " get " in call and "--output name" in call:
    print("deployment.apps/region\\ndaemonset.apps/host")
"""


def workload(kind, name, containers, init=()):
    template = {"spec": {"containers": containers, "initContainers": list(init)}}
    return {"kind": kind, "metadata": {"name": name}, "spec": {"template": template}}


def container(name, image, *args):
    return {"name": name, "image": image, "args": list(args), "ports": [{"containerPort": 1}], "livenessProbe": {}}


class Cluster(unittest.TestCase):
    """The stand-ins, and what they were asked."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.here = Path(folder.name)
        for name in ("kubectl", "docker", "kind"):
            path = self.here / name
            path.write_text(STAND_IN)
            path.chmod(0o755)
        self.complete("Complete")

    def complete(self, condition):
        (self.here / "job.json").write_text(json.dumps({"status": {"conditions": [{"type": condition, "status": "True"}]}}))

    def objects(self, *items):
        (self.here / "objects.json").write_text(json.dumps({"items": items}))

    def fails(self, *words):
        (self.here / "fails").write_text("\n".join(words))

    def run_it(self, *command, **env):
        env = {"PATH": f"{self.here}:{os.environ['PATH']}", "STAND_IN": str(self.here), "VERSION": "2.0.0", "TIMEOUT": "5", **env}
        return subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT)

    def image(self, service, **env):
        return self.run_it(sys.executable, "scripts/deploy/rollout.py", "image", service, **env)

    def calls(self, *words):
        calls = (self.here / "calls").read_text().splitlines() if (self.here / "calls").exists() else []
        return [it for it in calls if all(word in it for word in words)]


class Rollout(Cluster):
    def test_a_daemonset_of_each_zone_gets_the_image(self):
        self.objects(*[workload("DaemonSet", f"host-{it}", [container("host", "r.example:5000/t/host:1.0.0")]) for it in "ab"])
        done = self.image("host", REGISTRY="r.example:5000/t")
        self.assertEqual(done.returncode, 0, done.stderr)
        for zone in "ab":
            self.assertTrue(self.calls("--namespace lifeboat set image", f"daemonset/host-{zone} host=r.example:5000/t/host:2.0.0"))
            self.assertTrue(self.calls(f"rollout status daemonset/host-{zone} --timeout=5s"))
        self.assertFalse(self.calls("undo"))

    def test_init_containers_of_the_same_image_go_with_it(self):
        self.objects(workload("Deployment", "baremetal-agent", [container("baremetal-agent", "lifeboat/baremetal-agent:1")],
                              [container("boot-files", "lifeboat/baremetal-agent:1")]))
        self.assertEqual(self.image("baremetal-agent").returncode, 0)
        self.assertTrue(self.calls("baremetal-agent=lifeboat/baremetal-agent:2.0.0 boot-files=lifeboat/baremetal-agent:2.0.0"))

    def test_what_does_not_come_up_goes_back_and_so_does_what_went_before_it(self):
        self.objects(*[workload("DaemonSet", f"host-{it}", [container("host", "lifeboat/host:1")]) for it in "abc"])
        self.fails("rollout status daemonset/host-b")
        done = self.image("host")
        self.assertEqual(done.returncode, 1)
        self.assertIn("did not come up", done.stderr)
        self.assertEqual([it.split()[-1] for it in self.calls("rollout undo")], ["daemonset/host-b", "daemonset/host-a"])
        self.assertFalse(self.calls("daemonset/host-c"))

    def test_what_had_the_image_already_is_never_undone(self):
        self.objects(workload("DaemonSet", "host", [container("host", "lifeboat/host:2.0.0")]))
        self.fails("rollout status")
        done = self.image("host")
        self.assertEqual(done.returncode, 0)
        self.assertFalse(self.calls("set image") + self.calls("undo"))
        self.assertIn("another VERSION", done.stdout)

    def test_a_region_that_never_migrates_is_migrated_first(self):
        self.objects(workload("Deployment", "region", [container("region", "lifeboat/region:1", "--config", "c", "--migrate", "never")]))
        self.assertEqual(self.image("region").returncode, 0)
        job = json.loads((self.here / "created.json").read_text())
        (made,) = job["spec"]["template"]["spec"]["containers"]
        self.assertEqual((made["image"], made["args"]), ("lifeboat/region:2.0.0", ["--config", "c", "--migrate", "only"]))
        self.assertFalse(set(made) & {"ports", "livenessProbe"})
        self.assertEqual(job["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"], "region-migrate")
        order = [it for it in self.calls() if " create " in it or "set image" in it]
        self.assertTrue("create" in order[0] and "set image" in order[1], order)

    def test_a_failed_migration_changes_nothing(self):
        self.objects(workload("Deployment", "region", [container("region", "lifeboat/region:1", "--migrate", "never")]))
        self.complete("Failed")
        done = self.image("region")
        self.assertEqual(done.returncode, 1)
        self.assertIn("logs job/region-migrate", done.stderr)
        self.assertFalse(self.calls("set image"))

    def test_a_region_that_migrates_by_itself_needs_no_job(self):
        self.objects(workload("Deployment", "region", [container("region", "lifeboat/region:1", "--migrate", "auto")]))
        self.assertEqual(self.image("region").returncode, 0)
        self.assertFalse(self.calls(" create "))

    def test_nothing_that_runs_is_said(self):
        self.objects()
        done = self.image("region")
        self.assertEqual((done.returncode, "make deploy" in done.stderr), (1, True))

    def test_an_overlay_is_applied_with_the_images_and_awaited(self):
        done = self.run_it(sys.executable, "scripts/deploy/rollout.py", "apply", "production", REGISTRY="r.example/t")
        self.assertEqual(done.returncode, 0, done.stderr)
        applied = (self.here / "applied.yaml").read_text()
        self.assertIn("resources: [../production]", applied)
        for service in ("region", "host", "baremetal-agent"):
            self.assertIn(f'{{name: lifeboat/{service}, newName: r.example/t/{service}, newTag: "2.0.0"}}', applied)
        self.assertTrue(self.calls("delete job region-migrate") and self.calls("rollout status daemonset.apps/host"))
        self.assertEqual(list((ROOT / "deploy" / "overlays").glob(".made-*")), [])

    def test_an_overlay_that_does_not_come_up_is_named(self):
        self.fails("rollout status daemonset.apps/host")
        done = self.run_it(sys.executable, "scripts/deploy/rollout.py", "apply", "demo")
        self.assertEqual((done.returncode, "not up after 5 s: daemonset.apps/host" in done.stderr), (1, True))

    def test_an_unknown_overlay_is_refused_with_those_there_are(self):
        done = self.run_it(sys.executable, "scripts/deploy/rollout.py", "apply", "prod")
        self.assertEqual((done.returncode, "production-cert-manager" in done.stderr), (1, True))


class Images(Cluster):
    """`make image-*` and `make deploy-*` build what they say."""

    def setUp(self):
        super().setUp()
        images = self.here / "rescue-images"
        (images / "images/small").mkdir(parents=True)
        (images / "keys").mkdir()
        for name in ("kernel", "initramfs", "manifest.json", "manifest.json.minisig", "packages.txt"):
            (images / "images/small" / name).write_text(name)
        (images / "keys/development.pub").write_text("RW...\n")
        (images / "keys/development.key").write_text("secret\n")
        self.env = {"LIFEBOAT_RESCUE_IMAGES": str(images), "HOME": os.environ.get("HOME", "/")}

    def test_all_services_are_built_with_version_and_labels(self):
        done = self.run_it("scripts/images.sh", **self.env)
        self.assertEqual(done.returncode, 0, done.stderr)
        for service in ("region", "host", "baremetal-agent", "climc"):
            self.assertTrue(self.calls("docker build", f"--file docker/{service}/Dockerfile", f"--tag lifeboat/{service}:2.0.0", "VERSION=2.0.0"))
        self.assertFalse(self.calls("docker push") + self.calls("development.key"))

    def test_one_service_is_built_and_pushed(self):
        done = self.run_it("scripts/images.sh", "host", REGISTRY="r.example/t", PUSH="yes", **self.env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.calls("docker build")), 1)
        self.assertTrue(self.calls("docker push r.example/t/host:2.0.0"))

    def test_a_push_that_fails_ends_it(self):
        self.fails("docker push")
        self.assertNotEqual(self.run_it("scripts/images.sh", "host", PUSH="yes", **self.env).returncode, 0)

    def test_several_platforms_go_through_buildx_to_a_registry(self):
        done = self.run_it("scripts/images.sh", "host", PLATFORMS="linux/amd64,linux/arm64", REGISTRY="r.example/t", **self.env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.calls("docker buildx build", "--platform linux/amd64,linux/arm64", "--push"))
        done = self.run_it("scripts/images.sh", "host", PLATFORMS="linux/arm64", **self.env)
        self.assertEqual((done.returncode, "REGISTRY" in done.stderr), (1, True))

    def test_a_kind_cluster_is_loaded(self):
        self.assertEqual(self.run_it("scripts/images.sh", "host", KIND="dev", **self.env).returncode, 0)
        self.assertTrue(self.calls("kind load docker-image --name dev lifeboat/host:2.0.0"))

    def test_an_unknown_service_is_refused(self):
        self.assertEqual(self.run_it("scripts/images.sh", "hosts", **self.env).returncode, 1)


if __name__ == "__main__":
    sys.exit(unittest.main())
