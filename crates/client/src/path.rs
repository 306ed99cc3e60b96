//! Ids and queries as text in a URL.

use api::ListQuery;
use serde_json::Value;

use crate::error::Error;

/// `/servers/web%201/start`: each part becomes one path segment (RFC 3986, section 3.3), whatever is in it.
///
/// # Errors
/// [`Error::Input`] for a part that can't be a segment of its own: empty, `.` or `..` would name another resource.
pub fn path(parts: &[&str]) -> Result<String, Error> {
    let mut text = String::new();
    for part in parts {
        if matches!(*part, "" | "." | "..") {
            return Err(Error::Input(format!("'{part}' is neither an id nor a name: give one that a list shows")));
        }
        text.push('/');
        encode(part, &mut text);
    }
    Ok(text)
}

fn encode(part: &str, text: &mut String) {
    use std::fmt::Write;
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

/// A query as pairs; arrays as `status.0=a&status.1=b`.
#[must_use]
pub fn pairs(query: &ListQuery) -> Vec<(String, String)> {
    // Plain data always becomes a JSON object.
    let Ok(Value::Object(fields)) = serde_json::to_value(query) else { return Vec::new() };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let mut pairs = Vec::new();
    for (key, value) in fields {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                pairs.extend(items.into_iter().enumerate().map(|(i, item)| (format!("{key}.{i}"), text(item))));
            }
            other => pairs.push((key, text(other))),
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_stays_one_segment() {
        assert_eq!(path(&["servers", "a/b c%?#é", "start"]).unwrap(), "/servers/a%2Fb%20c%25%3F%23%C3%A9/start");
        assert_eq!(path(&["servers", "a\nb\\"]).unwrap(), "/servers/a%0Ab%5C");
    }

    #[test]
    fn a_part_that_would_name_something_else_is_refused() {
        for bad in ["", ".", ".."] {
            assert!(matches!(path(&["servers", bad]), Err(Error::Input(_))), "{bad:?}");
        }
    }

    #[test]
    fn arrays_are_numbered_and_empty_fields_left_out() {
        let query = ListQuery {
            limit: 5,
            status: vec!["ready".into(), "rescue".into()],
            is_complete: Some(false),
            ..ListQuery::default()
        };
        let mut pairs: Vec<String> = pairs(&query).into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.sort();
        assert_eq!(pairs, ["is_complete=false", "limit=5", "status.0=ready", "status.1=rescue"]);
    }
}
