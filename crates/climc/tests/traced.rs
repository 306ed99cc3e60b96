//! Commands as the beginning of a trace, and commands that are not.

#[path = "program/mod.rs"]
mod program;
#[path = "../../client/tests/region/mod.rs"]
mod region;

use std::time::{Duration, Instant};

use program::Program;
use region::{PASSWORD, Region, error, server};
use serde_json::json;
use trace::TraceParent;
use trace::collect::Collector;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const SCRIPT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

async fn region() -> Region {
    let region = Region::start().await;
    let list = json!({"servers": [server("web1", "ready", "shutoff")], "total": 1, "limit": 20, "offset": 0});
    region.json("GET /servers", 200, list);
    region.json("GET /servers/web9", 404, error(404, "ResourceNotFoundError", "no server 'web9'"));
    region
}

#[tokio::test]
async fn a_command_is_one_trace_over_either_protocol_and_its_requests_carry_it() {
    for protocol in ["grpc", "http/protobuf"] {
        let (region, collector) = (region().await, Collector::start().await.unwrap());
        let endpoint = collector.endpoint();
        let program = Program::new(&region).with(&[(ENDPOINT, &endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)]);
        let ran = program.run(&["server-list"]).await;
        assert_eq!((ran.code, ran.err.contains("trace")), (0, false), "{ran:?}");
        let spans = collector.spans();
        let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["POST /v3/auth/tokens", "GET /servers", "climc server-list"], "{protocol}");
        let root = &spans[2];
        assert!(root.parent.is_empty() && spans[..2].iter().all(|span| span.parent == root.id), "{spans:#?}");
        assert_eq!((root.service.as_str(), root.attribute("process.exit.code")), ("climc", "0"));
        let told: TraceParent = region.seen("GET /servers")[0].header(trace::HEADER).parse().unwrap();
        assert_eq!(told.to_string(), format!("00-{}-{}-01", spans[1].trace, spans[1].id));

        // A failure says so, and a script's trace goes on.
        let ran = program.with(&[("TRACEPARENT", SCRIPT)]).run(&["server-show", "web9"]).await;
        assert_ne!(ran.code, 0);
        let spans = collector.spans();
        let root = spans.last().unwrap();
        assert_eq!((&root.trace[..], &root.parent[..], root.has_failed), (&SCRIPT[3..35], &SCRIPT[36..52], true));
        let sent = collector.bytes();
        assert!(!sent.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()), "the password was sent");
    }
}

#[tokio::test]
async fn nothing_is_traced_unless_it_is_asked_for() {
    let (region, collector) = (region().await, Collector::start().await.unwrap());
    let program = Program::new(&region).with(&[("TRACEPARENT", SCRIPT)]);
    assert_eq!(program.run(&["server-list"]).await.code, 0);
    assert_eq!(region.seen("GET /servers")[0].header(trace::HEADER), "");
    // A script whose trace is not recorded; and a command that asks nobody for anything.
    let unrecorded = SCRIPT.replace("-01", "-00");
    let program = program.with(&[("TRACEPARENT", &unrecorded), (ENDPOINT, &collector.endpoint())]);
    assert_eq!(program.run(&["server-list"]).await.code, 0);
    assert_eq!(region.seen("GET /servers")[1].header(trace::HEADER), "");
    assert_eq!(program.with(&[("TRACEPARENT", "")]).run(&["completion", "bash"]).await.code, 0);
    assert!(collector.spans().is_empty(), "{:#?}", collector.spans());
}

#[tokio::test]
async fn a_collector_that_is_away_mute_or_misnamed_costs_a_line_and_no_command() {
    let region = region().await;
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (mute_at, gone_at) = (mute.local_addr().unwrap(), gone.local_addr().unwrap());
    drop(gone);
    for (endpoint, want) in [
        (format!("http://{mute_at}"), "was not sent"),
        (format!("http://{gone_at}"), "was not sent"),
        ("collector:4317".into(), "not traced: OTEL_EXPORTER_OTLP_ENDPOINT"),
    ] {
        let program = Program::new(&region).with(&[(ENDPOINT, &endpoint)]);
        let begun = Instant::now();
        let ran = program.run(&["server-list", "-o", "json"]).await;
        assert_eq!((ran.code, ran.json()["total"].as_i64()), (0, Some(1)), "{ran:?}");
        assert!(ran.err.contains(want) && ran.err.lines().count() == 1, "{endpoint}: {}", ran.err);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
    drop(mute);
}
