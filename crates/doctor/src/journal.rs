//! Messages of the last boot in systemd's journal, read from its file (systemd: docs/JOURNAL_FILE_FORMAT.md).
//!
//! Objects follow one another; each has a kind and a size. Messages are data objects that entries refer to by their place. What is
//! compressed (long texts) is left out.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::tree::Tree;

const DATA: u8 = 1;
const ENTRY: u8 = 3;
const COMPACT: u32 = 16;
/// Objects of one file that are looked at.
const MAX_OBJECTS: usize = 300_000;
/// Bytes of an object that are read.
const MAX_OBJECT: usize = 8192;
const PREFIX: &[u8] = b"MESSAGE=";

/// Messages of the last boot that the system's journal knows of, in order.
#[must_use]
pub fn last_boot(tree: &Tree) -> Vec<String> {
    let folder = "/var/log/journal";
    let files = tree.names(folder).into_iter().map(|machine| format!("{folder}/{machine}/system.journal"));
    files
        .filter_map(|path| tree.open_file(&path).ok())
        .filter_map(|file| messages(&file))
        .next_back()
        .unwrap_or_default()
}

fn messages(file: &File) -> Option<Vec<String>> {
    let mut header = [0; 144];
    file.read_exact_at(&mut header, 0).ok()?;
    if &header[..8] != b"LPKSHHRH" {
        return None;
    }
    let compact = u32_at(&header, 12)? & COMPACT != 0;
    let (start, arena) = (u64_at(&header, 88)?, u64_at(&header, 96)?);
    let end = start.checked_add(arena)?;
    let mut texts: HashMap<u64, String> = HashMap::new();
    let mut entries: Vec<([u8; 16], String)> = Vec::new();
    let mut last = [0; 16];
    let mut at = start;
    let mut object = vec![0; MAX_OBJECT];
    for _ in 0..MAX_OBJECTS {
        if at + 16 > end || file.read_exact_at(&mut object[..16], at).is_err() {
            break;
        }
        let (kind, flags, size) = (object[0], object[1], u64_at(&object, 8)?);
        if size < 16 {
            break;
        }
        if kind == DATA || kind == ENTRY {
            let wanted = usize::try_from(size).unwrap_or(MAX_OBJECT).min(MAX_OBJECT);
            if file.read_exact_at(&mut object[..wanted], at).is_err() {
                break;
            }
            let object = &object[..wanted];
            if kind == DATA && flags & 7 == 0 {
                let payload = object.get(if compact { 72 } else { 64 }..).unwrap_or_default();
                if let Some(text) = payload.strip_prefix(PREFIX) {
                    texts.insert(at, String::from_utf8_lossy(text).into_owned());
                }
            } else if kind == ENTRY {
                last = object.get(40..56)?.try_into().ok()?;
                let items = object.get(64..).unwrap_or_default();
                let places: Vec<u64> = if compact {
                    items.chunks_exact(4).filter_map(|item| u32_at(item, 0).map(u64::from)).collect()
                } else {
                    items.chunks_exact(16).filter_map(|item| u64_at(item, 0)).collect()
                };
                entries.extend(places.iter().filter_map(|place| texts.get(place)).map(|text| (last, text.clone())));
            }
        }
        at = at.checked_add(size)?.next_multiple_of(8);
    }
    Some(entries.into_iter().filter(|(boot, _)| *boot == last).map(|(_, text)| text).collect())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    /// A journal in the form of the specification: messages with the boots that they belong to.
    fn journal(compact: bool, messages: &[(u8, &str)]) -> Vec<u8> {
        let mut bytes = vec![0; 256];
        bytes[..8].copy_from_slice(b"LPKSHHRH");
        bytes[12] = if compact { 16 } else { 0 };
        bytes[88..96].copy_from_slice(&256u64.to_le_bytes());
        let object = |bytes: &mut Vec<u8>, kind: u8, body: &[u8]| {
            let at = bytes.len();
            bytes.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
            bytes.extend(u64::try_from(16 + body.len()).unwrap().to_le_bytes());
            bytes.extend(body);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            u64::try_from(at).unwrap()
        };
        for (boot, text) in messages {
            let skip = if compact { 56 } else { 48 };
            let data = [&vec![0; skip][..], PREFIX, text.as_bytes()].concat();
            let place = object(&mut bytes, DATA, &data);
            let item = if compact {
                u32::try_from(place).unwrap().to_le_bytes().to_vec()
            } else {
                [place.to_le_bytes(), [0; 8]].concat()
            };
            object(&mut bytes, ENTRY, &[&[0; 24][..], &[*boot; 16], &[0; 8], &item].concat());
        }
        let arena = u64::try_from(bytes.len() - 256).unwrap();
        bytes[96..104].copy_from_slice(&arena.to_le_bytes());
        bytes
    }

    #[test]
    fn the_last_boots_messages_are_read() {
        let folder = Folder::new();
        for compact in [false, true] {
            folder.put("var/log/journal/aa/system.journal", journal(compact, &[(1, "old"), (2, "one"), (2, "two")]));
            assert_eq!(last_boot(&folder.system().tree), ["one", "two"], "compact: {compact}");
        }
    }

    #[test]
    fn a_damaged_one_ends_where_it_is_damaged() {
        let folder = Folder::new();
        let whole = journal(false, &[(1, "one"), (1, "two")]);
        for cut in (0..whole.len()).step_by(7) {
            folder.put("var/log/journal/aa/system.journal", &whole[..cut]);
            assert!(last_boot(&folder.system().tree).len() <= 2);
        }
        let mut wild = whole.clone();
        wild[264..272].fill(0xff);
        folder.put("var/log/journal/aa/system.journal", wild);
        assert!(last_boot(&folder.system().tree).is_empty());
    }
}
