//! File systems in which no file can be made any more.

use crate::patient::{Patient, System};
use crate::tree::Tree;

/// Fewer than this are none: the first boot step that makes files fails.
const FEW: u64 = 64;
const MAX_FOLDERS: usize = 50_000;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    let mut evidence = full(system);
    if !evidence.is_empty() {
        evidence.extend(
            fullest(&system.tree).into_iter().take(4).map(|(folder, count)| format!("{folder} holds {count} entries")),
        );
    }
    Ok(evidence)
}

fn full(system: &System) -> Vec<String> {
    let points = std::iter::once("/").chain(system.mount_points.iter().map(String::as_str));
    let spaces = points.filter_map(|point| Some((point, system.tree.space(point)?)));
    // File systems that make inodes as they need them say that they have none at all.
    let full = spaces.filter(|(_, space)| space.f_files > 0 && space.f_favail < FEW.min(space.f_files / 100));
    full.map(|(point, space)| format!("{point}: {} of {} inodes are free", space.f_favail, space.f_files)).collect()
}

/// Folders with the most entries.
pub fn fullest(tree: &Tree) -> Vec<(String, usize)> {
    let mut queue = vec![String::new()];
    let mut counts = Vec::new();
    while let Some(folder) = queue.pop() {
        if counts.len() >= MAX_FOLDERS {
            break;
        }
        let names = tree.names(if folder.is_empty() { "/" } else { &folder });
        for name in &names {
            let path = format!("{folder}/{name}");
            if tree.link(&path).is_none()
                && tree.is_folder(&path)
                && !["/proc", "/sys", "/dev"].contains(&path.as_str())
            {
                queue.push(path);
            }
        }
        counts.push((folder, names.len()));
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn the_fullest_folder_is_found() {
        let folder = Folder::new();
        for n in 0..30 {
            folder.put(&format!("var/spool/x/{n}"), "");
        }
        assert_eq!(fullest(&folder.system().tree)[0], ("/var/spool/x".into(), 30));
    }
}
