//! Bodies: JSON, wrapped in the resource's keyword or bare; what is not understood is named.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use api::ErrorClass;

use crate::error::{Error, Result};

/// The body as JSON; no body is `{}`.
///
/// # Errors
/// 415 another content type; 400 broken JSON, or a NUL character, which no text of ours may hold.
pub fn json(headers: &HeaderMap, body: &[u8]) -> Result<Value> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("application/json");
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && !essence.ends_with("+json") {
        return Err(Error::new(
            ErrorClass::UnsupportedMediaType,
            format!(
                "the body is {}: send Content-Type: application/json",
                essence.chars().take(80).collect::<String>()
            ),
        ));
    }
    let value: Value = serde_json::from_slice(body).map_err(|e| Error::input(format!("the body is not JSON: {e}")))?;
    if has_nul(&value) {
        return Err(Error::input("the body holds the character U+0000, which no text may hold"));
    }
    Ok(value)
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The object under the resource's keyword, or the body itself. What stands beside the keyword belongs to the object as well: upstream says
/// there how many it wants, `{"server": {...}, "count": 3}`.
///
/// # Errors
/// 400 for a body that is no object.
pub fn unwrap(body: Value, word: &str) -> Result<Value> {
    match body {
        Value::Object(mut map) => match map.remove(word) {
            Some(Value::Object(mut inner)) => {
                inner.extend(map);
                Ok(Value::Object(inner))
            }
            Some(inner) if map.is_empty() => {
                Err(Error::input(format!("{word}: an object is wanted, not {}", kind(&inner))))
            }
            Some(inner) => {
                map.insert(word.to_owned(), inner);
                Ok(Value::Object(map))
            }
            None => Ok(Value::Object(map)),
        },
        other => Err(Error::input(format!("the body is {}: an object is wanted", kind(&other)))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The body as its type, and the keys that the type does not know. A type that refuses unknown keys names the right ones in its error.
///
/// # Errors
/// 400, naming the field.
pub fn typed<T: DeserializeOwned>(body: Value) -> Result<(T, Vec<String>)> {
    let mut track = serde_path_to_error::Track::new();
    let mut ignored = Vec::new();
    let decoded = {
        let deserializer = serde_path_to_error::Deserializer::new(body, &mut track);
        serde_ignored::deserialize(deserializer, |path| {
            if ignored.len() < 32 {
                ignored.push(path.to_string());
            }
        })
    };
    match decoded {
        Ok(value) => Ok((value, ignored.into_iter().map(|key| format!("unknown key '{key}' was ignored")).collect())),
        Err(error) => {
            let path = track.path().to_string();
            Err(Error::input(if path == "." { error.to_string() } else { format!("{path}: {error}") }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::server::{Start, StartRescue, Stop};
    use serde_json::json;

    #[test]
    fn a_wrong_type_is_named_with_its_field() {
        let error = typed::<Stop>(json!({"timeout_secs": "soon"})).unwrap_err();
        assert!(error.details.starts_with("timeout_secs: ") && error.details.contains("u32"), "{}", error.details);
    }

    #[test]
    fn unknown_keys_are_errors_in_rescue_and_warnings_elsewhere() {
        assert!(typed::<StartRescue>(json!({"disk_mod": "ro"})).is_err());
        let (_, warnings) = typed::<Start>(json!({"disk_mod": "ro"})).unwrap();
        assert_eq!(warnings, ["unknown key 'disk_mod' was ignored"]);
    }

    #[test]
    fn bodies_may_be_wrapped_or_bare() {
        assert_eq!(unwrap(json!({"server": {"a": 1}}), "server").unwrap(), json!({"a": 1}));
        assert_eq!(unwrap(json!({"a": 1}), "server").unwrap(), json!({"a": 1}));
        assert_eq!(unwrap(json!({"server": {"a": 1}, "count": 3}), "server").unwrap(), json!({"a": 1, "count": 3}));
        assert!(unwrap(json!({"server": 1}), "server").is_err());
        assert!(unwrap(json!([]), "server").is_err());
    }

    #[test]
    fn broken_bodies_are_refused() {
        let headers = HeaderMap::new();
        assert!(json(&headers, b"{").is_err());
        assert!(json(&headers, b"\"\xff\"").is_err());
        assert!(json(&headers, b"{\"a\":\"\\u0000\"}").is_err());
        assert_eq!(json(&headers, b" ").unwrap(), json!({}));
    }
}
