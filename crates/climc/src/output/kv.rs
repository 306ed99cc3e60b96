//! `key=value` lines: nested keys joined by dots, rows of a list apart by an empty line.

use serde_json::Value;

/// A list becomes one block for each of its rows.
pub fn lines(value: &Value) -> String {
    let blocks: Vec<String> = match value {
        Value::Array(rows) => rows.iter().map(block).collect(),
        one => vec![block(one)],
    };
    blocks.join("\n\n")
}

fn block(value: &Value) -> String {
    let line = |(key, value): (String, String)| format!("{key}={}", one_line(&value));
    pairs(value).into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Every value with its key, in their order.
pub fn pairs(value: &Value) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    flatten(String::new(), value, &mut pairs);
    pairs
}

fn flatten(key: String, value: &Value, pairs: &mut Vec<(String, String)>) {
    let inner = |part: &str| if key.is_empty() { part.to_owned() } else { format!("{key}.{part}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(inner(name), value, pairs)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| flatten(inner(&i.to_string()), value, pairs));
        }
        Value::Null => pairs.push((key, String::new())),
        Value::String(text) => pairs.push((key, text.clone())),
        other => pairs.push((key, other.to_string())),
    }
}

/// A value never spans lines, or it could pretend to be another key.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            '\\' => line.push_str("\\\\"),
            c if c.is_control() => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_keys_and_rows() {
        let value = serde_json::json!([{"id": "a", "disks": [{"size": 5}], "host": null}, {"id": "b\nid=c\\"}]);
        assert_eq!(lines(&value), "disks.0.size=5\nhost=\nid=a\n\nid=b\\nid=c\\\\");
    }
}
