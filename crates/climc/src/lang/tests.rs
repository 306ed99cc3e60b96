//! Nothing is without its Chinese, nothing is translated that is not said, and both say the same things.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;

/// Every text of the program: those of `say!` and `text(...)` in its sources, why the client is not logged in, and those that clap shows.
fn spoken() -> BTreeMap<String, String> {
    let mut spoken = BTreeMap::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (ours, client) = (here.join("src"), here.join("../client/src"));
    sources(&client, &mut |file, source| {
        for (at, opening) in source.match_indices("NoCredentials(") {
            spoken.extend(literal(source[at + opening.len()..].trim_start()).map(|text| (text, file.to_owned())));
        }
    });
    sources(&ours, &mut |file, source| {
        for opening in ["say!(", "lang::text("] {
            for (at, _) in source.match_indices(opening) {
                let rest = source[at + opening.len()..].trim_start();
                if let Some(text) = literal(rest) {
                    spoken.insert(text, file.to_owned());
                }
            }
        }
    });
    help::texts(&crate::cli::command(), &mut |text| {
        spoken.insert(text.to_owned(), "help".to_owned());
    });
    spoken
}

fn sources(folder: &Path, see: &mut dyn FnMut(&str, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, see);
        } else if path.extension().is_some_and(|e| e == "rs")
            && !path.ends_with("lang/tests.rs")
            && !path.ends_with("lang/mod.rs")
        {
            see(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// A string literal at the beginning of a piece of source.
fn literal(source: &str) -> Option<String> {
    let mut chars = source.strip_prefix('"')?.chars();
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => match chars.next()? {
                'n' => text.push('\n'),
                '\n' => {
                    let rest = chars.as_str().trim_start();
                    chars = rest.chars();
                }
                c => text.push(c),
            },
            c => text.push(c),
        }
    }
}

fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}

#[test]
fn everything_has_its_chinese() {
    let missing: Vec<String> = spoken()
        .into_iter()
        .filter(|(text, _)| chinese(text).is_none())
        .map(|(text, at)| format!("{at}: {text:?}"))
        .collect();
    assert!(missing.is_empty(), "{} texts have no Chinese (src/lang/zh):\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn nothing_is_translated_twice_or_in_vain() {
    let spoken = spoken();
    let mut seen = BTreeSet::new();
    for (english, chinese) in zh::TABLES.iter().flat_map(|table| table.iter()) {
        assert!(seen.insert(english), "twice: {english:?}");
        assert!(spoken.contains_key(*english), "nobody says {english:?}");
        assert_eq!(places(english), places(chinese), "{english:?} and {chinese:?} have other places");
        assert!(!chinese.is_empty() && !chinese.contains('\u{fffd}'), "{english:?}");
    }
}

#[test]
fn the_first_variable_that_is_set_counts() {
    let of = |pairs: &[(&str, &str)]| {
        let pairs: BTreeMap<String, String> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Lang::of(|name| pairs.get(name).cloned())
    };
    assert_eq!(of(&[]), Lang::English);
    assert_eq!(of(&[("LANG", "zh_CN.UTF-8")]), Lang::Chinese);
    assert_eq!(of(&[("LANG", "zh_CN.UTF-8"), ("LC_MESSAGES", "C.UTF-8")]), Lang::English);
    assert_eq!(of(&[("LC_ALL", "zh"), ("LC_MESSAGES", "de_DE")]), Lang::Chinese);
    assert_eq!(of(&[("LC_ALL", ""), ("LC_MESSAGES", "zh_TW")]), Lang::Chinese);
    assert_eq!(of(&[("LC_ALL", "zh_CN"), ("LIFEBOAT_LANG", "en")]), Lang::English);
}

#[test]
fn places_are_filled_once() {
    assert_eq!(fill("{a} and {b}, {c}", &[("a", &"{b}"), ("b", &2)]), "{b} and 2, {c}");
    assert_eq!(fill("{", &[]), "{");
}
