//! One command, followed through all programs: by its trace, and by the ids on each line of their logs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::server::{DiskCreate, ServerCreate, Servers};
use e2e::guest::wait_task;
use e2e::{Replica, Stack};
use lifeboat::rc::Rc;
use serde_json::Value;
use trace::collect::{Collector, Received};
use types::GuestStatus;

/// The script that the command is part of.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SCRIPT: &str = "00f067aa0ba902b7";
/// Programs send what they have every second.
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_a_command_over_two_regions_and_the_host_to_the_boot_files() {
    let collector = Collector::start().await.unwrap();
    let endpoint = collector.endpoint();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("REGION_LOG__FORMAT", "json"),
        ("HOST_LOG__FORMAT", "json"),
        ("BAREMETAL_AGENT_LOG__FORMAT", "json"),
    ];
    let stack = Stack::up_with(&variables).await.unwrap();
    let created = stack.client.create::<Servers>(&server("web1")).await.unwrap();
    wait_task(&stack, created.task.unwrap().id).await.unwrap();
    let server = created.resource.id.to_string();

    // One region takes the command and goes away; what it saved is carried on by the other.
    let replica = Replica::start(&stack, &variables).await.unwrap();
    let place = format!("00-{TRACE}-{SCRIPT}-01");
    let rc = Rc::read(&stack.state).unwrap();
    let auth_url = format!("{}/v3", replica.base);
    let mut environment = rc.variables().to_vec();
    environment.retain(|(name, _)| *name != "OS_AUTH_URL");
    environment.extend([("OS_AUTH_URL", auth_url.as_str()), ("TRACEPARENT", &place), variables[0]]);
    let command = ["server-start-rescue", "web1", "--password", "generate", "-o", "json"];
    let done = stack.climc_with(&environment, &command).await.unwrap();
    assert!(done.status.success(), "{done:?}");
    assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    replica.end().await.unwrap();
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    let task = answer["task"]["id"].as_str().unwrap();
    wait_task(&stack, task.parse().unwrap()).await.unwrap();
    assert_eq!(stack.client.get::<Servers>("web1").await.unwrap().status, GuestStatus::Rescue);

    let all = |spans: &[Received]| {
        let ours: Vec<_> = spans.iter().filter(|span| span.trace == TRACE).cloned().collect();
        let known: BTreeSet<_> = ours.iter().map(|span| span.id.as_str()).collect();
        let whole = ours.iter().all(|span| span.parent == SCRIPT || known.contains(span.parent.as_str()));
        (whole && ours.iter().any(|span| span.name == "StartRescueTask await_ready")).then_some(ours)
    };
    let Some(ours) = collector.until(LIMIT, all).await else { panic!("no whole trace: {:#?}", collector.spans()) };
    let spans = Spans(ours);
    let asked = spans.one("region", "POST /servers/{id}/start-rescue");
    spans.lead_from_boot_files_to(SCRIPT);
    spans.hold_each_stage_of(task, &server, asked);
    let carried_on = spans.0.iter().filter(|span| span.name == "StartRescueTask await_ready");
    assert!(carried_on.clone().count() > 0 && carried_on.clone().all(|span| span.instance != asked.instance));
    assert!(spans.0.iter().all(|span| !span.has_failed), "{spans:#?}");

    let request = asked.attribute("request_id");
    let ids = [("request_id", request), ("task_id", task), ("server_id", &server), ("trace_id", TRACE)];
    for part in ["region", "host"] {
        let lines = lines(&stack, part);
        let has = |line: &&Value| ids.iter().all(|(key, id)| line[*key].as_str() == Some(id));
        assert!(lines.iter().filter(has).count() > 0, "{part}: no line has {ids:?}\n{}", stack.logs());
    }
    let fetched = lines(&stack, "baremetal-agent").into_iter().filter(|line| line["trace_id"] == TRACE).count();
    let traced = spans.0.iter().filter(|span| span.service == "baremetal-agent").count();
    assert!(traced > 0 && fetched <= traced, "{fetched} {traced}");

    no_secret_is_in(&collector.bytes(), &stack, &answer);
}

fn server(name: &str) -> ServerCreate {
    let disk = DiskCreate { image: Some("tiny.qcow2".into()), ..DiskCreate::default() };
    ServerCreate { vmem_size: 256, ..ServerCreate::new(name, vec![disk]) }
}

/// Those of one trace.
#[derive(Debug)]
struct Spans(Vec<Received>);

impl Spans {
    fn one(&self, service: &str, name: &str) -> &Received {
        let mut found = self.0.iter().filter(|span| (span.service.as_str(), span.name.as_str()) == (service, name));
        match (found.next(), found.next()) {
            (Some(span), None) => span,
            other => panic!("{service} {name}: {other:?} in {self:#?}"),
        }
    }

    /// Manifest, kernel and initramfs: each from the agent's answer up to the command, hop by hop.
    fn lead_from_boot_files_to(&self, origin: &str) {
        let by_id: BTreeMap<_, _> = self.0.iter().map(|span| (span.id.as_str(), span)).collect();
        let mut files = BTreeSet::new();
        for served in self.0.iter().filter(|span| span.service == "baremetal-agent") {
            assert_eq!(served.attribute("http.response.status_code"), "200");
            files.insert(served.attribute("url.path").rsplit('/').next().unwrap_or_default());
            let mut way = vec![format!("{} {}", served.service, served.name)];
            let mut span = served;
            while span.parent != origin {
                span = by_id[span.parent.as_str()];
                way.push(format!("{} {}", span.service, span.name));
            }
            let fetch = served.name.as_str();
            let wanted = [
                format!("baremetal-agent {fetch}"),
                format!("host {fetch}"),
                "host prepare_rescue".into(),
                "host host.v1.HostService/PrepareRescue".into(),
                "region StartRescueTask prepare_rescue".into(),
                "region POST /servers/{id}/start-rescue".into(),
                "climc POST /servers/{id}/start-rescue".into(),
                "climc climc server-start-rescue".into(),
            ];
            assert_eq!(way, wanted);
        }
        assert!(files.len() >= 3, "{files:?}");
    }

    fn hold_each_stage_of(&self, task: &str, server: &str, asked: &Received) {
        let steps: Vec<_> = self.0.iter().filter(|span| span.name.starts_with("StartRescueTask ")).collect();
        let stages: BTreeSet<_> = steps.iter().map(|step| step.attribute("stage")).collect();
        for stage in ["preflight", "prepare_rescue", "write_desc", "rescue_start_server", "await_ready"] {
            assert!(stages.contains(stage), "{stages:?}");
        }
        let operations: Vec<_> = self.0.iter().filter(|span| !span.attribute("operation").is_empty()).collect();
        assert!(operations.len() >= 4, "{operations:#?}");
        for span in steps.iter().chain(&operations) {
            let ids = ["task_id", "server_id", "request_id"].map(|key| span.attribute(key));
            assert_eq!(ids, [task, server, asked.attribute("request_id")], "{span:?}");
        }
        assert_eq!(asked.attribute("server_id"), server);
        assert_eq!(asked.attribute("user"), "admin");
        let programs: BTreeSet<_> = self.0.iter().map(|span| span.service.as_str()).collect();
        assert_eq!(programs, BTreeSet::from(["baremetal-agent", "climc", "host", "region"]));
    }
}

/// Each line is one object, and its ids stand at the top.
fn lines(stack: &Stack, part: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(stack.state.log(part)).unwrap();
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{part}: {error}: {line}"));
    text.lines().map(line).collect()
}

/// Of all that the collector was sent, also in other traces than this one.
fn no_secret_is_in(sent: &[u8], stack: &Stack, answer: &Value) {
    let rc = Rc::read(&stack.state).unwrap();
    let mut secrets = vec![rc.password.expose().to_owned()];
    secrets.push(answer["rescue_session"]["password"].as_str().expect("it is shown once").to_owned());
    let mut tokens = 0;
    for file in std::fs::read_dir(stack.state.path("home/lifeboat")).unwrap().flatten() {
        let kept: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
        let token = kept["session"]["token"].as_str().expect("a token");
        secrets.push(token.to_owned());
        tokens += 1;
    }
    assert!(tokens > 0);
    for secret in secrets {
        assert!(secret.len() >= 8, "{secret}");
        assert!(!sent.windows(secret.len()).any(|part| part == secret.as_bytes()), "a secret was sent: {secret}");
    }
}
