//! Which shared libraries a program needs, and whether they are there: what `ldd` tells, without running anything (ELF gABI, ld.so(8)).

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt;

use crate::tree::Tree;

/// What a program asks the dynamic loader for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    pub interpreter: Option<String>,
    pub libraries: Vec<String>,
    pub search: Vec<String>,
}

/// How many files are looked at for one program.
const MAX_FILES: usize = 200;
/// The most of a dynamic section, or of a table of strings.
const MAX_TABLE: u64 = 4 << 20;

/// Reads a 64-bit little-endian program's wishes. A text says why it is no such program.
///
/// # Errors
/// It is empty, cut off, or of another kind.
pub fn wants(tree: &Tree, path: &str) -> Result<Wants, String> {
    let file = tree.open_file(path).map_err(|error| error.to_string())?;
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    let read = |offset: u64, size: u64| -> Result<Vec<u8>, String> {
        let end = offset.checked_add(size).filter(|end| *end <= length && size <= MAX_TABLE);
        end.ok_or("it is cut off")?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        file.read_exact_at(&mut bytes, offset).map_err(|error| error.to_string())?;
        Ok(bytes)
    };
    if length == 0 {
        return Err("it is empty".into());
    }
    let header = read(0, 64).map_err(|_| "it is no program")?;
    if &header[..4] != b"\x7fELF" {
        return Err("it is no program".into());
    }
    if header[4] != 2 || header[5] != 1 {
        return Err("it is no program for a 64-bit machine".into());
    }
    let (table, size, count) = (number(&header, 32, 8), number(&header, 54, 2), number(&header, 56, 2));
    if size < 56 {
        return Err("it is damaged".into());
    }
    let heads = read(table, size * count)?;
    let segments: Vec<&[u8]> = heads.chunks_exact(usize::try_from(size).unwrap_or(56)).collect();
    // Loaded segments: address, place in the file, size there.
    let loads: Vec<(u64, u64, u64)> = segments
        .iter()
        .filter(|head| number(head, 0, 4) == 1)
        .map(|head| (number(head, 16, 8), number(head, 8, 8), number(head, 32, 8)))
        .collect();
    // A file that was cut off still has its tables: they come first.
    if loads.iter().any(|(_, offset, size)| offset.saturating_add(*size) > length) {
        return Err("it is cut off".into());
    }
    let mut found = Wants::default();
    for head in &segments {
        let (kind, offset, size) = (number(head, 0, 4), number(head, 8, 8), number(head, 32, 8));
        match kind {
            3 => found.interpreter = Some(text(&read(offset, size)?, 0)),
            2 => dynamic(&read(offset, size)?, &loads, &read, &mut found)?,
            _ => {}
        }
    }
    Ok(found)
}

/// The dynamic section: pairs of tag and value.
fn dynamic(
    section: &[u8],
    loads: &[(u64, u64, u64)],
    read: &dyn Fn(u64, u64) -> Result<Vec<u8>, String>,
    found: &mut Wants,
) -> Result<(), String> {
    let pairs: Vec<(u64, u64)> = section
        .chunks_exact(16)
        .map(|pair| (number(pair, 0, 8), number(pair, 8, 8)))
        .take_while(|(tag, _)| *tag != 0)
        .collect();
    let value = |wanted: u64| pairs.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    let (Some(address), Some(size)) = (value(5), value(10)) else { return Ok(()) };
    let load = loads.iter().find(|(start, _, length)| (*start..start.saturating_add(*length)).contains(&address));
    let (start, offset, _) = load.ok_or("it is damaged")?;
    let strings = read(offset + (address - start), size)?;
    for (tag, value) in pairs {
        match tag {
            1 => found.libraries.push(text(&strings, value)),
            15 | 29 => found.search.extend(text(&strings, value).split(':').map(String::from)),
            _ => {}
        }
    }
    Ok(())
}

fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    let bytes = bytes.get(at..at + size).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn text(bytes: &[u8], at: u64) -> String {
    let rest = bytes.get(usize::try_from(at).unwrap_or(usize::MAX)..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    String::from_utf8_lossy(&rest[..end]).into_owned()
}

/// What a program or its libraries want and can't have, and who wants it: `libmount.so.1` -> `/usr/lib/systemd/systemd`. A program that
/// is none itself is named with the reason.
#[must_use]
pub fn missing(tree: &Tree, program: &str) -> BTreeMap<String, String> {
    let places = standard_places(tree);
    let mut missing = BTreeMap::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut queue = vec![program.to_owned()];
    // One that was loaded for another is not looked for again (ld.so goes by the name).
    let mut loaded: BTreeSet<String> = BTreeSet::new();
    while let Some(path) = queue.pop() {
        if !seen.insert(path.clone()) || seen.len() > MAX_FILES {
            continue;
        }
        let wants = match wants(tree, &path) {
            Ok(wants) => wants,
            // A script is its interpreter's matter.
            Err(why) if path == program => {
                if tree.bytes(&path).is_ok_and(|bytes| bytes.starts_with(b"#!")) {
                    continue;
                }
                missing.insert(path, why);
                continue;
            }
            Err(why) => {
                missing.insert(path, why);
                continue;
            }
        };
        if let Some(interpreter) = wants.interpreter.filter(|path| tree.size(path).is_none()) {
            missing.insert(interpreter, path.clone());
        }
        let origin = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let own = wants.search.iter().map(|place| place.replace("$ORIGIN", origin).replace("${ORIGIN}", origin));
        let all: Vec<String> = own.chain(places.iter().cloned()).collect();
        for library in wants.libraries {
            let candidates = if library.contains('/') {
                vec![library.clone()]
            } else {
                all.iter().map(|place| format!("{place}/{library}")).collect()
            };
            match candidates.into_iter().find(|path| tree.size(path).is_some()) {
                Some(found) => {
                    loaded.insert(library);
                    queue.push(found);
                }
                None => {
                    missing.insert(library, path.clone());
                }
            }
        }
    }
    missing.retain(|name, _| !loaded.contains(name));
    missing
}

/// Where the loader looks: its own places, those of the architecture, and what ld.so.conf names.
fn standard_places(tree: &Tree) -> Vec<String> {
    let mut places: Vec<String> =
        ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"].map(String::from).to_vec();
    for triple in ["x86_64-linux-gnu", "aarch64-linux-gnu"] {
        places.extend([format!("/lib/{triple}"), format!("/usr/lib/{triple}")]);
    }
    let mut files = vec!["/etc/ld.so.conf".to_owned()];
    files.extend(tree.names("/etc/ld.so.conf.d").iter().map(|name| format!("/etc/ld.so.conf.d/{name}")));
    for file in files {
        let text = tree.text(&file).unwrap_or_default();
        places.extend(text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(String::from));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    /// This very test program, with its libraries, in a tree of its own.
    fn house() -> Folder {
        let folder = Folder::new();
        folder.put("sbin/init", std::fs::read("/proc/self/exe").unwrap());
        let tree = Tree::open(std::path::Path::new("/")).unwrap();
        let me = std::env::current_exe().unwrap();
        let wants = wants(&tree, me.to_str().unwrap()).unwrap();
        let places = standard_places(&tree);
        let interpreter = wants.interpreter.unwrap();
        folder.put(interpreter.trim_start_matches('/'), std::fs::read(&interpreter).unwrap());
        for library in wants.libraries {
            let from = places.iter().map(|p| format!("{p}/{library}")).find(|path| tree.exists(path)).unwrap();
            folder.put(&format!("usr/lib/{library}"), std::fs::read(from).unwrap());
        }
        folder
    }

    #[test]
    fn a_program_with_all_it_needs_misses_nothing() {
        let folder = house();
        assert_eq!(missing(&folder.system().tree, "/sbin/init"), BTreeMap::new());
    }

    #[test]
    fn a_missing_a_cut_off_library_and_a_missing_loader_are_named() {
        let folder = house();
        let tree = folder.system().tree;
        let libc = "usr/lib/libc.so.6";
        let whole = std::fs::read(folder.path(libc)).unwrap();
        folder.put(libc, &whole[..whole.len() / 2]);
        assert_eq!(missing(&tree, "/sbin/init").get("/usr/lib/libc.so.6").map(String::as_str), Some("it is cut off"));
        std::fs::remove_file(folder.path(libc)).unwrap();
        assert!(missing(&tree, "/sbin/init")["libc.so.6"].starts_with('/'), "who wants it is told");
        let interpreter = wants(&tree, "/sbin/init").unwrap().interpreter.unwrap();
        std::fs::remove_file(folder.path(interpreter.trim_start_matches('/'))).unwrap();
        assert!(missing(&tree, "/sbin/init").contains_key(&interpreter));
    }

    #[test]
    fn what_is_no_program_says_why() {
        let folder = Folder::new();
        folder.put("a", "").put("b", "text").put("c", b"\x7fELF\x02\x01").put("d", "#!/bin/sh\n");
        let tree = folder.system().tree;
        assert_eq!(missing(&tree, "/a")["/a"], "it is empty");
        assert_eq!(missing(&tree, "/b")["/b"], "it is no program");
        assert_eq!(missing(&tree, "/c")["/c"], "it is no program");
        assert!(missing(&tree, "/d").is_empty());
    }
}
