"""The check of metrics, alerts and dashboard sees what it is for."""

import copy
import json
import sys
import unittest

import yaml

import observability as o

METRICS = {
    "region_hosts": ("gauge", {"zone", "status"}),
    "tasks_ended_total": ("counter", {"task", "state"}),
    "task_step_seconds": ("summary", {"task", "stage"}),
}


class Sources(unittest.TestCase):
    def test_names_kinds_and_labels_are_read_over_several_lines_and_without_tests(self):
        text = '''
            metrics::counter!("a_total", "result" => word(kind), "by" => format!("{}", f(1)))
                .increment(1);
            metrics::histogram!(
                "b_seconds", "task" => name
            ).record(1.0);
            metrics::counter!("a_total", "more" => x);
        '''
        self.assertEqual(o.exported({"x": text}), {"a_total": ("counter", {"result", "by", "more"}), "b_seconds": ("summary", {"task"})})

    def test_tests_export_nothing(self):
        self.assertNotIn("#[cfg(test)]", "".join(o.sources().values()))
        self.assertIn("region_http_requests_total", o.exported(o.sources()))


class Expressions(unittest.TestCase):
    def wrong(self, text):
        return list(o.expression(text, METRICS))

    def test_what_is_there_is_right(self):
        for text in (
            'sum(max by (zone) (region_hosts{status="offline", instance=~"a.*"})) or vector(0)',
            'rate(tasks_ended_total{state!="failed"}[5m]) / on (task) group_left rate(task_step_seconds_count[1h] offset 5m)',
            'task_step_seconds{quantile="0.99"} > bool 2e3 unless on (task) tasks_ended_total',
            'topk(10, sum by (task, state) (rate(tasks_ended_total[$__rate_interval])))',
        ):
            self.assertEqual(self.wrong(text), [], text)

    def test_what_is_not_is_named(self):
        for text, words in (
            ("max(region_host)", "region_host is exported by nobody"),
            ('region_hosts{state="offline"}', "region_hosts has no label 'state'"),
            ("sum by (zones) (region_hosts)", "no metric of it has the label 'zones'"),
            ("rate(region_hosts_count[5m])", "region_hosts_count is exported by nobody"),
            ('region_hosts{quantile="0.5"}', "no label 'quantile'"),
        ):
            self.assertTrue(any(words in it for it in self.wrong(text)), (text, self.wrong(text)))


class Whole(unittest.TestCase):
    def setUp(self):
        self.metrics = o.exported(o.sources())
        self.rules = yaml.safe_load((o.MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
        self.cases = yaml.safe_load((o.MONITORING / "alerts.test.yaml").read_text())["tests"]
        self.dashboard = json.loads((o.MONITORING / "dashboard.json").read_text())

    def test_a_renamed_metric_is_seen_in_document_alerts_and_dashboard(self):
        metrics = dict(self.metrics)
        metrics["region_hosts_by_zone"] = metrics.pop("region_hosts")
        rows = o.documented(o.DOCUMENT.read_text())
        found = [*o.documents(metrics, rows), *o.alerts(self.rules, self.cases, metrics), *o.panels(self.dashboard, metrics)]
        for words in ("region_hosts is exported by nobody", "region_hosts_by_zone is missing", "alert LifeboatHostSilent", "panel 'Hosts online'"):
            self.assertTrue(any(words in it for it in found), (words, found))

    def test_a_label_that_the_document_does_not_name_is_seen(self):
        rows = o.documented(o.DOCUMENT.read_text())
        rows["region_hosts"] = ("gauge", {"zone"})
        self.assertTrue(any("region_hosts is gauge by ['zone']" in it for it in o.documents(self.metrics, rows)))

    def test_an_alert_without_a_case_or_a_runbook_is_seen(self):
        rules = copy.deepcopy(self.rules) + [dict(copy.deepcopy(self.rules[0]), alert="LifeboatNew")]
        rules[0]["annotations"]["runbook"] = "docs/operations.md#nowhere"
        found = list(o.alerts(rules, self.cases, self.metrics))
        for words in ("alert LifeboatNew: has no case in which it fires", "there is no docs/operations.md#nowhere"):
            self.assertTrue(any(words in it for it in found), found)

    def test_panels_that_lie_on_each_other_are_seen(self):
        dashboard = copy.deepcopy(self.dashboard)
        dashboard["panels"][2]["gridPos"] = dict(dashboard["panels"][1]["gridPos"])
        self.assertTrue(any("lies on" in it for it in o.panels(dashboard, self.metrics)))


if __name__ == "__main__":
    sys.exit(unittest.main())
