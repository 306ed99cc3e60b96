"""What we ask of our manifests beyond what Kubernetes does. Each rule takes the documents and yields what is wrong, in words; RULES lists them.

Who is let off, and why, stands beside the rule: the host agent runs QEMU on its node, and port 69 takes a capability.
"""

import re
from itertools import combinations

from manifests import CLUSTER_WIDE, ROOT, Manifests, at, matches

# Runs QEMU as the node's own: privileged, root, a root file system that QEMU's firmware and lock files are written to.
NODE_AGENT = "host"
# May be root with the one capability that port 69 takes (deploy/components/tftp-port).
LOW_PORT = ("baremetal-agent", "baremetal-agent", ["NET_BIND_SERVICE"])
# Makes Secrets, so it has a token.
WITH_TOKEN = "lifeboat-secrets"


def version() -> str:
    return re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]


def images(all: Manifests):
    for pod in all.pods():
        for it in pod.containers():
            name, _, tag = it.get("image", "").rpartition(":")
            if not name or not tag or "/" in tag or tag == "latest":
                yield f"{pod}: image '{it.get('image')}' needs a version, which is not 'latest'"
            elif name.startswith("lifeboat/") and tag != version():
                yield f"{pod}: image {it['image']}: this is version {version()}"
            if it.get("imagePullPolicy") != "IfNotPresent":
                yield f"{pod}: {it['name']}: imagePullPolicy must be IfNotPresent, as a version never changes"


def resources(all: Manifests):
    for pod in all.pods():
        for it in pod.containers():
            for path in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
                if at(it, "resources", *path) is None:
                    yield f"{pod}: {it['name']}: resources.{'.'.join(path)} is missing"


def confinement(all: Manifests):
    for pod in all.pods():
        if pod.app == NODE_AGENT:
            continue
        general = pod.spec.get("securityContext", {})
        if at(general, "seccompProfile", "type") != "RuntimeDefault":
            yield f"{pod}: seccompProfile must be RuntimeDefault"
        for key in ("hostPID", "hostIPC"):
            if pod.spec.get(key):
                yield f"{pod}: {key} is for the host agent only"
        for it in pod.spec.get("volumes", []):
            if "hostPath" in it:
                yield f"{pod}: volume {it['name']}: hostPath is for the host agent only"
        for it in pod.containers():
            own = it.get("securityContext", {})
            name = f"{pod}: {it['name']}"
            added = at(own, "capabilities", "add", default=[])
            low_port = (pod.app, it["name"], added) == LOW_PORT
            if not low_port:
                if own.get("runAsNonRoot", general.get("runAsNonRoot")) is not True:
                    yield f"{name}: must run as another user than root"
                if own.get("runAsUser", general.get("runAsUser", 0)) == 0:
                    yield f"{name}: runAsUser is missing or root"
                if added:
                    yield f"{name}: adds capabilities {added}"
            if own.get("privileged"):
                yield f"{name}: privileged is for the host agent only"
            if own.get("allowPrivilegeEscalation") is not False:
                yield f"{name}: allowPrivilegeEscalation must be false"
            if own.get("readOnlyRootFilesystem") is not True:
                yield f"{name}: readOnlyRootFilesystem must be true"
            if at(own, "capabilities", "drop") != ["ALL"]:
                yield f"{name}: must drop all capabilities"


def tokens(all: Manifests):
    for pod in all.pods():
        wanted = pod.app == WITH_TOKEN
        if pod.spec.get("automountServiceAccountToken") is not wanted:
            yield f"{pod}: automountServiceAccountToken must be {str(wanted).lower()}"
        if pod.spec.get("serviceAccountName") in (None, "default"):
            yield f"{pod}: needs a service account of its own"
        if pod.spec.get("enableServiceLinks") is not False:
            yield f"{pod}: enableServiceLinks must be false, as the variables of services would be unknown keys of ours"
    for it in all.of("ServiceAccount"):
        if it.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount/{at(it, 'metadata', 'name')}: automountServiceAccountToken must be false"


def references(all: Manifests):
    secrets = all.secrets()

    def config_map(who, name, keys):
        found = all.find("ConfigMap", name)
        if found is None:
            yield f"{who}: ConfigMap '{name}' does not exist"
        for key in keys:
            if found is not None and key not in found.get("data", {}):
                yield f"{who}: ConfigMap '{name}' has no key '{key}'"

    def secret(who, name):
        if name not in secrets:
            yield f"{who}: Secret '{name}' is made by nobody"

    for pod in all.pods():
        who = str(pod)
        if all.find("ServiceAccount", pod.spec.get("serviceAccountName", "")) is None:
            yield f"{who}: ServiceAccount '{pod.spec.get('serviceAccountName')}' does not exist"
        if all.find("PriorityClass", pod.spec.get("priorityClassName", "")) is None:
            yield f"{who}: PriorityClass '{pod.spec.get('priorityClassName')}' does not exist"
        claims = {at(it, "metadata", "name") for it in at(pod.workload, "spec", "volumeClaimTemplates", default=[])}
        volumes = set(claims)
        for it in pod.spec.get("volumes", []):
            if it["name"] in volumes:
                yield f"{who}: two volumes '{it['name']}'"
            volumes.add(it["name"])
            sources = [it] + at(it, "projected", "sources", default=[])
            for source in sources:
                if "configMap" in source:
                    keys = [item["key"] for item in source["configMap"].get("items", [])]
                    yield from config_map(who, source["configMap"]["name"], keys)
                if "secret" in source:
                    yield from secret(who, source["secret"].get("secretName") or source["secret"].get("name"))
            claim = at(it, "persistentVolumeClaim", "claimName")
            if claim and all.find("PersistentVolumeClaim", claim) is None:
                yield f"{who}: PersistentVolumeClaim '{claim}' does not exist"
        mounted = set()
        for it in pod.containers():
            paths = [mount["mountPath"] for mount in it.get("volumeMounts", [])]
            if len(paths) != len(set(paths)):
                yield f"{who}: {it['name']}: two volumes at one path"
            for mount in it.get("volumeMounts", []):
                mounted.add(mount["name"])
                if mount["name"] not in volumes:
                    yield f"{who}: {it['name']}: volume '{mount['name']}' does not exist"
            for variable in it.get("env", []):
                source = variable.get("valueFrom", {})
                if "secretKeyRef" in source:
                    yield from secret(who, source["secretKeyRef"]["name"])
                if "configMapKeyRef" in source:
                    yield from config_map(who, source["configMapKeyRef"]["name"], [source["configMapKeyRef"]["key"]])
        for name in sorted(volumes - mounted):
            yield f"{who}: volume '{name}' is mounted nowhere"


def variables(all: Manifests):
    for pod in all.pods():
        for it in pod.containers():
            known = set()
            for variable in it.get("env", []):
                for name in re.findall(r"\$\(([^)]*)\)", variable.get("value") or ""):
                    if name not in known:
                        yield f"{pod}: {it['name']}: {variable['name']} uses $({name}), which must stand before it"
                if variable["name"] in known:
                    yield f"{pod}: {it['name']}: {variable['name']} is set twice"
                known.add(variable["name"])
            for text in it.get("args", []) + it.get("command", []):
                for name in re.findall(r"\$\(([^)]*)\)", text):
                    if name not in known:
                        yield f"{pod}: {it['name']}: $({name}) is no variable"


def ports(all: Manifests):
    for pod in all.pods():
        for it in pod.containers():
            named = {port.get("name") for port in it.get("ports", [])}
            numbers = [(port["containerPort"], port.get("protocol", "TCP")) for port in it.get("ports", [])]
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                for how in ("httpGet", "tcpSocket", "grpc"):
                    port = at(it, probe, how, "port")
                    if port is not None and port not in named and (port, "TCP") not in numbers:
                        yield f"{pod}: {it['name']}: {probe} asks port '{port}', which is not declared"
            # What a program is told to listen on is what is declared.
            for variable in it.get("env", []):
                if re.search(r"(__|_)LISTEN$", variable["name"]) and variable.get("value"):
                    number = int(variable["value"].rpartition(":")[2])
                    if number not in [port for port, _ in numbers]:
                        yield f"{pod}: {it['name']}: {variable['name']} is port {number}, which is not declared"
    for it in all.of("Service"):
        name = at(it, "metadata", "name")
        pods = all.selected(at(it, "spec", "selector", default={"no": "selector"}))
        if not pods:
            yield f"Service/{name}: selects nothing"
        for port in at(it, "spec", "ports", default=[]):
            target = port.get("targetPort", port["port"])
            for pod in pods:
                declared = [p for c in pod.containers(init=False) for p in c.get("ports", [])]
                if not any(target in (p.get("name"), p["containerPort"]) for p in declared):
                    yield f"Service/{name}: port {target} is not declared by {pod}"
    on_node = [pod for pod in all.pods() if pod.spec.get("hostNetwork")]
    for one, other in combinations(on_node, 2):
        both = [matchable(it) for it in (one, other)]
        if any(both[0].get(key) not in (None, both[1].get(key)) for key in both[1]):
            continue  # never on one node
        shared = host_ports(one) & host_ports(other)
        if shared:
            yield f"{one} and {other} want the node's ports {sorted(shared)}"


def matchable(pod):
    return pod.spec.get("nodeSelector", {})


def host_ports(pod):
    return {(p["containerPort"], p.get("protocol", "TCP")) for c in pod.containers() for p in c.get("ports", [])}


def selectors(all: Manifests):
    lasting = [pod for pod in all.pods() if pod.runs_on]
    for pod in lasting:
        own = at(pod.workload, "spec", "selector", "matchLabels", default={})
        if not own or not matches(own, pod.labels):
            yield f"{pod}: its selector {own} does not match its own pods {pod.labels}"
        for other in all.pods():
            if (other.kind, other.name) != (pod.kind, pod.name) and own and matches(own, other.labels):
                yield f"{pod}: its selector takes the pods of {other}, too"
    for it in all.of("NetworkPolicy"):
        name = at(it, "metadata", "name")
        chosen = [at(it, "spec", "podSelector", "matchLabels", default={})]
        for rule in at(it, "spec", "ingress", default=[]) + at(it, "spec", "egress", default=[]):
            for peer in rule.get("from", []) + rule.get("to", []):
                chosen.append(at(peer, "podSelector", "matchLabels", default={}))
        for index, selector in enumerate(chosen):
            # Whom a policy lets in may be a part that this overlay does not have; whom it is about may not.
            if index == 0 and selector and not all.selected(selector):
                yield f"NetworkPolicy/{name}: selects nothing"
    guarded = [at(it, "spec", "podSelector", "matchLabels", default={}) for it in all.of("NetworkPolicy")]
    for pod in all.pods():
        if not pod.spec.get("hostNetwork") and not any(it and matches(it, pod.labels) for it in guarded):
            yield f"{pod}: no NetworkPolicy is about it"
    if not any(at(it, "spec", "podSelector") == {} and "ingress" not in it["spec"] and "egress" not in it["spec"]
               and sorted(at(it, "spec", "policyTypes", default=[])) == ["Egress", "Ingress"] for it in all.of("NetworkPolicy")):
        yield "no NetworkPolicy denies what is not let through"
    for kind in ("PodDisruptionBudget",):
        for it in all.of(kind):
            if not all.selected(at(it, "spec", "selector", "matchLabels", default={"no": "selector"})):
                yield f"{kind}/{at(it, 'metadata', 'name')}: selects nothing"
    for it in all.of("HorizontalPodAutoscaler"):
        target = at(it, "spec", "scaleTargetRef", default={})
        found = all.find(target.get("kind"), target.get("name"))
        if found is None:
            yield f"HorizontalPodAutoscaler: {target.get('kind')}/{target.get('name')} does not exist"
        elif at(found, "spec", "replicas") is not None:
            yield f"{target['kind']}/{target['name']}: replicas are the autoscaler's; leave them out"


def probes(all: Manifests):
    for pod in all.pods():
        if pod.runs_on:
            for it in pod.containers(init=False):
                for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                    if probe not in it:
                        yield f"{pod}: {it['name']}: {probe} is missing"
        elif at(pod.spec, "restartPolicy") not in ("OnFailure", "Never"):
            yield f"{pod}: restartPolicy must be OnFailure or Never"


def names(all: Manifests):
    seen = set()
    for it in all.documents:
        name = (it.get("kind"), at(it, "metadata", "name"))
        if name in seen:
            yield f"{name[0]}/{name[1]} is there twice"
        seen.add(name)
        namespace = at(it, "metadata", "namespace")
        if it.get("kind") not in CLUSTER_WIDE and namespace != "lifeboat":
            yield f"{name[0]}/{name[1]}: namespace is {namespace}"
    for pod in all.pods():
        for label in ("app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of"):
            for where, labels in (("", at(pod.workload, "metadata", "labels", default={})), ("its pods: ", pod.labels)):
                if label not in labels:
                    yield f"{pod}: {where}label {label} is missing"


def node_agent(all: Manifests):
    """What it takes that guests outlive the pod."""
    pods = [pod for pod in all.pods() if pod.app == NODE_AGENT]
    if not pods:
        yield "no host agent"
    for pod in pods:
        if pod.kind != "DaemonSet":
            yield f"{pod}: must be a DaemonSet"
        for key in ("hostNetwork", "hostPID"):
            if pod.spec.get(key) is not True:
                yield f"{pod}: {key} must be true"
        if at(pod.workload, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable") != 1:
            yield f"{pod}: one node at a time is updated"
        container = pod.spec.get("containers", [{}])[0]
        if at(container, "securityContext", "privileged") is not True:
            yield f"{pod}: must be privileged, or it has a cgroup tree of its own"
        env = {it["name"]: it.get("value") for it in container.get("env", [])}
        if env.get("HOST_SCOPE") != "cgroup":
            yield f"{pod}: HOST_SCOPE must be cgroup"
        paths = {it["name"]: at(it, "hostPath", "path") for it in pod.spec.get("volumes", [])}
        mounts = {it["mountPath"]: paths.get(it["name"]) for it in container.get("volumeMounts", [])}
        root, sockets = env.get("HOST_CGROUP_ROOT"), env.get("HOST_RUNTIME_DIR") or ""
        for inside, outside in ((root, "/sys/fs/cgroup"), ("/opt/cloud", "/opt/cloud"), ("/dev", "/dev")):
            if mounts.get(inside) != outside:
                yield f"{pod}: the node's {outside} must be mounted at {inside}"
        if not any(path and sockets.startswith(inside + "/") for inside, path in mounts.items()):
            yield f"{pod}: HOST_RUNTIME_DIR '{sockets}' must be in a folder of the node, as guests have their sockets there"


def host_network(all: Manifests):
    for pod in all.pods():
        if pod.spec.get("hostNetwork"):
            if pod.spec.get("dnsPolicy") != "ClusterFirstWithHostNet":
                yield f"{pod}: dnsPolicy must be ClusterFirstWithHostNet, or it does not find region"
            if pod.kind == "Deployment" and at(pod.workload, "spec", "strategy", "type") != "Recreate":
                yield f"{pod}: strategy must be Recreate, as two can't have the node's ports"


def scraped(all: Manifests):
    """Programs of ours say where their metrics are, at a port that they have."""
    for pod in all.pods():
        if not pod.runs_on or pod.app not in ("region", "host", "baremetal-agent"):
            continue
        notes = at(pod.template, "metadata", "annotations", default={})
        ports = {str(port["containerPort"]) for it in pod.containers(init=False) for port in it.get("ports", [])}
        if notes.get("prometheus.io/scrape") != "true" or notes.get("prometheus.io/path") != "/metrics":
            yield f"{pod}: the annotations that Prometheus looks for are missing"
        elif notes.get("prometheus.io/port") not in ports:
            yield f"{pod}: prometheus.io/port is {notes.get('prometheus.io/port')}, which is not declared"


def secret_job(all: Manifests):
    """The Job and the CronJob do the same, and may get at what they make, and at nothing else."""
    job, cron = all.find("Job", "lifeboat-secrets"), all.find("CronJob", "lifeboat-secrets")
    if job is None:
        return
    if cron is None or at(job, "spec", "template") != at(cron, "spec", "jobTemplate", "spec", "template"):
        yield "Job/lifeboat-secrets and CronJob/lifeboat-secrets differ in their pods"
    makes = set(at(job, "metadata", "annotations", default={}).get("lifeboat.io/makes-secrets", "").split())
    role = all.find("Role", "lifeboat-secrets") or {}
    may = {name for rule in role.get("rules", []) for name in rule.get("resourceNames", [])}
    for name in sorted(makes - may):
        yield f"Job/lifeboat-secrets makes Secret '{name}', but its Role does not let it"
    for kind in ("Role", "ClusterRole"):
        for it in all.of(kind):
            for rule in it.get("rules", []):
                if "*" in rule.get("verbs", []) + rule.get("resources", []) + rule.get("apiGroups", []):
                    yield f"{kind}/{at(it, 'metadata', 'name')}: '*' is more than anybody needs"
                if "secrets" in rule.get("resources", []) and "resourceNames" not in rule and rule["verbs"] != ["create"]:
                    yield f"{kind}/{at(it, 'metadata', 'name')}: Secrets must be named"


def migrations(all: Manifests):
    region = all.find("Deployment", "region")
    if region is None:
        yield "no region"
        return
    args = at(region, "spec", "template", "spec", "containers")[0].get("args", [])
    how = args[args.index("--migrate") + 1] if "--migrate" in args else None
    job = all.find("Job", "region-migrate")
    if how != ("auto" if job is None else "never"):
        yield f"Deployment/region: --migrate is {how}, with{'' if job else 'out'} a Job that migrates"
    if job is not None and at(job, "spec", "template", "spec", "containers")[0].get("args", [])[-2:] != ["--migrate", "only"]:
        yield "Job/region-migrate: must end with --migrate only"


RULES = [
    images, resources, confinement, tokens, references, variables, ports, selectors, probes, names, node_agent, host_network, scraped,
    secret_job, migrations,
]


def problems(all: Manifests) -> list[str]:
    return [f"{rule.__name__}: {problem}" for rule in RULES for problem in rule(all)]
