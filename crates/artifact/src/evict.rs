//! What leaves the store: files that nobody used for long, then, while they take too much space, those that were used longest ago.
//! Never one that somebody names as in use, nor one that was used lately: it may be about to be.

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::digest::Digest;
use crate::store::Store;

/// Between the download of a file and the day when a guest names it, a guest may have to be stopped.
pub const LATELY: Duration = Duration::from_hours(1);

/// How much may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Files that were not used for as long go.
    pub age: Duration,
    /// Bytes of all files together.
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    path: PathBuf,
    /// None: the beginning of a file that was on its way.
    digest: Option<Digest>,
    size: u64,
    /// Since it was used.
    idle: Duration,
}

/// Decides which go; the order is that in which they were used. Pure.
fn leaving(mut entries: Vec<Entry>, in_use: &HashSet<Digest>, keep: Keep) -> Vec<Entry> {
    let mut bytes: u64 = entries.iter().map(|entry| entry.size).sum();
    entries.retain(|entry| entry.idle >= LATELY && entry.digest.is_none_or(|digest| !in_use.contains(&digest)));
    entries.sort_by(|a, b| b.idle.cmp(&a.idle).then_with(|| a.path.cmp(&b.path)));
    entries.retain(|entry| {
        let goes = entry.idle >= keep.age || bytes > keep.bytes;
        if goes {
            bytes -= entry.size;
        }
        goes
    });
    entries
}

impl Store {
    /// Removes what need not stay; gives how many files and bytes that were. What can't be read or removed is logged and stays. Blocks.
    pub fn evict(&self, in_use: &HashSet<Digest>, keep: Keep) -> (usize, u64) {
        let (mut files, mut bytes) = (0, 0);
        for entry in leaving(self.entries(), in_use, keep) {
            match remove(&entry) {
                Ok(true) => {
                    tracing::info!(path = %entry.path.display(), idle_s = entry.idle.as_secs(), "a boot file that nobody uses is removed");
                    files += 1;
                    bytes += entry.size;
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(path = %entry.path.display(), %error, "an old boot file can't be removed"),
            }
        }
        metrics::counter!("artifact_evicted_bytes_total").increment(bytes);
        (files, bytes)
    }

    fn entries(&self) -> Vec<Entry> {
        let list = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
        let files = list(self.root().join("sha256")).flat_map(|folder| list(folder.path()));
        let now = SystemTime::now();
        let entry = |file: std::fs::DirEntry| {
            let (path, data) = (file.path(), file.metadata().ok()?);
            let name = file.file_name().into_string().ok()?;
            let part = name.strip_suffix(".part");
            let digest: Digest = part.unwrap_or(&name).parse().ok()?;
            // A clock that was set back: it was used just now.
            let idle = now.duration_since(data.modified().ok()?).unwrap_or_default();
            Some(Entry { path, digest: part.is_none().then_some(digest), size: data.len(), idle })
        };
        files.filter_map(entry).collect()
    }
}

/// False: it is on its way again.
fn remove(entry: &Entry) -> std::io::Result<bool> {
    // Held until the name is gone: who waits for the lock looks whether it is still the same file.
    let file = File::open(&entry.path)?;
    if entry.digest.is_none() && file.try_lock().is_err() {
        return Ok(false);
    }
    std::fs::remove_file(&entry.path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn age(store: &Store, path: &std::path::Path, idle: Duration) {
        let file = File::open(path).unwrap();
        file.set_modified(SystemTime::now() - idle).unwrap();
        assert!(path.starts_with(store.root()));
    }

    #[test]
    fn old_files_go_then_those_used_longest_ago_and_never_one_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let put = |content: &[u8], days: u32| {
            let digest = store.put(content).unwrap();
            age(&store, &store.path(digest), DAY * days);
            digest
        };
        let (ancient, used, older, newer) =
            (put(b"ancient..", 90), put(b"used.....", 90), put(b"older....", 9), put(b"newer....", 8));
        let fresh = put(b"fresh....", 0);
        let in_use = HashSet::from([used]);
        let there = || [ancient, used, older, newer, fresh].map(|digest| store.has(digest));

        let roomy = Keep { age: 30 * DAY, bytes: 1 << 30 };
        assert_eq!(store.evict(&in_use, roomy), (1, 9));
        assert_eq!(there(), [false, true, true, true, true], "nobody used it for long");
        assert_eq!(store.evict(&in_use, roomy), (0, 0));
        assert_eq!(store.evict(&in_use, Keep { bytes: 27, ..roomy }), (1, 9));
        assert_eq!(there(), [false, true, false, true, true], "the one used longest ago, and no more than need be");
        assert_eq!(store.evict(&in_use, Keep { age: Duration::ZERO, bytes: 0 }), (1, 9));
        assert_eq!(
            there(),
            [false, true, false, false, true],
            "one in use and one used lately stay whatever is wanted"
        );

        age(&store, &store.path(fresh), DAY * 90);
        store.used(fresh);
        assert_eq!(store.evict(&in_use, roomy), (0, 0));
        assert!(store.has(fresh));
    }

    #[test]
    fn a_part_goes_unless_it_is_on_its_way() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"content");
        let mut partial = store.partial(digest).unwrap();
        partial.append(b"con").unwrap();
        let part = store.part_path(digest);
        age(&store, &part, DAY * 90);
        let keep = Keep { age: 30 * DAY, bytes: 1 << 30 };
        assert_eq!(store.evict(&HashSet::new(), keep), (0, 0), "somebody holds it");
        drop(partial);
        assert_eq!(store.evict(&HashSet::new(), keep), (1, 3));
        assert!(!part.exists());
    }
}
