//! The laws of ARCHITECTURE.md ("Crates, bottom up"), over `cargo metadata`: arrows point only up the list, and what must not be linked
//! is not.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Layer, crate, and which of ours it may use. `tests`, as dev-dependencies, may use more: see [`DEV`].
const LAWS: &[(u8, &str, &[&str])] = &[
    (0, "types", &[]),
    (0, "api", &["types"]),
    (0, "proto", &["types"]),
    (1, "trace", &[]),
    (1, "service", &["trace"]),
    (1, "task-engine", &["trace"]),
    (1, "pg-cluster", &[]),
    (1, "qmp", &[]),
    (1, "tftp", &[]),
    (1, "artifact", &["types", "trace"]),
    (1, "ledger", &["types"]),
    (1, "client", &["api", "types", "trace"]),
    (1, "bench-report", &[]),
    (1, "doctor", &["types"]),
    (2, "db", &["types", "api", "task-engine"]),
    (3, "web-console", &[]),
    (3, "region", &["api", "types", "proto", "db", "task-engine", "service", "artifact", "trace", "web-console"]),
    (3, "host", &["types", "proto", "qmp", "artifact", "ledger", "service", "trace"]),
    (3, "baremetal-agent", &["types", "proto", "tftp", "artifact", "service", "trace"]),
    (3, "climc", &["api", "client", "types", "trace"]),
    (3, "rescue-agent", &["types", "doctor"]),
    (4, "host-sim", &["types", "proto", "ledger", "service"]),
    (4, "lifeboat", &["pg-cluster", "service", "client", "api", "types"]),
    (
        4,
        "testing",
        &[
            "region",
            "host-sim",
            "db",
            "task-engine",
            "pg-cluster",
            "client",
            "service",
            "api",
            "types",
            "proto",
            "artifact",
        ],
    ),
    (
        4,
        "bench-region",
        &["host-sim", "task-engine", "pg-cluster", "service", "types", "proto", "artifact", "bench-report"],
    ),
    (4, "bench-host", &["host", "service", "types", "proto", "artifact", "qmp", "bench-report"]),
    (4, "chaos", &["lifeboat", "host-sim", "db", "pg-cluster", "service", "client", "api", "types", "bench-report"]),
    (4, "e2e", &["lifeboat", "api", "client", "trace", "types"]),
];

/// What tests may use on top: helpers that stand beside or above.
const DEV: &[&str] = &["testing", "pg-cluster", "client", "artifact", "tftp", "host-sim", "ledger"];

/// Never linked, by anything: TLS is rustls with ring, Postgres is spoken in Rust.
const BANNED: &[&str] = &["openssl-sys", "aws-lc-sys", "native-tls", "pq-sys", "serde_yaml"];

/// Names that say nothing of an ability.
const NAMELESS: &[&str] = &["common", "core", "utils", "util", "config", "misc", "shared"];

struct Workspace {
    /// Crate of ours -> (kind of dependency, name).
    uses: BTreeMap<String, BTreeSet<(Kind, String)>>,
    /// Every package that may be linked.
    all: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Normal,
    Build,
    Dev,
}

fn workspace() -> Workspace {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--all-features", "--filter-platform"])
        .arg("x86_64-unknown-linux-gnu")
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout).expect("cargo metadata is JSON");
    let members: BTreeSet<&str> = array(&metadata["workspace_members"]).filter_map(Value::as_str).collect();
    let mut uses = BTreeMap::new();
    for package in array(&metadata["packages"]) {
        if !members.contains(text(&package["id"])) {
            continue;
        }
        let dependencies = array(&package["dependencies"]).map(|dependency| {
            let kind = match dependency["kind"].as_str() {
                None => Kind::Normal,
                Some("build") => Kind::Build,
                Some("dev") => Kind::Dev,
                Some(other) => panic!("unknown kind of dependency: {other}"),
            };
            (kind, text(&dependency["name"]).to_owned())
        });
        uses.insert(text(&package["name"]).to_owned(), dependencies.collect());
    }
    // The resolve graph holds what is used on this platform; `packages` holds more.
    let ids: BTreeMap<&str, &str> = array(&metadata["packages"]).map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    let all = array(&metadata["resolve"]["nodes"]).map(|node| ids[text(&node["id"])].to_owned()).collect();
    Workspace { uses, all }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("an array").iter()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

#[test]
fn each_crate_uses_only_what_it_may() {
    let workspace = workspace();
    let ours: BTreeSet<&str> = workspace.uses.keys().map(String::as_str).collect();
    let mut broken = Vec::new();
    for (name, uses) in &workspace.uses {
        let Some((layer, _, may)) = LAWS.iter().find(|(_, law, _)| law == name) else {
            broken.push(format!("{name}: no law; give it a layer here and a line in ARCHITECTURE.md"));
            continue;
        };
        for (kind, used) in uses.iter().filter(|(_, used)| ours.contains(used.as_str())) {
            let allowed = may.contains(&used.as_str()) || (*kind == Kind::Dev && DEV.contains(&used.as_str()));
            if !allowed {
                broken.push(format!("{name} uses {used} ({kind:?})"));
            }
        }
        for used in *may {
            let above = LAWS.iter().find(|(_, law, _)| law == used).is_none_or(|(of, _, _)| of > layer);
            if above {
                broken.push(format!("the law itself lets {name} use {used}, which is above it or unknown"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_law_has_its_crate() {
    let workspace = workspace();
    let without: Vec<&str> =
        LAWS.iter().map(|(_, name, _)| *name).filter(|name| !workspace.uses.contains_key(*name)).collect();
    assert!(without.is_empty(), "laws for crates that are gone: {without:?}");
}

#[test]
fn region_and_host_never_meet_and_a_host_knows_no_database() {
    assert!(links("region").contains("diesel") && links("host").contains("qmp"), "the list holds what is linked");
    for (program, never) in [
        ("region", &["host", "qmp"][..]),
        ("host", &["region", "db", "diesel"]),
        ("baremetal-agent", &["region", "db", "diesel"]),
        ("climc", &["db", "diesel", "tonic"]),
        ("rescue-agent", &["tokio", "tonic", "diesel"]),
    ] {
        let links = links(program);
        for name in never {
            assert!(!links.contains(*name), "{program} links {name}; `cargo tree -p {program} -i {name}` shows why");
        }
    }
}

/// Every package in one program, with the features that this program alone asks for.
fn links(program: &str) -> BTreeSet<String> {
    let out = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--prefix", "none", "--edges", "normal", "--package", program])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let tree = String::from_utf8_lossy(&out.stdout);
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn nothing_banned_is_linked() {
    let workspace = workspace();
    assert!(workspace.all.contains("rustls"), "the list holds what is linked");
    let found: Vec<&&str> = BANNED.iter().filter(|banned| workspace.all.contains(**banned)).collect();
    assert!(found.is_empty(), "{found:?} would be linked; `cargo tree -i NAME` shows by whom");
}

#[test]
fn crates_are_named_after_an_ability() {
    for name in workspace().uses.keys() {
        assert!(!NAMELESS.contains(&name.as_str()), "'{name}' names no ability");
    }
}
