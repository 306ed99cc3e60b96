//! Logs, to stderr, and traces, to a collector where one is configured.
//!
//! * [`start`] puts the layers together, once per process; [`init`] does for logs alone;
//! * [`format`](mod@format): how a line looks, as text or as JSON;
//! * [`follow`]: a filter that is changed in the configuration file takes effect while the program runs.
//!
//! Spans that carry ids (a request's, a task's, a server's) are made with `error_span!`: they are to stand on every line that the filter lets
//! through, and a filter of `warn` would take spans of a lower level away from the warnings within them.

mod follow;
mod format;

use serde::{Deserialize, Serialize};
use trace::export::Exporter;
pub use trace::export::TraceConfig;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// What is logged, in the directives of tracing's `EnvFilter`: `info`, `info,region=debug`. `RUST_LOG` goes over it. Of a program that
    /// follows its file (see [`Telemetry::follow`]) it may be changed at any time.
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line: `timestamp`, `level`, `target`, `message`, the fields of the event and of the spans around it.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".into(), format: LogFormat::Text }
    }
}

/// What can still be changed about the logs of the process.
#[derive(Debug, Clone)]
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
    /// `RUST_LOG`, where it decides.
    fixed: Option<String>,
    exporter: Option<Exporter>,
}

impl Telemetry {
    /// Sends what is left of traces. The last thing that a program does.
    pub async fn end(self) {
        if let Some(exporter) = self.exporter {
            exporter.end().await;
        }
    }
}

/// Why the program can't start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TelemetryError(String);

/// Starts logs and traces of a program, by its name and version. To be called in a tokio runtime.
///
/// # Errors
/// What is wrong with the section `[trace]`. A collector that is away is no error.
pub fn start(
    service: &'static str,
    version: &'static str,
    log: &LogConfig,
    trace: &TraceConfig,
) -> Result<Telemetry, TelemetryError> {
    let exporter = Exporter::new(trace, service, version).map_err(TelemetryError)?;
    let telemetry = install(log, exporter);
    if telemetry.exporter.is_some() {
        tracing::info!(endpoint = trace.endpoint(), sample = trace.sample, "traces are sent");
    }
    Ok(telemetry)
}

/// Starts logging for the whole process. A second call changes nothing, so tests may call it freely.
pub fn init(config: &LogConfig) -> Telemetry {
    install(config, None)
}

fn install(config: &LogConfig, exporter: Option<Exporter>) -> Telemetry {
    let fixed = EnvFilter::try_from_default_env().ok().map(|filter| filter.to_string());
    let (wanted, problem) = match fixed.as_deref().map_or_else(|| parse(&config.filter), parse) {
        Ok(filter) => (filter, None),
        Err(problem) => (EnvFilter::new("info"), Some(problem)),
    };
    let (filter, handle) = reload::Layer::new(wanted);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    let lines = match config.format {
        LogFormat::Text => lines.fmt_fields(format::TextFields).boxed(),
        LogFormat::Json => lines.json().event_format(format::Flat).boxed(),
    };
    let spans = exporter.as_ref().map(Exporter::layer);
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).try_init();
    if let Some(problem) = problem {
        tracing::warn!(filter = config.filter, problem, "log.filter can't be used; 'info' is");
    }
    Telemetry { filter: handle, fixed, exporter }
}

/// # Errors
/// What is wrong with it.
fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(filter).map_err(|error| error.to_string())
}
