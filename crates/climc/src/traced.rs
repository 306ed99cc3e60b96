//! One trace per command, where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector: the command is the span that all others are in, also those of
//! region, hosts and baremetal agents. Without that variable nothing of this happens.

use std::sync::OnceLock;

use client::spans::Collector;
use trace::record::{Open, Recorder};

use crate::lang::say;

static RECORDER: OnceLock<Recorder> = OnceLock::new();

/// What requests of this process are recorded by.
pub fn recorder() -> Option<Recorder> {
    RECORDER.get().cloned()
}

/// The command, while it runs.
pub struct Traced {
    root: Open,
    recorder: Recorder,
    collector: Collector,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Traced {
    /// `TRACEPARENT` puts the command into a trace that goes on already, such as a script's.
    pub fn begin(command: &str) -> Option<Self> {
        let endpoint = variable("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        let collector = match Collector::new(&endpoint, variable("OTEL_EXPORTER_OTLP_PROTOCOL").as_deref()) {
            Ok(collector) => collector,
            Err(problem) => {
                eprintln!("climc: {}", say!("not traced: {problem}", problem = problem));
                return None;
            }
        };
        let recorder = Recorder::new(variable("TRACEPARENT").and_then(|place| place.parse().ok()))?;
        let _ = RECORDER.set(recorder.clone());
        // Its name alone: arguments may hold what is nobody's business.
        let root = recorder.root(&format!("climc {command}"));
        Some(Self { root, recorder, collector })
    }

    /// Ends the trace's first span with the exit code, and sends all of this process. A command that asked nobody for anything is of no interest.
    pub async fn end(mut self, code: i32) {
        if self.recorder.is_empty() {
            return;
        }
        self.root.set_number("process.exit.code", code.into());
        let failed = (code != crate::exit::OK).then(|| format!("exit code {code}"));
        self.root.end(failed.as_deref());
        let message = self.recorder.take("climc", env!("CARGO_PKG_VERSION"));
        if let Err(problem) = self.collector.send(message).await {
            let id = self.recorder.trace_id();
            eprintln!("climc: {}", say!("the trace {id} was not sent: {problem}", id = id, problem = problem));
        }
    }
}
