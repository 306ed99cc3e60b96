//! How a line looks.
//!
//! Fields whose names begin with `otel.` speak to the exporter of traces and are left out.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

fn is_for_lines(name: &str) -> bool {
    !name.starts_with("otel.")
}

/// `message key=value key=value`, on one line: what others wrote may stand in a value, and must neither add lines nor steer a terminal.
pub struct TextFields;

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = TextVisitor { writer, first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }

    /// What a span learns later. Where none of it is for lines, nothing is added, no gap either.
    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let mut more = String::new();
        let mut visitor =
            TextVisitor { writer: Writer::new(&mut more), first: current.fields.is_empty(), result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result?;
        current.fields.push_str(&more);
        Ok(())
    }
}

struct TextVisitor<'w> {
    writer: Writer<'w>,
    first: bool,
    result: fmt::Result,
}

impl TextVisitor<'_> {
    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.result.is_err() || !is_for_lines(field.name()) {
            return;
        }
        let gap = if self.first { "" } else { " " };
        self.first = false;
        let mut line = OneLine(&mut self.writer);
        self.result = match field.name() {
            "message" => write!(line, "{gap}{value}"),
            name => write!(line, "{gap}{}={value}", name.strip_prefix("r#").unwrap_or(name)),
        };
    }
}

/// Writes control characters as Rust's literals have them: `\n`, `\u{1b}`.
struct OneLine<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() {
                write!(self.0, "{}", c.escape_default())?;
            } else {
                self.0.write_char(c)?;
            }
        }
        Ok(())
    }
}

impl Visit for TextVisitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }
    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.put(field, format_args!("{error}"));
    }
}

/// One flat object a line: what is asked for by a name (`request_id`, `task_id`, `server_id`) stands at the top, whichever of the spans
/// around the event has it. Where two have it, the inner one counts; the event's own goes over both.
pub struct Flat;

impl<S> FormatEvent<S, JsonFields> for Flat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Map::new();
        let mut name = None;
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            name = Some(span.name());
            let extensions = span.extensions();
            let written = extensions.get::<FormattedFields<JsonFields>>().map_or("{}", |fields| fields.as_str());
            if let Ok(Value::Object(known)) = serde_json::from_str(written) {
                fields.extend(known.into_iter().filter(|(name, _)| is_for_lines(name)));
            }
        }
        event.record(&mut JsonVisitor(&mut fields));

        let metadata = event.metadata();
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::new();
        line.insert("timestamp".into(), time.into());
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("target".into(), metadata.target().into());
        if let Some(name) = name {
            line.insert("span".into(), name.into());
        }
        // After the line's own, so that no field can pass for one of them.
        for (key, value) in fields {
            line.entry(key).or_insert(value);
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct JsonVisitor<'a>(&'a mut Map<String, Value>);

impl JsonVisitor<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let name = field.name();
        // What comes through the crate `log` names its origin in fields of its own.
        if is_for_lines(name) && !name.starts_with("log.") {
            self.0.insert(name.strip_prefix("r#").unwrap_or(name).to_owned(), value.into());
        }
    }
}

impl Visit for JsonVisitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }
    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.put(field, error.to_string());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use tracing_subscriber::Layer as _;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Lines;
        fn make_writer(&'a self) -> Lines {
            self.clone()
        }
    }

    fn written(json: bool, work: impl FnOnce()) -> String {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(lines.clone());
        let layer = match json {
            true => layer.json().event_format(Flat).boxed(),
            false => layer.fmt_fields(TextFields).boxed(),
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn sample() {
        let outer = tracing::error_span!("request", otel.name = "GET /", request_id = "r1", server_id = "outer");
        let _outer = outer.enter();
        let empty = tracing::field::Empty;
        let inner = tracing::error_span!("step", task_id = empty, otel.status_code = empty, server_id = "inner", n = 1);
        inner.record("otel.status_code", "ERROR");
        inner.record("task_id", "t1");
        inner.record("otel.status_code", "ERROR");
        let _inner = inner.enter();
        tracing::warn!(n = 2, level = "mine", error = %"no \"way\"", "it\nfailed");
    }

    #[test]
    fn a_line_of_json_is_flat_and_the_inner_field_counts() {
        let text = written(true, sample);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text.lines().count(), 1);
        for (field, want) in [
            ("level", Value::from("WARN")),
            ("span", "step".into()),
            ("message", "it\nfailed".into()),
            ("request_id", "r1".into()),
            ("task_id", "t1".into()),
            ("server_id", "inner".into()),
            ("n", 2.into()),
            ("error", "no \"way\"".into()),
        ] {
            assert_eq!(line[field], want, "{field}: {text}");
        }
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z') && !text.contains("otel"), "{text}");
    }

    #[test]
    fn a_line_of_text_names_the_spans_around_it() {
        let text = written(false, sample);
        let want = "request{request_id=\"r1\" server_id=\"outer\"}:step{server_id=\"inner\" n=1 task_id=\"t1\"}: ";
        assert!(text.contains(want), "{text}");
        assert!(text.contains("it\\nfailed n=2 level=\"mine\" error=no \"way\""), "{text}");
    }

    /// A host's answer, a name, an error: any of them, at any place where it may stand.
    #[test]
    fn no_value_adds_a_line_or_steers_a_terminal() {
        let evil = "a\r\n2026-11-23T10:00:00Z ERROR forged\u{1b}[2J\u{9b}0m\u{7f}";
        let text = written(false, || {
            let late = tracing::field::Empty;
            let span = tracing::error_span!("request", shown = %evil, debugged = evil, late);
            span.record("late", tracing::field::display(evil));
            let _span = span.enter();
            let error = std::io::Error::other(evil);
            let error: &dyn std::error::Error = &error;
            tracing::warn!(shown = %evil, debugged = ?evil, error, "{evil}");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end_matches('\n').contains(char::is_control), "{text:?}");
        let told = r"a\r\n2026-11-23T10:00:00Z ERROR forged\u{1b}[2J\u{9b}0m\u{7f}";
        assert_eq!(text.matches(told).count(), 7, "each is told: {text}");
    }
}
