"""The checks see what they are for: each fault, put into manifests that are right, is named by its rule; and no rule is without a fault."""

import copy
import os
import stat
import sys
import tempfile
import unittest
from pathlib import Path

import config_keys
import policy
import schema
from check import check
from manifests import ROOT, Manifests, render

KUBECTL = os.environ.get("KUBECTL", "kubectl")


def rendered(overlay: str) -> list[dict]:
    return render(ROOT / "deploy" / "overlays" / overlay, KUBECTL)


def pick(documents, kind, name):
    return Manifests(documents).find(kind, name)


def pod(documents, kind, name):
    return next(it for it in Manifests(documents).pods() if (it.kind, it.name) == (kind, name)).spec


def at_template(documents, kind, name):
    return next(it for it in Manifests(documents).pods() if (it.kind, it.name) == (kind, name)).template["metadata"]


def first(documents, kind, name):
    return pod(documents, kind, name)["containers"][0]


def env(documents, kind, name, variable):
    return next(it for it in first(documents, kind, name)["env"] if it["name"] == variable)


REGION = ("Deployment", "region")
HOST = ("DaemonSet", "host")
AGENT = ("Deployment", "baremetal-agent")

# (rule, words of its complaint, what is done to the demo)
FAULTS = [
    ("images", "needs a version", lambda d: first(d, *REGION).update(image="lifeboat/region")),
    ("images", "not 'latest'", lambda d: first(d, *HOST).update(image="lifeboat/host:latest")),
    ("images", "this is version", lambda d: first(d, *HOST).update(image="lifeboat/host:0.0.9")),
    ("images", "imagePullPolicy", lambda d: first(d, *HOST).update(imagePullPolicy="Always")),
    ("resources", "limits.memory", lambda d: first(d, *REGION)["resources"].pop("limits")),
    ("confinement", "another user than root", lambda d: pod(d, *REGION)["securityContext"].pop("runAsNonRoot")),
    ("confinement", "runAsUser", lambda d: pod(d, *REGION)["securityContext"].update(runAsUser=0)),
    ("confinement", "seccompProfile", lambda d: pod(d, *REGION)["securityContext"].pop("seccompProfile")),
    ("confinement", "privileged", lambda d: first(d, *AGENT)["securityContext"].update(privileged=True)),
    ("confinement", "drop all", lambda d: first(d, *REGION)["securityContext"].pop("capabilities")),
    ("confinement", "adds capabilities", lambda d: first(d, *AGENT)["securityContext"]["capabilities"].update(add=["SYS_ADMIN"])),
    ("confinement", "allowPrivilegeEscalation", lambda d: first(d, *REGION)["securityContext"].pop("allowPrivilegeEscalation")),
    ("confinement", "readOnlyRootFilesystem", lambda d: first(d, *REGION)["securityContext"].update(readOnlyRootFilesystem=False)),
    ("confinement", "hostPath", lambda d: pod(d, *REGION)["volumes"].append({"name": "x", "hostPath": {"path": "/"}})),
    ("tokens", "automountServiceAccountToken", lambda d: pod(d, *REGION).pop("automountServiceAccountToken")),
    ("tokens", "ServiceAccount/region", lambda d: pick(d, "ServiceAccount", "region").pop("automountServiceAccountToken")),
    ("tokens", "enableServiceLinks", lambda d: pod(d, *HOST).pop("enableServiceLinks")),
    ("references", "ConfigMap", lambda d: d.remove(next(it for it in d if it["kind"] == "ConfigMap"))),
    ("references", "Secret 'database'", lambda d: pick(d, "Job", "lifeboat-secrets")["metadata"]["annotations"].clear()),
    ("references", "PersistentVolumeClaim", lambda d: d.remove(pick(d, "PersistentVolumeClaim", "boot-files"))),
    ("references", "ServiceAccount", lambda d: d.remove(pick(d, "ServiceAccount", "host"))),
    ("references", "PriorityClass", lambda d: pod(d, *HOST).update(priorityClassName="highest")),
    ("references", "volume 'tls' does not exist", lambda d: pod(d, *REGION)["volumes"].remove(
        next(it for it in pod(d, *REGION)["volumes"] if it["name"] == "tls"))),
    ("references", "mounted nowhere", lambda d: pod(d, *REGION)["volumes"].append({"name": "x", "emptyDir": {}})),
    ("variables", "stand before", lambda d: first(d, *HOST)["env"].reverse()),
    ("variables", "set twice", lambda d: first(d, *HOST)["env"].append({"name": "HOST_ZONE", "value": "b"})),
    ("ports", "which is not declared", lambda d: first(d, *REGION)["readinessProbe"]["httpGet"].update(port="rest")),
    ("ports", "REGION_HTTP__LISTEN is port 9", lambda d: env(d, *REGION, "REGION_HTTP__LISTEN").update(value="0.0.0.0:9")),
    ("ports", "Service/region: port web", lambda d: pick(d, "Service", "region")["spec"]["ports"][0].update(targetPort="web")),
    ("ports", "Service/region: selects nothing", lambda d: pick(d, "Service", "region")["spec"]["selector"].update(x="y")),
    ("ports", "want the node's ports", lambda d: first(d, *AGENT)["ports"].append({"containerPort": 8885})),
    ("selectors", "does not match its own", lambda d: pick(d, *REGION)["spec"]["selector"]["matchLabels"].update(x="y")),
    ("selectors", "takes the pods of", lambda d: pick(d, *HOST)["spec"]["selector"].update(
        matchLabels={"app.kubernetes.io/part-of": "lifeboat"})),
    ("selectors", "NetworkPolicy/region: selects nothing", lambda d: pick(d, "NetworkPolicy", "region")["spec"]["podSelector"].update(
        matchLabels={"app.kubernetes.io/name": "regoin"})),
    ("selectors", "no NetworkPolicy is about it", lambda d: d.remove(pick(d, "NetworkPolicy", "postgres"))),
    ("selectors", "denies what is not", lambda d: d.remove(pick(d, "NetworkPolicy", "default-deny"))),
    ("probes", "livenessProbe", lambda d: first(d, *REGION).pop("livenessProbe")),
    ("names", "there twice", lambda d: d.append(copy.deepcopy(d[-1]))),
    ("names", "namespace is", lambda d: pick(d, *REGION)["metadata"].update(namespace="default")),
    ("names", "part-of is missing", lambda d: pick(d, *REGION)["metadata"]["labels"].pop("app.kubernetes.io/part-of")),
    ("node_agent", "hostPID", lambda d: pod(d, *HOST).pop("hostPID")),
    ("node_agent", "privileged", lambda d: first(d, *HOST)["securityContext"].update(privileged=False)),
    ("node_agent", "HOST_SCOPE", lambda d: env(d, *HOST, "HOST_SCOPE").update(value="auto")),
    ("node_agent", "/opt/cloud must be mounted", lambda d: next(
        it for it in pod(d, *HOST)["volumes"] if it["name"] == "cloud").pop("hostPath")),
    ("node_agent", "HOST_RUNTIME_DIR", lambda d: env(d, *HOST, "HOST_RUNTIME_DIR").update(value="/tmp/host")),
    ("host_network", "dnsPolicy", lambda d: pod(d, *HOST).pop("dnsPolicy")),
    ("host_network", "Recreate", lambda d: pick(d, *AGENT)["spec"].update(strategy={"type": "RollingUpdate"})),
    ("scraped", "prometheus.io/port is 9", lambda d: at_template(d, *REGION)["annotations"].update({"prometheus.io/port": "9"})),
    ("scraped", "are missing", lambda d: at_template(d, *HOST)["annotations"].clear()),
    ("secret_job", "differ", lambda d: first(d, "Job", "lifeboat-secrets")["args"].append("--more")),
    ("secret_job", "does not let it", lambda d: pick(d, "Role", "lifeboat-secrets")["rules"][1]["resourceNames"].remove("database")),
    ("secret_job", "must be named", lambda d: pick(d, "Role", "lifeboat-secrets")["rules"][1].pop("resourceNames")),
    ("secret_job", "'*'", lambda d: pick(d, "Role", "lifeboat-secrets")["rules"][0].update(verbs=["*"])),
    ("migrations", "--migrate is never", lambda d: first(d, *REGION).update(args=["--config", "x", "--migrate", "never"])),
    (None, "has no key 'http.lisen'", lambda d: env(d, *REGION, "REGION_HTTP__LISTEN").update(name="REGION_HTTP__LISEN")),
    (None, "is no value like", lambda d: first(d, *REGION)["env"].append({"name": "REGION_TASKS__WORKERS", "value": "many"})),
    (None, "Additional properties", lambda d: pod(d, *REGION).update(hostPids=True)),
    (None, "is not of type", lambda d: pick(d, *REGION)["spec"].update(replicas="one")),
    (None, "Couldn't find schema", lambda d: pick(d, *REGION).update(apiVersion="apps/v1beta1")),
]


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.demo, cls.production = rendered("demo"), rendered("production")
        cls.cert_manager = rendered("production-cert-manager")

    def test_what_is_shipped_is_right(self):
        for documents in (self.demo, self.production, self.cert_manager):
            self.assertEqual(check(documents), [])

    def test_each_fault_is_named(self):
        for rule, words, fault in FAULTS:
            with self.subTest(rule=rule, words=words):
                documents = copy.deepcopy(self.demo)
                fault(documents)
                everything = Manifests(documents)
                if rule is None:
                    found = config_keys.problems(everything)
                    found += [p for it in documents for v in schema.VERSIONS for p in schema.problems(it, v)]
                else:
                    found = list(getattr(policy, rule)(everything))
                self.assertTrue([it for it in found if words in it], f"{words!r} is not in {found}")

    def test_no_rule_is_without_a_fault(self):
        self.assertEqual({rule.__name__ for rule in policy.RULES}, {rule for rule, *_ in FAULTS if rule})

    def test_an_autoscaler_owns_the_number_of_replicas(self):
        documents = copy.deepcopy(self.production)
        pick(documents, "Deployment", "region")["spec"]["replicas"] = 1
        self.assertTrue([it for it in policy.selectors(Manifests(documents)) if "autoscaler" in it])

    def test_a_migrating_job_and_a_migrating_deployment_are_one_too_many(self):
        documents = copy.deepcopy(self.production)
        first(documents, "Deployment", "region")["args"][-1] = "auto"
        self.assertTrue(list(policy.migrations(Manifests(documents))))

    def test_a_certificate_with_a_field_that_cert_manager_does_not_know(self):
        documents = copy.deepcopy(self.cert_manager)
        pick(documents, "Certificate", "region-tls")["spec"]["dnsName"] = "x"
        self.assertTrue([it for it in check(documents) if "dnsName" in it])

    def test_zones_have_ports_of_their_own_nodes(self):
        documents = copy.deepcopy(self.production)
        for zone in ("a", "b"):
            pod(documents, "DaemonSet", f"host-zone-{zone}")["nodeSelector"].pop("topology.kubernetes.io/zone")
        self.assertTrue([it for it in policy.ports(Manifests(documents)) if "want the node's ports" in it])

    def test_traces_reach_their_collector_from_every_program(self):
        with tempfile.TemporaryDirectory(prefix=".made-", dir=ROOT / "deploy" / "overlays") as folder:
            Path(folder, "kustomization.yaml").write_text(
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
                "namespace: lifeboat\nresources: [../production]\ncomponents: [../../components/tracing]\n"
            )
            documents = render(Path(folder), KUBECTL)
        self.assertEqual(check(documents), [])
        told = [
            it.name
            for it in Manifests(documents).pods()
            for variable in it.spec["containers"][0].get("env", [])
            if variable["name"] == "OTEL_EXPORTER_OTLP_ENDPOINT" and it.kind in ("Deployment", "DaemonSet")
        ]
        wanted = ["region"] + [f"{part}-zone-{zone}" for part in ("baremetal-agent", "host") for zone in ("a", "b")]
        self.assertEqual(sorted(told), sorted(wanted))
        policy_of_region = pick(documents, "NetworkPolicy", "region-traces")["spec"]
        self.assertEqual(policy_of_region["egress"], [{"ports": [{"port": 4317}]}])

    def test_what_does_not_render_is_said(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "kustomization.yaml").write_text("resources: [missing.yaml]\n")
            with self.assertRaisesRegex(RuntimeError, "does not render"):
                render(Path(folder), KUBECTL)


class Programs(unittest.TestCase):
    """Starting programs, with a stand-in that refuses, shows a secret, or is too old."""

    def run_with(self, script: str):
        with tempfile.TemporaryDirectory() as folder:
            for name in config_keys.PREFIXES:
                path = Path(folder, name)
                path.write_text(f"#!/bin/sh\n{script}\n")
                path.chmod(path.stat().st_mode | stat.S_IXUSR)
            return config_keys.start(Manifests(rendered("demo")), Path(folder))

    def test_all_are_started_with_file_and_variables(self):
        wrong, good = self.run_with('case "$1" in --help) echo --check-config ;; *) test -s "$2" && test -n "$NODE_IP$DATABASE_URL" ;; esac')
        self.assertEqual((wrong, good), ([], 3))

    def test_a_refusal_is_told(self):
        wrong, _ = self.run_with('case "$1" in --help) echo --check-config ;; *) echo unknown field >&2; exit 1 ;; esac')
        self.assertTrue(len(wrong) == 3 and all("unknown field" in it for it in wrong), wrong)

    def test_a_secret_that_is_shown_is_told(self):
        wrong, _ = self.run_with('case "$1" in --help) echo --check-config ;; *) echo "$DATABASE_URL" ;; esac')
        self.assertTrue(any("shows the database's password" in it for it in wrong), wrong)

    def test_a_program_without_the_flag_does_not_count(self):
        wrong, good = self.run_with("exit 0")
        self.assertTrue(good == 0 and all("no --check-config" in it for it in wrong), wrong)

    def test_words_that_a_job_gives_are_understood_or_told(self):
        for script, wrong, good in (
            ("echo 'no /nonexistent/token' >&2; exit 1", 0, 2),
            ("echo 'unexpected argument' >&2; exit 2", 2, 0),
            ("exit 0", 2, 0),
        ):
            with self.subTest(script=script), tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "lifeboat")
                path.write_text(f"#!/bin/sh\n{script}\n")
                path.chmod(path.stat().st_mode | stat.S_IXUSR)
                told, understood = config_keys.understood(Manifests(rendered("demo")), Path(folder))
                self.assertEqual((len(told), understood), (wrong, good))


if __name__ == "__main__":
    sys.exit(unittest.main())
