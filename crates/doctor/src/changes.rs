//! Which files differ from before a repair, and how.
//!
//! /etc and /boot are read before and after. Elsewhere a file counts as changed when its inode was, since the repair began (ctime);
//! what it held before is not known there.

use std::collections::BTreeMap;

use rustix::fs::FileType;
use sha2::{Digest, Sha256};
use similar::TextDiff;
use types::diagnosis::{ChangeKind, FileChange};

use crate::tree::Tree;

/// Folders whose content is known before.
const KEPT: [&str; 2] = ["/etc", "/boot"];
/// Larger texts are compared by their digests alone.
const MAX_TEXT: u64 = 128 * 1024;
/// Larger files are compared by size and time alone.
const MAX_HASHED: u64 = 128 << 20;
/// Files of a folder that is kept; files that are looked at elsewhere; changes that are told.
const MAX_KEPT: usize = 20_000;
const MAX_WALKED: usize = 200_000;
const MAX_TOLD: usize = 400;
/// All diffs together: an answer has its limits.
const MAX_DIFFS: usize = 512 * 1024;
const MAX_DIFF: usize = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    mode: u32,
    owner: (u32, u32),
    /// Of a link: where it leads.
    link: Option<String>,
    sha256: Option<String>,
    text: Option<String>,
    size: u64,
}

/// What was there before.
#[derive(Debug, Default)]
pub struct Before {
    files: BTreeMap<String, Seen>,
    /// Seconds since 1970.
    at: i64,
}

/// Reads /etc and /boot.
#[must_use]
pub fn before(tree: &Tree) -> Before {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Before { files: look(tree), at: i64::try_from(now).unwrap_or(i64::MAX) }
}

/// What differs now. `before` is None where the system could not be read then.
#[must_use]
pub fn after(tree: &Tree, before: Option<&Before>) -> Vec<FileChange> {
    let Some(before) = before else { return Vec::new() };
    let now = look(tree);
    let mut changes = Vec::new();
    for (path, seen) in &now {
        match before.files.get(path) {
            None => changes.push(told(path, ChangeKind::Added, None, Some(seen))),
            Some(old) if old.sha256 != seen.sha256 || old.link != seen.link || old.size != seen.size => {
                changes.push(told(path, ChangeKind::Changed, Some(old), Some(seen)));
            }
            Some(old) if old.mode != seen.mode || old.owner != seen.owner => {
                let mut change = told(path, ChangeKind::Mode, Some(old), Some(seen));
                change.diff = None;
                change.note = Some(format!(
                    "mode {:o}, owner {}:{}; was {:o}, {}:{}",
                    seen.mode & 0o7777,
                    seen.owner.0,
                    seen.owner.1,
                    old.mode & 0o7777,
                    old.owner.0,
                    old.owner.1
                ));
                changes.push(change);
            }
            Some(_) => {}
        }
    }
    for (path, old) in before.files.iter().filter(|(path, _)| !now.contains_key(*path)) {
        changes.push(told(path, ChangeKind::Removed, Some(old), None));
    }
    changes.extend(newer(tree, before.at));
    bound(&mut changes);
    changes
}

fn bound(changes: &mut Vec<FileChange>) {
    let more = changes.len().saturating_sub(MAX_TOLD);
    changes.truncate(MAX_TOLD);
    let mut room = MAX_DIFFS;
    for change in changes.iter_mut() {
        let size = change.diff.as_ref().map_or(0, String::len);
        if size > room {
            change.diff = None;
            change.note = Some("the diff is left out: there are many".into());
        } else {
            room -= size;
        }
    }
    if more > 0
        && let Some(last) = changes.last_mut()
    {
        last.note = Some(format!("{more} more files have changed"));
    }
}

fn look(tree: &Tree) -> BTreeMap<String, Seen> {
    let mut files = BTreeMap::new();
    for folder in KEPT {
        walk(tree, folder, &mut |path, mode| {
            if files.len() < MAX_KEPT {
                files.insert(path.to_owned(), see(tree, path, mode));
            }
            files.len() < MAX_KEPT
        });
    }
    files
}

fn see(tree: &Tree, path: &str, mode: u32) -> Seen {
    let link = tree.link(path);
    let stat = if link.is_some() { None } else { tree.stat(path) };
    let size = stat.as_ref().map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
    let mut seen = Seen {
        mode,
        owner: stat.map_or((0, 0), |stat| (stat.st_uid, stat.st_gid)),
        link,
        sha256: None,
        text: None,
        size,
    };
    if seen.link.is_none() && size <= MAX_HASHED {
        seen.sha256 = digest(tree, path);
        if size <= MAX_TEXT {
            seen.text = tree
                .bytes(path)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .filter(|text| !text.contains('\0'));
        }
    }
    seen
}

fn digest(tree: &Tree, path: &str) -> Option<String> {
    use std::io::Read;
    let mut file = tree.open_file(path).ok()?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        match file.read(&mut chunk).ok()? {
            0 => return Some(types::rescue::hex(&hasher.finalize())),
            count => hasher.update(&chunk[..count]),
        }
    }
}

/// Files and links below a folder, with their modes; stops when `each` says so.
fn walk(tree: &Tree, folder: &str, each: &mut dyn FnMut(&str, u32) -> bool) -> bool {
    for name in tree.names(folder) {
        let path = format!("{}/{name}", folder.trim_end_matches('/'));
        if tree.link(&path).is_some() {
            if !each(&path, 0o777) {
                return false;
            }
            continue;
        }
        let Some(stat) = tree.stat(&path) else { continue };
        let goes_on = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => walk(tree, &path, each),
            FileType::RegularFile => each(&path, stat.st_mode),
            _ => true,
        };
        if !goes_on {
            return false;
        }
    }
    true
}

/// Files outside of the kept folders that were touched since.
fn newer(tree: &Tree, since: i64) -> Vec<FileChange> {
    let mut found = Vec::new();
    let mut walked = 0;
    let tops = tree.names("/").into_iter().map(|name| format!("/{name}"));
    for top in
        tops.filter(|top| !["/proc", "/sys", "/dev", "/run"].contains(&top.as_str()) && !KEPT.contains(&top.as_str()))
    {
        let mut each = |path: &str, mode: u32| {
            walked += 1;
            if let Some(stat) = tree.stat(path).filter(|stat| tree.link(path).is_none() && stat.st_ctime >= since) {
                let born = stat.st_mtime >= since;
                let kind = if born { ChangeKind::Changed } else { ChangeKind::Mode };
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                let after = (size <= MAX_HASHED && !is_secret(path, Some(mode))).then(|| digest(tree, path)).flatten();
                found.push(FileChange {
                    path: path.to_owned(),
                    kind,
                    before_sha256: None,
                    after_sha256: after,
                    diff: None,
                    note: Some("it was not read before, so the change is not shown".into()),
                });
            }
            walked < MAX_WALKED && found.len() < MAX_TOLD
        };
        if tree.link(&top).is_some() {
            continue;
        }
        if tree.is_folder(&top) {
            walk(tree, &top, &mut each);
        } else if let Some(stat) = tree.stat(&top) {
            each(&top, stat.st_mode);
        }
    }
    found
}

fn told(path: &str, kind: ChangeKind, old: Option<&Seen>, new: Option<&Seen>) -> FileChange {
    let secret = [old, new].into_iter().flatten().any(|seen| is_secret(path, Some(seen.mode)));
    let mut change = FileChange {
        path: path.to_owned(),
        kind,
        before_sha256: old.and_then(|seen| seen.sha256.clone()),
        after_sha256: new.and_then(|seen| seen.sha256.clone()),
        diff: None,
        note: None,
    };
    let links: Vec<String> = [old.map(|seen| ("was", seen)), new.map(|seen| ("is", seen))]
        .into_iter()
        .flatten()
        .filter_map(|(when, seen)| Some(format!("it {when} a link to {}", crate::tools::clean(seen.link.as_deref()?))))
        .collect();
    if !links.is_empty() {
        change.note = Some(links.join(", "));
    } else if secret {
        hide(&mut change);
    } else {
        let text = |seen: Option<&Seen>| seen.map_or(Some(String::new()), |seen| seen.text.clone());
        if let (Some(old), Some(new)) = (text(old), text(new)) {
            change.diff = diff(path, &old, &new);
        }
    }
    change
}

fn hide(change: &mut FileChange) {
    // A digest of a short secret could be guessed from.
    (change.before_sha256, change.after_sha256, change.diff) = (None, None, None);
    change.note = Some("changed, content not shown".into());
}

/// A change that is computed, not yet made.
#[must_use]
pub fn change(path: &str, kind: ChangeKind, old: Option<&[u8]>, new: Option<&[u8]>, secret: bool) -> FileChange {
    let sha256 = |bytes: &[u8]| types::rescue::hex(&Sha256::digest(bytes));
    let mut change = FileChange {
        path: path.to_owned(),
        kind,
        before_sha256: old.map(sha256),
        after_sha256: new.map(sha256),
        diff: None,
        note: None,
    };
    if secret {
        hide(&mut change);
    } else if let Some(new) = new
        && let (Ok(old), Ok(new)) = (std::str::from_utf8(old.unwrap_or_default()), std::str::from_utf8(new))
    {
        change.diff = diff(path, old, new);
    }
    change
}

fn diff(path: &str, old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let diff = TextDiff::from_lines(old, new);
    let text = diff.unified_diff().context_radius(3).header(&format!("a{path}"), &format!("b{path}")).to_string();
    // It is shown on terminals and pages.
    let text = crate::tools::masked(&text);
    let clean = text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '?' } else { c });
    Some(clean.take(MAX_DIFF).collect())
}

/// Files whose content nobody else is to read: by name, or because their owner alone may read them.
#[must_use]
pub fn is_secret(path: &str, mode: Option<u32>) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let named = [
        "shadow",
        "gshadow",
        "secret",
        "passwd-",
        "htpasswd",
        "netrc",
        "credential",
        "token",
        "id_rsa",
        "id_ed25519",
        "id_ecdsa",
    ]
    .iter()
    .any(|word| name.contains(word))
        || name.ends_with("_key")
        || [".key", ".pem", ".p12", ".keytab", ".psk"].iter().any(|end| name.ends_with(end))
        || ["/private/", "/system-connections/", "/.ssh/", "/wpa_supplicant/"]
            .iter()
            .any(|folder| path.contains(folder));
    let closed = mode.is_some_and(|mode| mode & 0o004 == 0);
    // Boot loaders' configuration is closed on some systems, and shows what a repair does.
    named || (closed && !path.starts_with("/boot/") && path != "/etc/fstab" && path != "/etc/crypttab")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    fn changed(folder: &Folder, act: impl FnOnce()) -> Vec<FileChange> {
        let tree = folder.system().tree;
        let mut first = before(&tree);
        // Whatever was made for the test itself is older.
        first.at = i64::MAX;
        act();
        after(&tree, Some(&first))
    }

    #[test]
    fn every_kind_of_change_is_told() {
        let folder = Folder::new();
        folder
            .put("etc/fstab", "one\ntwo\n")
            .put("etc/gone", "x\n")
            .put("etc/mode", "m")
            .mode("etc/mode", 0o644)
            .link("etc/l", "a");
        let changes = changed(&folder, || {
            folder.put("etc/fstab", "one\n# two\n").put("boot/new", "n\n").mode("etc/mode", 0o600);
            std::fs::remove_file(folder.path("etc/gone")).unwrap();
            std::fs::remove_file(folder.path("etc/l")).unwrap();
            folder.link("etc/l", "b");
        });
        let kinds: Vec<_> = changes.iter().map(|change| (change.path.as_str(), change.kind.as_str())).collect();
        assert_eq!(
            kinds,
            [
                ("/boot/new", "added"),
                ("/etc/fstab", "changed"),
                ("/etc/l", "changed"),
                ("/etc/mode", "mode"),
                ("/etc/gone", "removed")
            ]
        );
        assert!(changes[1].diff.as_ref().unwrap().ends_with(" one\n-two\n+# two\n"));
        assert_eq!(changes[2].note.as_deref(), Some("it was a link to a, it is a link to b"));
        assert!(changes[1].before_sha256.is_some() && changes[1].before_sha256 != changes[1].after_sha256);
    }

    #[test]
    fn secrets_are_said_to_have_changed_and_not_shown() {
        let folder = Folder::new();
        for path in ["etc/shadow", "etc/ssh/ssh_host_rsa_key", "etc/closed"] {
            folder.put(path, "old-secret\n").mode(path, 0o644);
        }
        folder.mode("etc/closed", 0o600);
        let changes = changed(&folder, || {
            for path in ["etc/shadow", "etc/ssh/ssh_host_rsa_key", "etc/closed"] {
                folder.put(path, "new-secret\n");
            }
        });
        assert_eq!(changes.len(), 3);
        let text = format!("{changes:?}");
        assert!(!text.contains("old-secret") && !text.contains("new-secret"), "{text}");
        assert!(changes.iter().all(|change| change.note.as_deref() == Some("changed, content not shown")));
    }

    #[test]
    fn elsewhere_time_tells() {
        let folder = Folder::new();
        folder.put("usr/lib/x", "x").put("proc/1", "p");
        let first = Before { files: look(&folder.system().tree), at: 0 };
        let paths: Vec<_> = after(&folder.system().tree, Some(&first)).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["/usr/lib/x"]);
    }
}
