//! A policy's tree: service, resource, action, extra; each leaf `allow` or `deny`; `*` stands for all that is not named.
//!
//! ```json
//! {"compute": {"servers": {"*": "allow", "delete": "deny", "perform": {"*": "allow", "start-rescue": "deny"}}}}
//! ```

use std::collections::BTreeMap;

use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    Leaf(bool),
    Node(BTreeMap<String, Tree>),
}

/// What a tree says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub allow: bool,
    /// One bit for each level that was matched by name, the first level the highest.
    pub specific: u8,
}

/// Levels of a path: service, resource, action, extra.
const LEVELS: usize = 4;

impl Tree {
    /// # Errors
    /// Says where in the tree it is wrong.
    pub fn parse(value: &Value) -> Result<Self, String> {
        Self::parse_at(value, &mut Vec::new())
    }

    fn parse_at(value: &Value, at: &mut Vec<String>) -> Result<Self, String> {
        let place = |at: &[String]| if at.is_empty() { "rules".to_owned() } else { format!("rules.{}", at.join(".")) };
        match value {
            Value::String(word) if word == "allow" => Ok(Self::Leaf(true)),
            Value::String(word) if word == "deny" => Ok(Self::Leaf(false)),
            Value::Object(_) if at.len() == LEVELS => {
                Err(format!("{}: is deeper than service, resource, action, extra", place(at)))
            }
            Value::Object(map) => {
                let mut node = BTreeMap::new();
                for (key, child) in map {
                    at.push(key.clone());
                    node.insert(key.clone(), Self::parse_at(child, at)?);
                    at.pop();
                }
                Ok(Self::Node(node))
            }
            _ => Err(format!("{}: 'allow', 'deny' or an object is wanted", place(at))),
        }
    }

    /// The most specific answer, if there is any.
    #[must_use]
    pub fn ask(&self, path: &[&str]) -> Option<Verdict> {
        self.walk(path, 0, 0)
    }

    fn walk(&self, path: &[&str], level: usize, specific: u8) -> Option<Verdict> {
        match self {
            Self::Leaf(allow) => Some(Verdict { allow: *allow, specific }),
            Self::Node(node) => {
                let name = path.get(level)?;
                let bit = 1 << (LEVELS - 1 - level.min(LEVELS - 1));
                let named = node.get(*name).and_then(|child| child.walk(path, level + 1, specific | bit));
                named.or_else(|| node.get("*").and_then(|child| child.walk(path, level + 1, specific)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_most_specific_match_wins() {
        let tree = Tree::parse(&json!({
            "*": "deny",
            "compute": {"*": {"get": "allow"}, "servers": {"*": "allow", "delete": "deny", "perform": {"*": "allow", "start-rescue": "deny"}}},
        }))
        .unwrap();
        for (path, allow) in [
            (&["compute", "servers", "get"] as &[_], true),
            (&["compute", "servers", "delete"], false),
            (&["compute", "servers", "perform", "start"], true),
            (&["compute", "servers", "perform", "start-rescue"], false),
            (&["compute", "hosts", "get"], true),
            (&["compute", "hosts", "list"], false),
            (&["identity", "users", "get"], false),
        ] {
            assert_eq!(tree.ask(path).is_some_and(|v| v.allow), allow, "{path:?}");
        }
    }

    #[test]
    fn a_wrong_tree_is_refused_with_the_place() {
        for (rules, place) in [
            (json!("maybe"), "rules: "),
            (json!({"compute": {"servers": 7}}), "rules.compute.servers: "),
            (json!({"a": {"b": {"c": {"d": {"e": "allow"}}}}}), "deeper"),
        ] {
            assert!(Tree::parse(&rules).unwrap_err().contains(place), "{rules}");
        }
    }
}
