//! What a long-running program sends, to a collector that takes it, and to ones that do not.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use trace::collect::Collector;
use trace::export::{Exporter, TraceConfig};
use tracing::Instrument as _;
use tracing::field::Empty;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

const ELSEWHERE: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
const LIMIT: Duration = Duration::from_secs(60);

fn exporter(endpoint: String, sample: f64) -> Exporter {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Exporter::new(&TraceConfig { endpoint, sample }, "test", "1").unwrap().expect("an endpoint is given")
}

/// Work, as programs do it.
async fn work(place: Option<&str>) -> Option<trace::TraceParent> {
    let span = tracing::error_span!("request", otel.name = "GET /servers", request_id = "r1", trace_id = Empty);
    trace::follow(&span, place);
    let inner = async {
        tracing::info!(count = 3, "done");
        trace::current()
    };
    inner.instrument(span).await
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_arrive_in_the_trace_that_they_go_on_with() {
    let collector = Collector::start().await.unwrap();
    let exporter = exporter(collector.endpoint(), 1.0);
    let _guard = tracing::subscriber::set_default(Registry::default().with(exporter.layer()));

    let here = work(Some(ELSEWHERE)).await.expect("a place in the trace");
    let fresh = work(None).await.expect("a trace of its own");
    work(Some("garbage")).await.expect("what is no place begins a trace");
    let quiet = work(Some(&ELSEWHERE.replace("-01", "-00"))).await.expect("a place that is handed on");
    assert!(!quiet.sampled && quiet.to_string().starts_with(&ELSEWHERE[..35]), "{quiet}");
    tracing::error_span!(target: trace::LINES_ONLY, "heartbeat").in_scope(|| ());
    exporter.end().await;

    let spans = collector.spans();
    assert_eq!(spans.len(), 3, "what its beginning left out stays out, and so does what is for the log: {spans:#?}");
    let first = &spans[0];
    assert_eq!(here.to_string(), format!("00-{}-{}-01", first.trace, first.id));
    assert_eq!((&first.trace[..], &first.parent[..]), (&ELSEWHERE[3..35], &ELSEWHERE[36..52]));
    assert_eq!((first.name.as_str(), first.service.as_str()), ("GET /servers", "test"));
    assert!(first.instance.ends_with(&format!(":{}", std::process::id())), "{}", first.instance);
    assert_eq!((first.attribute("request_id"), first.attribute("trace_id")), ("r1", first.trace.as_str()));
    assert_eq!(first.events, ["done"]);
    assert!(spans[1].parent.is_empty() && fresh.to_string().contains(&spans[1].trace), "{:?}", spans[1]);
    assert!(spans[2].parent.is_empty() && spans[2].trace != spans[1].trace);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_begins_here_is_recorded_in_part_and_what_others_began_as_they_decided() {
    let collector = Collector::start().await.unwrap();
    let exporter = exporter(collector.endpoint(), 0.0);
    let _guard = tracing::subscriber::set_default(Registry::default().with(exporter.layer()));
    let dropped = work(None).await.expect("a place, for those further on");
    assert!(!dropped.sampled);
    assert!(work(Some(ELSEWHERE)).await.expect("a place").sampled);
    exporter.end().await;
    let spans = collector.spans();
    assert_eq!((spans.len(), &spans[0].trace[..]), (1, &ELSEWHERE[3..35]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_exporter_there_is_no_place() {
    let _guard = tracing::subscriber::set_default(Registry::default());
    assert_eq!(work(Some(ELSEWHERE)).await, None);
    assert_eq!(work(None).await, None);
}

/// More spans than any queue holds, while nobody takes them.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_mute_holds_nobody_up() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mute_at, gone_at) = (mute.local_addr().unwrap(), gone.local_addr().unwrap());
    drop(gone);
    let held = tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((connection, _)) = mute.accept().await {
            connections.push(connection);
        }
    });
    for at in [mute_at, gone_at] {
        let exporter = exporter(format!("http://{at}"), 1.0);
        let layered = Registry::default().with(exporter.layer());
        let _guard = tracing::subscriber::set_default(layered);
        let begun = Instant::now();
        for _ in 0..5_000 {
            work(Some(ELSEWHERE)).await.expect("work goes on");
        }
        // Two milliseconds each, where spans themselves take some microseconds: one wait for the collector would be seconds.
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?}");
        let begun = Instant::now();
        exporter.end().await;
        assert!(begun.elapsed() < Duration::from_secs(8), "{at}: {:?}", begun.elapsed());
    }
    held.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_comes_later_gets_what_comes_then() {
    let place = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let exporter = exporter(format!("http://{}", place.local_addr().unwrap()), 1.0);
    let _guard = tracing::subscriber::set_default(Registry::default().with(exporter.layer()));
    work(None).await.expect("work goes on");
    // The first connection is cut; then there is one who listens.
    drop(place.accept().await.unwrap());
    let collector = Collector::serve(place).unwrap();
    let arrived = async {
        let mut pause = tokio::time::interval(Duration::from_millis(200));
        while collector.spans().is_empty() {
            pause.tick().await;
            work(None).await;
        }
    };
    tokio::time::timeout(LIMIT, arrived).await.expect("spans arrive again");
    exporter.end().await;
}
