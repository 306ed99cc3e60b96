//! A policy as a file, in YAML or JSON: what `GET /policies/{id}` gives as YAML, and what creating or changing one takes. Reading it checks
//! the tree, so that an error names the line.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use types::status::Scope;

/// Levels of a tree: service, resource, action, extra.
pub const LEVELS: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// May be absent where the name is given otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(deserialize_with = "scope")]
    pub scope: Scope,
    /// Names of the roles it is for.
    pub roles: Vec<String>,
    pub rules: Rules,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What is shown of a policy but can't be chosen: read and dropped, so that what was shown can be given back.
    #[serde(default, skip_serializing)]
    id: Option<Dropped>,
    #[serde(default, skip_serializing)]
    built_in: Option<Dropped>,
    #[serde(default, skip_serializing)]
    created_at: Option<Dropped>,
    #[serde(default, skip_serializing)]
    update_version: Option<Dropped>,
}

/// Refused where it is read, so that a reader of YAML knows the line.
fn scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
    struct Word;
    impl Visitor<'_> for Word {
        type Value = Scope;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a scope")
        }
        fn visit_str<E: Error>(self, word: &str) -> Result<Scope, E> {
            word.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Word)
}

/// Any value, of which nothing is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dropped;

impl<'de> Deserialize<'de> for Dropped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// A tree of allow and deny; `*` stands for all that is not named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rules {
    Allow,
    Deny,
    Of(BTreeMap<String, Rules>),
}

impl Serialize for Rules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Allow => serializer.serialize_str("allow"),
            Self::Deny => serializer.serialize_str("deny"),
            Self::Of(children) => {
                let mut map = serializer.serialize_map(Some(children.len()))?;
                for (name, child) in children {
                    map.serialize_entry(name, child)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Below(0).deserialize(deserializer)
    }
}

/// A tree below so many levels.
#[derive(Clone, Copy)]
struct Below(usize);

impl<'de> DeserializeSeed<'de> for Below {
    type Value = Rules;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Rules, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Below {
    type Value = Rules;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("'allow', 'deny', or a map of names to these")
    }
    fn visit_str<E: Error>(self, word: &str) -> Result<Rules, E> {
        match word {
            "allow" => Ok(Rules::Allow),
            "deny" => Ok(Rules::Deny),
            other => {
                let other: String = other.chars().take(80).collect();
                Err(E::custom(format!("'{other}': 'allow', 'deny', or a map of names to these is wanted")))
            }
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rules, A::Error> {
        if self.0 == LEVELS {
            return Err(A::Error::custom("this is deeper than service, resource, action, extra"));
        }
        let mut children = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let child = map.next_value_seed(Below(self.0 + 1))?;
            if children.insert(name.clone(), child).is_some() {
                return Err(A::Error::custom(format!("'{name}' stands here twice")));
            }
        }
        Ok(Rules::Of(children))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_survives_a_round_trip_and_what_can_not_be_chosen_is_dropped() {
        let text = r#"{"id": 7, "name": "p", "scope": "project", "roles": ["r"], "update_version": 3,
            "rules": {"compute": {"servers": {"*": "allow", "perform": {"start-rescue": "deny"}}}}}"#;
        let file: PolicyFile = serde_json::from_str(text).unwrap();
        let again: PolicyFile = serde_json::from_value(serde_json::to_value(&file).unwrap()).unwrap();
        assert_eq!(again.rules, file.rules);
        assert!(file.id.is_some() && again.id.is_none());
    }

    #[test]
    fn a_wrong_tree_or_key_is_refused() {
        for (rules, part) in [
            (r#""maybe""#, "'maybe'"),
            (r#"{"compute": {"servers": 7}}"#, "'allow', 'deny'"),
            (r#"{"a": {"b": {"c": {"d": {"e": "allow"}}}}}"#, "deeper"),
            (r#"{"a": "allow", "a": "deny"}"#, "twice"),
        ] {
            let text = format!(r#"{{"scope": "project", "roles": [], "rules": {rules}}}"#);
            let error = serde_json::from_str::<PolicyFile>(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{rules}: {error}");
        }
        let error = serde_json::from_str::<PolicyFile>(r#"{"scop": "project"}"#).unwrap_err().to_string();
        assert!(error.contains("scop"), "{error}");
    }
}
