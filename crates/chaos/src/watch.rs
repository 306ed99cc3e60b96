//! Never two QEMU on a disk: looked at all the time, in the list of processes, whatever region and hosts believe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lifeboat::process::Process;
use tokio::task::JoinHandle;

/// A QEMU process and the server it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub process: Process,
    /// As its command line names it.
    pub server: String,
    pub rescue: bool,
}

/// All QEMU processes of servers beneath the folder that have a disk open. One that becomes a daemon is three for a moment, of which two
/// only wait: they have none. A simulated one never has; of those the parents are left out.
#[must_use]
pub fn machines(root: &Path) -> Vec<Machine> {
    let found: Vec<(Machine, bool)> = lifeboat::process::machines_under(root)
        .into_iter()
        .filter_map(|process| {
            let line = std::fs::read(format!("/proc/{}/cmdline", process.pid)).ok()?;
            let line = String::from_utf8_lossy(&line);
            let (_, rest) = line.split_once("/servers/")?;
            let server = rest.get(..36)?.to_owned();
            let rescue = line.contains("\0-initrd\0") || line.contains("\0-kernel\0");
            // The real one is the distribution's.
            let simulated = !std::fs::read_link(format!("/proc/{}/exe", process.pid)).ok()?.starts_with("/usr");
            let holds = simulated || has_open(process.pid, &format!("/servers/{server}/"));
            (holds && process.is_alive()).then_some((Machine { process, server, rescue }, simulated))
        })
        .collect();
    let parents: Vec<i32> = found.iter().filter_map(|(it, _)| parent(it.process.pid)).collect();
    let waits = |(machine, simulated): &(Machine, bool)| *simulated && parents.contains(&machine.process.pid);
    found.iter().filter(|it| !waits(it)).map(|(machine, _)| machine.clone()).collect()
}

/// Whether the process has a disk of the server open: its image, or the overlay over it.
fn has_open(pid: i32, folder: &str) -> bool {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|file| {
        let file = file.to_string_lossy();
        file.contains(folder) && (file.contains("/disks/") || file.ends_with(".overlay"))
    })
}

/// The process that it was started by.
pub(crate) fn parent(pid: i32) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Looks until it is dropped.
pub struct Watch {
    seen: Arc<Mutex<Vec<String>>>,
    looks: Arc<std::sync::atomic::AtomicU64>,
    task: JoinHandle<()>,
}

const PAUSE: Duration = Duration::from_millis(80);

impl Watch {
    #[must_use]
    pub fn start(root: PathBuf) -> Self {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let looks = Arc::<std::sync::atomic::AtomicU64>::default();
        let (broken, counted) = (Arc::clone(&seen), Arc::clone(&looks));
        let task = tokio::spawn(async move {
            loop {
                let here = root.clone();
                let found = tokio::task::spawn_blocking(move || machines(&here)).await.unwrap_or_default();
                for (server, all) in doubles(&found) {
                    // One that is ending may still be listed beside its successor's beginning: both must be there for longer.
                    tokio::time::sleep(PAUSE).await;
                    if all.iter().filter(|it| it.is_alive()).count() > 1 {
                        let lines = all.iter().map(|it| line(it.pid)).collect::<Vec<_>>().join(" | ");
                        broken.lock().expect("nobody panics with it").push(format!("{server} runs twice: {lines}"));
                    }
                }
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { seen, looks, task }
    }

    /// What was seen since the last call.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().expect("nobody panics with it"))
    }

    /// How often it has looked.
    #[must_use]
    pub fn looks(&self) -> u64 {
        self.looks.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Servers with more than one process.
fn doubles(found: &[Machine]) -> Vec<(String, Vec<Process>)> {
    let mut by_server = BTreeMap::<&str, Vec<Process>>::new();
    for machine in found {
        by_server.entry(&machine.server).or_default().push(machine.process);
    }
    let twice = by_server.into_iter().filter(|(_, all)| all.len() > 1);
    twice.map(|(server, all)| (server.to_owned(), all)).collect()
}

fn line(pid: i32) -> String {
    let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&text).replace('\0', " ");
    format!("{pid}: {}", words.chars().take(400).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;

    struct Ends(Child);
    impl Drop for Ends {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[tokio::test]
    async fn a_second_machine_of_a_server_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let of = |server: u8| {
            let path = folder.path().join(format!("servers/{}", uuid::Uuid::from_u128(server.into())));
            let disk = path.join("disks/1.qcow2");
            std::fs::create_dir_all(disk.parent().unwrap()).unwrap();
            std::fs::write(&disk, "").unwrap();
            // A shell that waits, by another name, with the disk open.
            let mut command = Command::new("sh");
            command.arg0("qemu-system-x86_64").args(["-c", "exec 3<\"$1\"; read -r end", "x"]).arg(disk);
            Ends(command.stdin(std::process::Stdio::piped()).spawn().unwrap())
        };
        let watch = Watch::start(folder.path().to_owned());
        let _machines = [of(1), of(2)];
        let end = std::time::Instant::now() + Duration::from_secs(30);
        let before = watch.looks();
        while watch.looks() < before + 3 {
            assert!(std::time::Instant::now() < end);
            tokio::time::sleep(PAUSE).await;
        }
        while machines(folder.path()).len() < 2 {
            assert!(std::time::Instant::now() < end);
            tokio::time::sleep(PAUSE).await;
        }
        assert_eq!(watch.broken(), Vec::<String>::new());
        let _second = of(2);
        let mut broken = Vec::new();
        while broken.is_empty() {
            assert!(std::time::Instant::now() < end, "it is not seen");
            tokio::time::sleep(PAUSE).await;
            broken = watch.broken();
        }
        assert!(broken[0].contains("runs twice"), "{broken:?}");
    }
}
