//! Two small things about JSON: NUL can't be stored in jsonb, and serde knows the names of an enum's variants.

use serde::de::{self, DeserializeOwned, Visitor};
use serde_json::Value;

/// Replaces NUL in all strings and keys; Postgres refuses it in jsonb.
pub(crate) fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(map) => {
            if map.keys().any(|key| key.contains('\0')) {
                *map = std::mem::take(map).into_iter().map(|(k, v)| (k.replace('\0', "\u{fffd}"), v)).collect();
            }
            map.values_mut().for_each(without_nul);
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The name of the variant in a saved, externally tagged enum value.
pub(crate) fn variant(stage: &Value) -> Option<&str> {
    match stage {
        Value::String(name) => Some(name),
        Value::Object(map) if map.len() == 1 => map.keys().next().map(String::as_str),
        _ => None,
    }
}

/// The names of all variants of an enum that derives `Deserialize` and is externally tagged (serde's default).
pub(crate) fn variants<E: DeserializeOwned>() -> Option<&'static [&'static str]> {
    let mut found = None;
    // Always an error: the probe has no value to give. What matters is what the derived code asked it for.
    let _ = E::deserialize(Probe(&mut found));
    found
}

struct Probe<'a>(&'a mut Option<&'static [&'static str]>);

#[derive(Debug)]
struct NoValue;
impl std::fmt::Display for NoValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no value")
    }
}
impl std::error::Error for NoValue {}
impl de::Error for NoValue {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        NoValue
    }
}

impl<'de> de::Deserializer<'de> for Probe<'_> {
    type Error = NoValue;
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NoValue> {
        Err(NoValue)
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, NoValue> {
        *self.0 = Some(variants);
        Err(NoValue)
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Stage {
        First,
        WithData { n: u32 },
        Last(String),
    }

    #[test]
    fn names_of_stages_come_from_serde() {
        assert_eq!(variants::<Stage>(), Some(&["first", "with_data", "last"][..]));
        assert_eq!(variants::<String>(), None);
        for stage in [Stage::First, Stage::WithData { n: 1 }, Stage::Last("x".into())] {
            let saved = serde_json::to_value(&stage).unwrap();
            assert!(variants::<Stage>().unwrap().contains(&variant(&saved).unwrap()));
        }
    }

    #[test]
    fn nul_is_replaced_everywhere() {
        let mut value = json!({"a\0": ["x\0y", {"b": "\0"}], "n": 1});
        without_nul(&mut value);
        assert_eq!(value, json!({"a\u{fffd}": ["x\u{fffd}y", {"b": "\u{fffd}"}], "n": 1}));
    }
}
