//! What we take from others is pinned by its content, and nobody of us steps around the compiler's checks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn every_crate_of_others_is_pinned_by_its_digest() {
    let lock = read("Cargo.lock");
    let mut others = 0;
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""))?;
            line.strip_suffix('"').map(str::to_owned)
        };
        let name = field("name").expect("a name");
        let Some(source) = field("source") else { continue };
        others += 1;
        assert!(source.starts_with("registry+"), "{name} comes from {source}");
        assert_eq!(field("checksum").map(|sum| sum.len()), Some(64), "{name} has no digest");
    }
    assert!(others > 200, "{others}");
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--no-deps", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "Cargo.lock is not that of Cargo.toml: {}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn every_package_of_the_web_console_is_pinned_by_its_digest() {
    let lock: Value = serde_json::from_str(&read("crates/console/web/package-lock.json")).expect("JSON");
    let packages = lock["packages"].as_object().expect("packages");
    assert!(packages.len() > 50);
    for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
        let integrity = package["integrity"].as_str().unwrap_or_default();
        assert!(integrity.starts_with("sha512-"), "{name} has no digest: {package}");
    }
    let ours = &packages[""];
    for kind in ["dependencies", "devDependencies"] {
        for (name, version) in ours[kind].as_object().expect(kind) {
            let version = version.as_str().unwrap_or_default();
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{name} is {version}, and not one version");
        }
    }
}

#[test]
fn python_packages_of_the_checks_are_of_one_version() {
    for line in read("scripts/deploy/requirements.txt").lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        assert!(line.is_empty() || line.contains("=="), "scripts/deploy/requirements.txt: {line}");
    }
}

/// Whether a source switches the lint off, however that is written, or is unsafe where no lint is set. The lint's name is in pieces, or this
/// file would be found.
fn is_unsafe(source: &str) -> bool {
    let begins = ["{", "(", "fn ", "impl", "trait ", "extern "];
    let word = |(at, word): (usize, &str)| {
        let within = source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let rest = source[at + word.len()..].trim_start();
        !within && begins.iter().any(|it| rest.starts_with(it))
    };
    source.contains(concat!("unsafe", "_code")) || source.match_indices("unsafe").any(word)
}

#[test]
fn no_code_of_ours_is_unsafe() {
    assert!(read("Cargo.toml").contains(concat!("unsafe", "_code = \"deny\"")));
    let mut without = BTreeSet::new();
    let (mut files, mut found) = (0, Vec::new());
    for folder in ["crates", "tests", "fuzz"] {
        let mut folders = vec![root().join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().into_owned();
                if path.is_dir() && !["node_modules", "target", "dist"].contains(&name.as_str()) {
                    folders.push(path);
                } else if name == "Cargo.toml" {
                    let text = std::fs::read_to_string(&path).expect("text");
                    // The fuzz targets are a workspace of their own: what is said of them is what their sources hold.
                    if !text.contains("[lints]\nworkspace = true") && !path.starts_with(root().join("fuzz")) {
                        without.insert(path);
                    }
                } else if name.ends_with(".rs") {
                    files += 1;
                    if is_unsafe(&std::fs::read_to_string(&path).expect("text")) {
                        found.push(path);
                    }
                }
            }
        }
    }
    assert!(files > 300, "{files}");
    assert!(without.is_empty(), "without the workspace's lints: {without:?}");
    assert!(found.is_empty(), "unsafe, or the lint switched off: {found:?}");
}

#[test]
fn what_is_unsafe_is_noticed_however_it_is_let_in() {
    let (word, lint) = ("unsafe", concat!("unsafe", "_code"));
    for source in [
        format!("#[allow({lint})]"),
        format!("#![expect({lint}, reason = \"fast\")]"),
        format!("#[allow(dead_code, {lint})]"),
        format!("#[allow(\n    dead_code,\n    {lint},\n)]"),
        format!("#[cfg_attr(target_os = \"linux\", allow({lint}))]"),
        format!("let it = {word} {{ *pointer }};"),
        format!("pub {word} fn free()"),
        format!("{word} impl Send for It {{}}"),
        format!("#[{word}(no_mangle)]"),
    ] {
        assert!(is_unsafe(&source), "{source}");
    }
    for source in [
        "cache=unsafe,discard=unmap",
        "Unsafe = \"unsafe\",",
        "// An unsafe name is refused.",
        "fn is_unsafe(source: &str)",
    ] {
        assert!(!is_unsafe(source), "{source}");
    }
}
