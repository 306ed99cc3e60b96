//! Sends the spans of a long-running program to a collector, by OTLP over gRPC.
//!
//! Spans are handed to a queue and sent in batches by a thread of its own: a collector that is slow or away never holds work back, it only
//! loses spans. [`Exporter::end`] sends what is left.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanLimits,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// The variable that stands in for an empty `endpoint`.
pub const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// What the end of a process waits for its last spans.
const LAST: Duration = Duration::from_secs(3);

/// Where traces go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TraceConfig {
    /// A collector that takes OTLP over gRPC: `http://collector:4317`. Empty: as `OTEL_EXPORTER_OTLP_ENDPOINT` says; without it none.
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: String,
    /// Which part of the traces that begin here is recorded, 0 to 1. What others began is as they decided.
    #[serde(deserialize_with = "sample")]
    pub sample: f64,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self { endpoint: String::new(), sample: 1.0 }
    }
}

// `sample` is never NaN: it is checked when it is read, and again at the start.
impl Eq for TraceConfig {}

fn endpoint<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() { Ok(text) } else { url(text).map_err(D::Error::custom) }
}

fn url(text: String) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() => Ok(text),
        _ => Err(format!("'{text}' is no collector's address: a URL like http://collector:4317 is wanted")),
    }
}

fn sample<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    portion(f64::deserialize(from)?).map_err(D::Error::custom)
}

fn portion(sample: f64) -> Result<f64, String> {
    let known = (0.0..=1.0).contains(&sample);
    known.then_some(sample).ok_or_else(|| format!("trace.sample is {sample}, but a number from 0 to 1 is wanted"))
}

impl TraceConfig {
    /// The collector, if there is to be one.
    #[must_use]
    pub fn endpoint(&self) -> Option<String> {
        let given = Some(self.endpoint.clone()).filter(|it| !it.is_empty());
        given.or_else(|| std::env::var(ENDPOINT).ok().filter(|it| !it.is_empty()))
    }
}

/// What is sent; to be ended before the process is.
#[derive(Debug, Clone)]
pub struct Exporter {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Exporter {
    /// To be called in a tokio runtime, which carries the connection. The collector need not be there.
    ///
    /// # Errors
    /// What is wrong with the endpoint, or with `sample`.
    pub fn new(config: &TraceConfig, service: &'static str, version: &'static str) -> Result<Option<Self>, String> {
        let sample = portion(config.sample)?;
        let Some(endpoint) = config.endpoint() else { return Ok(None) };
        let endpoint = url(endpoint)?;
        let mut exporter = SpanExporter::builder().with_tonic().with_endpoint(&endpoint).with_timeout(LAST);
        if endpoint.starts_with("https://") {
            exporter = exporter.with_tls_config(ClientTlsConfig::new().with_enabled_roots());
        }
        let exporter = exporter.build().map_err(|error| format!("trace.endpoint '{endpoint}': {error}"))?;
        let exporter = Told { exporter, endpoint, away: AtomicBool::new(false) };
        let batch = BatchConfigBuilder::default().with_scheduled_delay(Duration::from_secs(1)).build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batch).build();
        // Replicas have one name, and are told apart by where they run.
        let node = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        let resource = Resource::builder().with_service_name(service).with_attributes([
            KeyValue::new("service.version", version),
            KeyValue::new("service.instance.id", format!("{node}:{}", std::process::id())),
            KeyValue::new("host.name", node),
        ]);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sample))))
            .with_span_limits(SpanLimits { max_events_per_span: 64, ..Default::default() })
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer("lifeboat");
        Ok(Some(Self { provider, tracer }))
    }

    /// What hands spans over. Whatever the log's filter says, spans of ours are taken, with the events of level info and above in them.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        // What makes up the sending itself would be sent again, and again.
        let unwanted =
            ["opentelemetry", "opentelemetry_sdk", "opentelemetry_otlp", "tonic", "h2", "hyper", "hyper_util"];
        let wanted = Targets::new()
            .with_default(LevelFilter::INFO)
            .with_target(crate::LINES_ONLY, LevelFilter::OFF)
            .with_targets(unwanted.into_iter().map(|target| (target, LevelFilter::OFF)));
        tracing_opentelemetry::layer()
            .with_tracer(self.tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(wanted)
    }

    /// Sends what is left, for three seconds at most.
    pub async fn end(self) {
        // It blocks, and what it waits for runs in this runtime.
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(LAST)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// Says once when spans can't be sent, and once when they can again.
#[derive(Debug)]
struct Told {
    exporter: SpanExporter,
    endpoint: String,
    away: AtomicBool,
}

impl opentelemetry_sdk::trace::SpanExporter for Told {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        let was = self.away.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !was => {
                tracing::warn!(endpoint = self.endpoint, %error, "traces can't be sent; spans are lost until they can");
            }
            Ok(()) if was => tracing::info!(endpoint = self.endpoint, "traces are sent again"),
            Ok(()) | Err(_) => {}
        }
        sent
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }
    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }
    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_is_said_when_it_is_read_and_at_the_start() {
        for (endpoint, sample, want) in [
            ("collector:4317", 1.0, "http://collector:4317"),
            ("http://", 1.0, "http://collector:4317"),
            ("", 1.5, "from 0 to 1"),
            ("", f64::NAN, "from 0 to 1"),
        ] {
            let config = TraceConfig { endpoint: endpoint.into(), sample };
            let said = Exporter::new(&config, "test", "0").unwrap_err();
            assert!(said.contains(want), "{said}");
            if sample.is_finite() {
                let read = serde_json::from_str::<TraceConfig>(&serde_json::to_string(&config).unwrap());
                let said = read.unwrap_err().to_string();
                assert!(said.contains(want), "{said}");
            }
        }
        let read: TraceConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(read, TraceConfig::default());
    }
}
