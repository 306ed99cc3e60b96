"""Metrics, dashboard and alerts fit together.

    observability.py [--promtool PROGRAM]      exit 1 if anything is wrong; each problem on a line of its own

What the sources export (names, kinds, labels) is read from them. docs/metrics.md must name exactly that; the expressions of the alerts and of
the dashboard may use nothing else. Each alert has a case in which it fires and one in which it does not, and a runbook that exists.
With promtool, rules, their cases, the scrape configuration and every expression of the dashboard are also taken by Prometheus.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from manifests import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
DOCUMENT = ROOT / "docs" / "metrics.md"
# What Prometheus itself adds to each sample.
ADDED = {"instance", "job", "node"}
KINDS = {"counter": "counter", "gauge": "gauge", "histogram": "summary"}
# Words of PromQL that stand where a metric could.
WORDS = {"and", "or", "unless", "on", "ignoring", "by", "without", "group_left", "group_right", "bool", "offset", "inf", "nan"}


def sources() -> dict[str, str]:
    """Programs' sources, without tests: {path: text}."""
    found = {}
    for path in sorted(ROOT.glob("crates/*/src/**/*.rs")):
        if path.parts[len(ROOT.parts) + 1] not in ("bench-region", "bench-host", "testing", "host-sim"):
            found[str(path.relative_to(ROOT))] = path.read_text().split("#[cfg(test)]")[0]
    return found


def exported(files: dict[str, str]) -> dict[str, tuple[str, set[str]]]:
    """{name: (kind, labels)}. Where one metric is counted in several places, all of their labels together."""
    metrics: dict[str, tuple[str, set[str]]] = {}
    for text in files.values():
        for found in re.finditer(r"\b(counter|gauge|histogram)!\(\s*\"([a-z0-9_]+)\"", text):
            depth, end = 1, found.end()
            while depth:
                depth += {"(": 1, ")": -1}.get(text[end], 0)
                end += 1
            labels = set(re.findall(r"\"([a-z_]+)\"\s*=>", text[found.end() : end]))
            kind, known = metrics.get(found[2], (KINDS[found[1]], set()))
            metrics[found[2]] = (kind, known | labels)
    return metrics


def documented(text: str) -> dict[str, tuple[str, set[str]]]:
    """The rows of the tables: | `name` | kind | `label`, `label` | meaning |"""
    rows = {}
    for line in text.splitlines():
        cells = [it.strip() for it in line.strip("|").split("|")] if line.startswith("| `") else []
        if len(cells) >= 4:
            rows[cells[0].strip("`")] = (cells[1], set(re.findall(r"`([a-z_]+)`", cells[2])))
    return rows


def documents(metrics: dict, rows: dict):
    where = DOCUMENT.relative_to(ROOT)
    for name in sorted(metrics.keys() - rows.keys()):
        yield f"{where}: {name} is missing"
    for name in sorted(rows.keys() - metrics.keys()):
        yield f"{where}: {name} is exported by nobody"
    for name in sorted(rows.keys() & metrics.keys()):
        if rows[name] != metrics[name]:
            yield f"{where}: {name} is {rows[name][0]} by {sorted(rows[name][1])}, but the source says {metrics[name][0]} by {sorted(metrics[name][1])}"


def expression(text: str, metrics: dict):
    """What an expression uses that is not there."""
    bare = re.sub(r"\{\{.*?\}\}", "", text)
    for name, inside in re.findall(r"([a-z_][a-z0-9_]*)\s*\{([^}]*)\}", bare):
        series = known(name, metrics)
        if series is not None:
            for label in re.findall(r"([a-zA-Z_]+)\s*(?:=~|!~|!=|=)", inside):
                if label not in series | ADDED:
                    yield f"{name} has no label '{label}'"
    # Without strings, labels, ranges, and the labels that things are grouped by.
    rest = re.sub(r'"[^"]*"', '""', bare)
    rest = re.sub(r"\{[^}]*\}", "", rest)
    rest = re.sub(r"\[[^\]]*\]", "", rest)
    grouped = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", rest)
    rest = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", " ", rest)
    used = []
    for name, call in re.findall(r"(?<![\w$.])([a-zA-Z_][a-zA-Z0-9_]*)(\s*\()?", rest):
        if call or name in WORDS:
            continue
        series = known(name, metrics)
        if series is None:
            yield f"{name} is exported by nobody"
        else:
            used.append(series)
    for label in {it.strip() for group in grouped for it in group.split(",")} - {""}:
        if not any(label in series | ADDED for series in used):
            yield f"no metric of it has the label '{label}'"


def known(name: str, metrics: dict) -> set[str] | None:
    """The labels of a series, None if there is none of that name."""
    base = re.sub(r"_(sum|count)$", "", name)
    if name in metrics:
        kind, labels = metrics[name]
        return labels | ({"quantile"} if kind == "summary" else set())
    if base in metrics and metrics[base][0] == "summary":
        return metrics[base][1]
    return None


def anchors(markdown: str) -> set[str]:
    """How a heading is linked to."""
    headings = re.findall(r"^#+ (.*)$", markdown, re.M)
    return {re.sub(r"[^\w\- ]", "", it.lower()).replace(" ", "-") for it in headings}


def alerts(rules: list[dict], cases: list[dict], metrics: dict):
    fires, quiet = set(), set()
    for case in cases:
        for it in case["alert_rule_test"]:
            (fires if it["exp_alerts"] else quiet).add(it["alertname"])
    for rule in rules:
        name = rule["alert"]
        for problem in expression(rule["expr"], metrics):
            yield f"alert {name}: {problem}"
        if name not in fires or name not in quiet:
            yield f"alert {name}: has no case in which it {'fires' if name not in fires else 'keeps silent'}"
        if rule.get("labels", {}).get("severity") not in ("critical", "warning", "info"):
            yield f"alert {name}: severity must be critical, warning or info"
        notes = rule.get("annotations", {})
        for key in ("summary", "description", "runbook"):
            if not notes.get(key):
                yield f"alert {name}: {key} is missing"
        page, _, anchor = notes.get("runbook", "").partition("#")
        if not (ROOT / page).is_file() or anchor not in anchors((ROOT / page).read_text()):
            yield f"alert {name}: there is no {page}#{anchor}"
    names = [rule["alert"] for rule in rules]
    for name in sorted((fires | quiet) - set(names)):
        yield f"a case is about {name}, which is no alert"
    if len(names) != len(set(names)):
        yield "two alerts have one name"


def panels(dashboard: dict, metrics: dict):
    ids, taken = set(), []
    for it in dashboard["panels"]:
        title = it.get("title")
        if it["id"] in ids:
            yield f"panel '{title}': its id {it['id']} is another's, too"
        ids.add(it["id"])
        place = it["gridPos"]
        for other, where in taken:
            if (place["x"] < where["x"] + where["w"] and where["x"] < place["x"] + place["w"]
                    and place["y"] < where["y"] + where["h"] and where["y"] < place["y"] + place["h"]):
                yield f"panel '{title}' lies on '{other}'"
        taken.append((title, place))
        if place["x"] + place["w"] > 24:
            yield f"panel '{title}' is wider than the dashboard"
        if it["type"] == "row":
            continue
        if not it.get("description") or not it.get("targets"):
            yield f"panel '{title}' shows or explains nothing"
        for target in it.get("targets", []):
            if target["datasource"]["uid"] != "${datasource}":
                yield f"panel '{title}': its data source is fixed"
            for problem in expression(target["expr"], metrics):
                yield f"panel '{title}': {problem}"


def taken_by(promtool: str, dashboard: dict):
    """What Prometheus itself says of it."""
    def run(*args, cwd=MONITORING):
        done = subprocess.run([promtool, *args], cwd=cwd, capture_output=True, text=True)
        return None if done.returncode == 0 else f"promtool {' '.join(args)}: {(done.stdout + done.stderr).strip()}"

    yield run("check", "rules", "alerts.yaml")
    yield run("test", "rules", "alerts.test.yaml")
    with tempfile.TemporaryDirectory() as folder:
        config = yaml.safe_load((MONITORING / "scrape.yaml").read_text())
        for job in config["scrape_configs"]:
            # Debian's Prometheus is built without Kubernetes.
            if [set(it) for it in job.pop("kubernetes_sd_configs")] != [{"role", "namespaces"}]:
                yield "scrape.yaml: kubernetes_sd_configs has keys that were not looked at here"
            job["static_configs"] = [{"targets": ["127.0.0.1:8774"]}]
        config["rule_files"] = [str(MONITORING / "alerts.yaml")]
        Path(folder, "prometheus.yaml").write_text(yaml.safe_dump(config))
        yield run("check", "config", "--syntax-only", "prometheus.yaml", cwd=folder)
        asked = [target["expr"] for it in dashboard["panels"] for target in it.get("targets", [])]
        rules = [{"record": f"panel:{n}", "expr": it.replace("$__rate_interval", "1m")} for n, it in enumerate(asked)]
        Path(folder, "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
        yield run("check", "rules", "--lint=none", "panels.yaml", cwd=folder)


def main() -> int:
    args = argparse.ArgumentParser()
    args.add_argument("--promtool")
    args = args.parse_args()
    metrics = exported(sources())
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
    cases = yaml.safe_load((MONITORING / "alerts.test.yaml").read_text())["tests"]
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    wrong = [*documents(metrics, documented(DOCUMENT.read_text())), *alerts(rules, cases, metrics), *panels(dashboard, metrics)]
    if args.promtool:
        wrong += [it for it in taken_by(args.promtool, dashboard) if it]
    for problem in wrong:
        print(problem, file=sys.stderr)
    if not wrong:
        shown = sum(len(it.get("targets", [])) for it in dashboard["panels"])
        print(f"{len(metrics)} metrics are documented; {len(rules)} alerts in {len(cases)} cases, and {shown} curves of the dashboard use them")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
