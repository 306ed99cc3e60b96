//! Who has a disk: a file beside its image, `<image>.lease`, while a host uses it. QEMU's lock on the image is what keeps two QEMUs apart;
//! on a folder that several hosts share it may not reach the other host (NFS before version 4), and it is not held between a guest's
//! boots, nor while the agent changes an image itself.
//!
//! A lease is never taken over because it is old: an agent that is away renews nothing while its guests run on. It is taken over only
//! where nothing of its holder can run any more: the same machine has restarted since. Whoever knows more removes the file; the
//! refusal says so, who has it, and when it was renewed.
//!
//! Made by link(2), which is atomic on NFS as well; replaced only by its holder, so there is no race between two hosts.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use types::id::GuestId;

/// Who holds leases here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The host's name in region.
    pub host: String,
    /// `/etc/machine-id`: hosts may be named alike. Empty: it has none.
    pub machine: String,
    /// Of the machine's latest start.
    pub boot: String,
    /// One machine may have several agents.
    pub workspace: PathBuf,
}

impl Holder {
    /// This agent.
    #[must_use]
    pub fn here(host: &str, workspace: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let (machine, boot) = (read("/etc/machine-id"), read("/proc/sys/kernel/random/boot_id"));
        Self { host: host.to_owned(), machine, boot, workspace: workspace.to_owned() }
    }
}

/// What is in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    #[serde(flatten)]
    pub holder: Holder,
    pub guest: GuestId,
    /// Seconds since 1970, by the holder's clock.
    pub renewed: u64,
}

/// What a lease that is there means to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Mine,
    /// Nothing of its holder can run any more.
    Stale,
    Held,
}

impl Lease {
    #[must_use]
    fn new(holder: &Holder, guest: GuestId) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { holder: holder.clone(), guest, renewed: now.as_secs() }
    }

    /// Decides. Pure.
    #[must_use]
    pub fn standing(&self, holder: &Holder, guest: GuestId) -> Standing {
        let (theirs, ours) = (&self.holder, holder);
        let machine = theirs.host == ours.host && theirs.machine == ours.machine;
        // Without its number, the latest start could be any.
        let restarted = theirs.boot != ours.boot && !theirs.boot.is_empty() && !ours.boot.is_empty();
        if machine && restarted {
            return Standing::Stale;
        }
        if theirs == ours && self.guest == guest { Standing::Mine } else { Standing::Held }
    }

    fn said(&self, file: &Path) -> String {
        let since =
            SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_secs(self.renewed)).unwrap_or_default();
        format!(
            "host '{}' (workspace {}) has it for guest {}, and renewed that {} s ago: stop the guest there; if that machine is off for good, remove {}",
            self.holder.host,
            self.holder.workspace.display(),
            self.guest,
            since.as_secs(),
            file.display()
        )
    }
}

/// Why a disk can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    #[error("{0}")]
    Held(String),
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
}

/// The file beside an image.
#[must_use]
pub fn file(image: &Path) -> PathBuf {
    let mut name = image.as_os_str().to_owned();
    name.push(".lease");
    name.into()
}

/// Whether the image is free for this guest, without taking it.
///
/// # Errors
/// [`LeaseError`].
pub fn look(image: &Path, holder: &Holder, guest: GuestId) -> Result<Option<Standing>, LeaseError> {
    let file = file(image);
    let failed = |error| LeaseError::File { path: file.clone(), error };
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let Ok(lease) = serde_json::from_slice::<Lease>(&bytes) else {
        return Err(LeaseError::Held(format!(
            "{} can't be read as a lease: remove it if nobody uses the disk",
            file.display()
        )));
    };
    match lease.standing(holder, guest) {
        Standing::Held => Err(LeaseError::Held(lease.said(&file))),
        standing => Ok(Some(standing)),
    }
}

/// Takes the image for the guest, or renews that.
///
/// # Errors
/// [`LeaseError`]; nothing is changed then.
pub fn take(image: &Path, holder: &Holder, guest: GuestId) -> Result<(), LeaseError> {
    let file = file(image);
    let failed = |error| LeaseError::File { path: file.clone(), error };
    let there = look(image, holder, guest)?;
    // Two hosts may have the same process numbers.
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| failed(io::Error::other(error)))?;
    let mut temporary = file.clone().into_os_string();
    temporary.push(format!(".{}", types::rescue::hex(&random)));
    let temporary = PathBuf::from(temporary);
    let json = serde_json::to_vec(&Lease::new(holder, guest)).expect("plain data");
    // Not synced: after a crash of the machine it counts no more.
    std::fs::write(&temporary, json).map_err(failed)?;
    let made = match there {
        // Mine, or of my machine's earlier life: nobody else may replace it.
        Some(_) => std::fs::rename(&temporary, &file),
        None => std::fs::hard_link(&temporary, &file),
    };
    let _ = std::fs::remove_file(&temporary);
    match made {
        Ok(()) => Ok(()),
        // Another host came first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            look(image, holder, guest)?;
            Err(failed(error))
        }
        Err(error) => Err(failed(error)),
    }
}

/// Gives it back, if it is this guest's.
pub fn release(image: &Path, holder: &Holder, guest: GuestId) {
    if let Ok(Some(_)) = look(image, holder, guest)
        && let Err(error) = std::fs::remove_file(file(image))
    {
        tracing::warn!(image = %image.display(), %error, "a lease can't be given back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(host: &str, boot: &str) -> Holder {
        Holder { host: host.into(), machine: format!("m-{host}"), boot: boot.into(), workspace: "/w".into() }
    }

    #[test]
    fn only_a_machine_that_restarted_loses_a_lease() {
        let (a, guest) = (holder("a", "1"), GuestId::generate());
        let lease = Lease { renewed: 0, ..Lease::new(&a, guest) };
        for (who, whose, expected) in [
            (a.clone(), guest, Standing::Mine),
            (a.clone(), GuestId::generate(), Standing::Held),
            (holder("a", "2"), guest, Standing::Stale),
            (holder("a", ""), guest, Standing::Held),
            (Holder { workspace: "/other".into(), ..a.clone() }, guest, Standing::Held),
            (Holder { workspace: "/other".into(), boot: "2".into(), ..a.clone() }, guest, Standing::Stale),
            (Holder { machine: "another of that name".into(), boot: "2".into(), ..a.clone() }, guest, Standing::Held),
            // However old it is: its guests may run while its agent is away.
            (holder("b", "1"), guest, Standing::Held),
            (holder("b", "2"), guest, Standing::Held),
        ] {
            assert_eq!(lease.standing(&who, whose), expected, "{who:?}");
        }
    }

    #[test]
    fn a_disk_on_a_shared_folder_has_one_host_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("d.qcow2");
        let (a, b, guest) = (holder("a", "1"), holder("b", "7"), GuestId::generate());
        take(&image, &a, guest).unwrap();
        take(&image, &a, guest).expect("renewed");
        let refused = take(&image, &b, guest).unwrap_err().to_string();
        assert!(
            ["host 'a'", "stop the guest there", "d.qcow2.lease"].iter().all(|word| refused.contains(word)),
            "{refused}"
        );
        release(&image, &b, guest);
        assert!(look(&image, &b, guest).is_err(), "it was not b's to give");
        release(&image, &a, guest);
        assert_eq!(look(&image, &b, guest).unwrap(), None);
        take(&image, &b, guest).unwrap();
        assert!(take(&image, &a, guest).is_err());
        take(&image, &holder("b", "8"), guest).expect("b has restarted");
        std::fs::write(file(&image), "{").unwrap();
        let refused = take(&image, &a, guest).unwrap_err().to_string();
        assert!(refused.contains("remove it"), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "and nothing is left behind");
    }

    #[test]
    fn of_many_that_come_at_once_one_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let (image, guest) = (folder.path().join("d.raw"), GuestId::generate());
        let (image, barrier) = (&image, &std::sync::Barrier::new(8));
        let won: usize = std::thread::scope(|scope| {
            let hosts = (0..8).map(|number| {
                scope.spawn(move || {
                    let mine = holder(&format!("h{number}"), "1");
                    barrier.wait();
                    usize::from(take(image, &mine, guest).is_ok())
                })
            });
            hosts.collect::<Vec<_>>().into_iter().map(|host| host.join().unwrap()).sum()
        });
        assert_eq!(won, 1);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
