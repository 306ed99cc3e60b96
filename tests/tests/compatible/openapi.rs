//! REST: each method on each path stays; what it takes may only be widened, what it gives may only be added to.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

pub fn of_source(root: &Path) -> Value {
    read(&root.join("crates/region/openapi.json"))
}

pub fn of_release(folder: &Path) -> Value {
    read(&folder.join("openapi.json"))
}

/// Without the words for people: they may change.
pub fn write(root: &Path, folder: &Path) {
    let mut document = of_source(root);
    strip(&mut document);
    std::fs::write(folder.join("openapi.json"), format!("{document}\n")).unwrap();
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(object) => {
            // A property may have such a name, and then it is an object.
            object.retain(|key, value| {
                !["description", "summary", "example"].contains(&key.as_str()) || value.is_object()
            });
            object.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Which way a value goes decides what may change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Asked,
    Answered,
}

struct Comparison<'a> {
    before: &'a Value,
    now: &'a Value,
    seen: BTreeSet<(Way, String, String)>,
    broken: Vec<String>,
}

pub fn broken(before: &Value, now: &Value) -> Vec<String> {
    let mut all = Comparison { before, now, seen: BTreeSet::new(), broken: vec![] };
    for (path, methods) in entries(&before["paths"]) {
        for (method, operation) in entries(methods) {
            let name = format!("{} {path}", method.to_uppercase());
            match &now["paths"][path][method] {
                Value::Null if operation["deprecated"] == true => {}
                Value::Null => all.broken.push(format!("{name} is gone")),
                now => all.operation(&name, operation, now),
            }
        }
    }
    all.broken
}

fn entries(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    object.as_object().unwrap_or(&NONE).iter()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

impl Comparison<'_> {
    fn operation(&mut self, name: &str, before: &Value, now: &Value) {
        let same = |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
        let parameter = |of: &Value| format!("{name}: parameter {}", of["name"].as_str().unwrap_or_default());
        for was in list(&before["parameters"]) {
            match list(&now["parameters"]).iter().find(|is| same(was, is)) {
                Some(is) => {
                    if is["required"] == true && was["required"] != true {
                        self.broken.push(format!("{} is required now", parameter(was)));
                    }
                    self.schema(&parameter(was), Way::Asked, &was["schema"], &is["schema"]);
                }
                None if was["deprecated"] == true => {}
                None => self.broken.push(format!("{} is gone", parameter(was))),
            }
        }
        for is in list(&now["parameters"]).iter().filter(|is| is["required"] == true) {
            if !list(&before["parameters"]).iter().any(|was| same(was, is)) {
                self.broken.push(format!("{} is new and required", parameter(is)));
            }
        }
        if now["requestBody"]["required"] == true && before["requestBody"]["required"] != true {
            self.broken.push(format!("{name}: a body is required now"));
        }
        for (kind, was) in entries(&before["requestBody"]["content"]) {
            match &now["requestBody"]["content"][kind] {
                Value::Null => self.broken.push(format!("{name}: takes no {kind} any more")),
                is => self.schema(&format!("{name}: body"), Way::Asked, &was["schema"], &is["schema"]),
            }
        }
        for (status, was) in entries(&before["responses"]) {
            let is = &now["responses"][status];
            if is.is_null() {
                self.broken.push(format!("{name}: answer {status} is gone"));
                continue;
            }
            for (kind, was) in entries(&was["content"]) {
                match &is["content"][kind] {
                    Value::Null => self.broken.push(format!("{name}: answer {status} is not {kind} any more")),
                    is => {
                        self.schema(&format!("{name}: answer {status}"), Way::Answered, &was["schema"], &is["schema"])
                    }
                }
            }
        }
    }

    fn schema(&mut self, place: &str, way: Way, was: &Value, is: &Value) {
        let (was, was_name) = resolve(self.before, was);
        let (is, is_name) = resolve(self.now, is);
        // A component is compared once for each way, under its own name: it may hold itself.
        let place = was_name.as_deref().unwrap_or(place).to_owned();
        if let (Some(was), Some(is)) = (was_name, is_name)
            && !self.seen.insert((way, was, is))
        {
            return;
        }
        let (was_kinds, is_kinds) = (kinds(was), kinds(is));
        let lost = match way {
            Way::Asked => was_kinds.difference(&is_kinds).next().is_some() && !is_kinds.is_empty(),
            Way::Answered => is_kinds.difference(&was_kinds).next().is_some() && !was_kinds.is_empty(),
        };
        if lost {
            self.broken.push(format!("{place} was {was_kinds:?}, is {is_kinds:?}"));
        }
        if way == Way::Asked {
            for value in
                list(&was["enum"]).iter().filter(|value| is["enum"].is_array() && !list(&is["enum"]).contains(value))
            {
                self.broken.push(format!("{place}: {value} is not taken any more"));
            }
        }
        for (key, property) in entries(&was["properties"]) {
            let place = format!("{place}.{key}");
            match &is["properties"][key] {
                Value::Null if property["deprecated"] == true => {}
                Value::Null => self.broken.push(format!("{place} is gone")),
                now => self.schema(&place, way, property, now),
            }
        }
        let (gone, new) = (&was["required"], &is["required"]);
        match way {
            Way::Asked => list(new).iter().filter(|key| !list(gone).contains(key)).for_each(|key| {
                self.broken.push(format!("{place}: {key} is required now"));
            }),
            Way::Answered => list(gone).iter().filter(|key| !list(new).contains(key)).for_each(|key| {
                self.broken.push(format!("{place}: {key} may be missing now"));
            }),
        }
        if was["items"].is_object() {
            self.schema(&format!("{place}[]"), way, &was["items"], &is["items"]);
        }
        if was["additionalProperties"].is_object() {
            self.schema(&format!("{place}{{}}"), way, &was["additionalProperties"], &is["additionalProperties"]);
        }
        for word in ["oneOf", "anyOf", "allOf"] {
            for (n, was) in list(&was[word]).iter().enumerate() {
                match list(&is[word]).get(n) {
                    Some(is) => self.schema(&format!("{place}/{n}"), way, was, is),
                    None => self.broken.push(format!("{place}: form {n} is gone")),
                }
            }
        }
    }
}

/// What a reference names, and its name.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> (&'a Value, Option<String>) {
    let Some(reference) = schema["$ref"].as_str() else { return (schema, None) };
    let name = reference.rsplit('/').next().unwrap_or_default();
    (&document["components"]["schemas"][name], Some(name.to_owned()))
}

/// Empty: anything.
fn kinds(schema: &Value) -> BTreeSet<&str> {
    match &schema["type"] {
        Value::String(one) => BTreeSet::from([one.as_str()]),
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn what_would_break_a_caller_is_found() {
    use serde_json::json;
    let before = json!({
        "paths": {"/servers": {"post": {
            "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}}],
            "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Ask"}}}},
            "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Server"}}}}}
        }}},
        "components": {"schemas": {
            "Ask": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "mode": {"enum": ["a", "b"]}}},
            "Server": {"type": "object", "required": ["id"], "properties": {
                "id": {"type": "string"}, "old": {"type": "string", "deprecated": true}, "child": {"$ref": "#/components/schemas/Server"}}}
        }}
    });
    let changed = |pointer: &str, value: Value| {
        let mut now = before.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let key = &key.replace("~1", "/");
        let parent = now.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(key)
        } else {
            parent.insert(key.to_owned(), value)
        };
        broken(&before, &now)
    };
    let (ask, server) = ("/components/schemas/Ask", "/components/schemas/Server");
    let operation = "/paths/~1servers/post";
    assert_eq!(changed(&format!("{server}/properties/new"), json!({"type": "string"})), Vec::<String>::new());
    assert_eq!(changed(&format!("{ask}/properties/new"), json!({"type": "string"})), Vec::<String>::new());
    assert_eq!(changed(&format!("{server}/properties/old"), Value::Null), Vec::<String>::new());
    assert_eq!(changed(&format!("{ask}/properties/mode"), json!({"enum": ["a", "b", "c"]})), Vec::<String>::new());
    for (pointer, value, word) in [
        ("/paths/~1servers".to_owned(), json!({}), "POST /servers is gone"),
        (format!("{operation}/parameters"), json!([]), "parameter limit is gone"),
        (format!("{operation}/responses"), json!({}), "answer 200 is gone"),
        (format!("{server}/properties/id"), Value::Null, "Server.id is gone"),
        (format!("{server}/properties/id"), json!({"type": "integer"}), "Server.id was"),
        (format!("{server}/properties/id"), json!({"type": ["string", "null"]}), "Server.id was"),
        (format!("{server}/required"), json!([]), "\"id\" may be missing now"),
        (format!("{ask}/required"), json!(["name", "mode"]), "\"mode\" is required now"),
        (format!("{ask}/properties/mode"), json!({"enum": ["a"]}), "\"b\" is not taken any more"),
        (format!("{ask}/properties/name"), Value::Null, "Ask.name is gone"),
    ] {
        let found = changed(&pointer, value);
        assert!(found.len() == 1 && found[0].contains(word), "{word}: {found:?}");
    }
}
