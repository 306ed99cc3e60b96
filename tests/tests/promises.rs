//! What SECURITY.md and docs/reliability.md say of tests is true: each that they name is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A document, and the heads of the columns in which tests stand as `crate: file, test; file (more); other crate: file`.
const TOLD: &[(&str, &[&str])] =
    &[("SECURITY.md", &["tested by"]), ("docs/reliability.md", &["what tries to break it", "here"])];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent").to_owned()
}

/// What can be named of a crate: its files, folders, functions and variants.
fn names(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        if path.is_dir() {
            if !["target", "node_modules", "web"].contains(&stem.as_str()) {
                names(&path, into);
                into.insert(stem);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with(file!()) {
            let text = std::fs::read_to_string(&path).expect("a source");
            let mut before = "";
            for word in text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()) {
                if before == "fn" || word.starts_with(char::is_uppercase) {
                    into.insert(word.to_owned());
                }
                before = word;
            }
            into.insert(stem);
        }
    }
}

fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let mut crates = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("crates")).expect("crates") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        names(&path, crates.entry(name).or_default());
    }
    names(&root().join("tests/tests"), crates.entry("e2e".to_owned()).or_default());
    names(&root().join("fuzz"), crates.entry("fuzz".to_owned()).or_default());
    crates
}

/// The cells of a document's columns of those names.
fn cells(text: &str, heads: &[&str]) -> Vec<String> {
    let row = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let (mut found, mut column) = (Vec::new(), None);
    let mut before = false;
    for line in text.lines() {
        let in_table = line.starts_with('|');
        if in_table && !before {
            column = row(line).iter().position(|cell| heads.contains(&cell.as_str()));
        } else if let Some(cell) = column.filter(|_| in_table).and_then(|column| row(line).into_iter().nth(column))
            && !cell.starts_with("---")
        {
            found.push(cell);
        }
        before = in_table;
    }
    found
}

/// What a cell says that is not there.
fn untrue(cell: &str, crates: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut wrong = BTreeSet::new();
    let anywhere = |name: &str| match name.trim_end_matches('.').strip_suffix('*').or(name.strip_suffix("...")) {
        Some(beginning) => crates.values().flatten().any(|known| known.starts_with(beginning)),
        None => crates.contains_key(name) || crates.values().any(|known| known.contains(name)),
    };
    wrong.extend(cell.split('`').skip(1).step_by(2).filter(|name| !anywhere(name)).map(str::to_owned));
    // Outside of parentheses: crates before a colon, and files of theirs behind it.
    let plain: String = cell
        .split('(')
        .enumerate()
        .map(|(n, part)| if n == 0 { part } else { part.split_once(')').map_or("", |it| it.1) })
        .collect();
    let mut of: Vec<&str> = Vec::new();
    for part in plain.split(';').flat_map(|part| part.split(". ")) {
        let items = match part.split_once(':') {
            Some((named, items)) => {
                of = named.split(',').map(str::trim).collect();
                for name in of.iter().filter(|name| !name.contains(' ') && !crates.contains_key(**name)) {
                    wrong.insert(format!("the crate {name}"));
                }
                items
            }
            None => part,
        };
        let files = items
            .split(',')
            .map(|item| item.trim().trim_matches('`'))
            .filter(|item| !item.is_empty() && !item.contains(' '));
        for file in files {
            let last = file.rsplit('/').next().unwrap_or(file);
            let there = crates.contains_key(file)
                || of.iter().any(|name| crates.get(*name).is_some_and(|known| known.contains(last)));
            if !there {
                wrong.insert(file.to_owned());
            }
        }
    }
    wrong
}

#[test]
fn every_test_that_a_promise_names_is_there() {
    let crates = crates();
    for (document, heads) in TOLD {
        let text = std::fs::read_to_string(root().join(document)).expect("a document");
        let cells = cells(&text, heads);
        assert!(cells.len() > 10, "{document}: the tables are read wrongly: {cells:?}");
        for cell in cells {
            let wrong = untrue(&cell, &crates);
            assert!(wrong.is_empty(), "{document} names what is not there: {wrong:?}, in: {cell}");
        }
    }
}

#[test]
fn what_is_not_there_is_noticed() {
    let crates = crates();
    for (cell, wrong) in [
        ("region: policy, `every_verb_with_every_role`; chaos (`BadProof`)", &[][..]),
        ("region: nosuchfile; policy", &["nosuchfile"]),
        ("nosuchcrate: policy", &["policy", "the crate nosuchcrate"]),
        ("region: policy, `no_such_test`", &["no_such_test"]),
        ("chaos (`NoSuchFault`)", &["NoSuchFault"]),
    ] {
        assert_eq!(untrue(cell, &crates), wrong.iter().map(|&it| it.to_owned()).collect(), "{cell}");
    }
}
