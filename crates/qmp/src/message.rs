//! Lines to messages and back. Pure.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Something happened. Names are QEMU's: `SHUTDOWN`, `RESET`, `STOP`, `RESUME`, ...; those unknown here are passed on.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    /// Null where the event has no data.
    pub data: Value,
    /// QEMU's clock, microseconds since 1970; 0 if it did not say.
    pub micros: u64,
}

impl Event {
    /// The `reason` of a `SHUTDOWN` or `RESET`: `guest-shutdown`, `guest-reset`, `host-qmp-quit`, `host-signal`, ...
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.data.get("reason")?.as_str()
    }
}

/// What QEMU says.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// First line of a connection; `10.0.2`.
    Greeting {
        version: String,
    },
    /// A command was carried out.
    Return {
        id: Option<u64>,
        value: Value,
    },
    /// A command was refused.
    Error {
        id: Option<u64>,
        class: String,
        desc: String,
    },
    Event(Event),
    /// Valid JSON of no shape known here.
    Unknown,
}

/// A line was not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("QEMU sent a line that is not JSON: {0}")]
pub struct NotJson(pub String);

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    #[serde(rename = "QMP")]
    greeting: Option<Value>,
    #[serde(rename = "return", deserialize_with = "some")]
    value: Option<Value>,
    error: Option<WireError>,
    event: Option<String>,
    data: Value,
    timestamp: Option<Timestamp>,
    id: Option<Value>,
}

/// `"return": null` is an answer too; serde would read it as absent.
fn some<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(d).map(Some)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireError {
    class: String,
    desc: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Timestamp {
    seconds: i64,
    microseconds: i64,
}

/// Reads one line.
///
/// # Errors
/// [`NotJson`]; JSON of an unknown shape is [`Message::Unknown`].
pub fn read(line: &[u8]) -> Result<Message, NotJson> {
    let value: Value = serde_json::from_slice(line).map_err(|e| NotJson(e.to_string()))?;
    let Ok(wire) = serde_json::from_value::<Wire>(value) else { return Ok(Message::Unknown) };
    let id = wire.id.as_ref().and_then(Value::as_u64);
    Ok(if let Some(greeting) = wire.greeting {
        Message::Greeting { version: version(&greeting["version"]) }
    } else if let Some(error) = wire.error {
        Message::Error { id, class: error.class, desc: error.desc }
    } else if let Some(name) = wire.event {
        let at = wire.timestamp.unwrap_or_default();
        let part = |number| u64::try_from(number).unwrap_or(0);
        let micros = part(at.seconds).saturating_mul(1_000_000).saturating_add(part(at.microseconds));
        Message::Event(Event { name, data: wire.data, micros })
    } else if let Some(value) = wire.value {
        Message::Return { id, value }
    } else {
        Message::Unknown
    })
}

/// `10.0.2` from `{"qemu": {"major": 10, "minor": 0, "micro": 2}}`; what is missing is 0.
#[must_use]
pub fn version(value: &Value) -> String {
    let part = |name: &str| value["qemu"][name].as_u64().unwrap_or(0);
    format!("{}.{}.{}", part("major"), part("minor"), part("micro"))
}

/// One command as a line, line feed included. `arguments` is left out when it is null or empty.
#[must_use]
pub fn write(id: u64, name: &str, arguments: Value) -> Vec<u8> {
    let mut object = Map::new();
    object.insert("execute".into(), json!(name));
    if !(arguments.is_null() || arguments.as_object().is_some_and(Map::is_empty)) {
        object.insert("arguments".into(), arguments);
    }
    object.insert("id".into(), json!(id));
    let mut line = Value::Object(object).to_string().into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shapes() {
        let greeting = br#"{"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": "x"}, "capabilities": ["oob"]}}"#;
        assert_eq!(read(greeting), Ok(Message::Greeting { version: "10.0.2".into() }));
        assert_eq!(read(br#"{"return": {}, "id": 7}"#), Ok(Message::Return { id: Some(7), value: json!({}) }));
        assert_eq!(read(br#"{"return": null, "id": 7}"#), Ok(Message::Return { id: Some(7), value: Value::Null }));
        let error = br#"{"id": 8, "error": {"class": "CommandNotFound", "desc": "no", "more": 1}}"#;
        assert_eq!(read(error), Ok(Message::Error { id: Some(8), class: "CommandNotFound".into(), desc: "no".into() }));
        let event =
            br#"{"timestamp": {"seconds": 2, "microseconds": 5}, "event": "NEW_ONE", "data": {"a": [1]}, "field": 1}"#;
        assert_eq!(
            read(event),
            Ok(Message::Event(Event { name: "NEW_ONE".into(), data: json!({"a": [1]}), micros: 2_000_005 }))
        );
        // A clock before 1970 says -1; no reason to lose the event.
        let early = br#"{"timestamp": {"seconds": -1, "microseconds": -1}, "event": "STOP"}"#;
        assert_eq!(read(early), Ok(Message::Event(Event { name: "STOP".into(), data: Value::Null, micros: 0 })));
        assert_eq!(read(br#"{"event": 5}"#), Ok(Message::Unknown));
        assert_eq!(read(b"[]"), Ok(Message::Unknown));
        assert!(read(b"garbage").is_err());
    }

    #[test]
    fn a_command_is_one_line() {
        assert_eq!(write(3, "quit", Value::Null), b"{\"execute\":\"quit\",\"id\":3}\n");
        let line = write(1, "x", json!({"text": "a\nb"}));
        assert_eq!(line.iter().filter(|&&b| b == b'\n').count(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&line);
        }

        #[test]
        fn what_is_written_is_json_with_its_id(id in any::<u64>(), name in "[a-z-]{1,20}", text in ".{0,40}") {
            let line = write(id, &name, json!({"text": text.clone()}));
            let value: Value = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(value["id"].as_u64(), Some(id));
            prop_assert_eq!(value["arguments"]["text"].as_str(), Some(&*text));
        }
    }
}
