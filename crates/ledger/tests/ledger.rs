//! The ledger on a real disk: what it says after a restart, after a torn write, after damage, and under contention.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use ledger::{Begin, Ledger, LedgerError, Refusal, Retention};
use types::id::{GuestId, OperationId, TaskId};
use types::operation::{OperationHeader, Outcome};

fn header(guest: GuestId, sequence: u64) -> OperationHeader {
    OperationHeader {
        id: OperationId::generate(),
        guest,
        sequence,
        task: TaskId::generate(),
        request_id: "req-1".into(),
    }
}

struct Disk {
    folder: tempfile::TempDir,
}
impl Disk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }
    fn open(&self) -> Ledger {
        Ledger::open(&self.folder.path().join("ledger")).unwrap()
    }
    fn file(&self, guest: GuestId) -> PathBuf {
        self.folder.path().join("ledger").join(format!("{guest}.log"))
    }
}

#[test]
fn a_restart_forgets_nothing() {
    let disk = Disk::new();
    let guest = GuestId::generate();
    let (done, owed, open) = (header(guest, 1), header(guest, 2), header(guest, 3));
    let ledger = disk.open();
    for operation in [&done, &owed, &open] {
        assert_eq!(ledger.begin(operation, "f").unwrap(), Begin::Fresh);
    }
    assert_eq!(ledger.end(done.id, &Outcome::Started).unwrap(), Outcome::Started);
    assert_eq!(ledger.end(done.id, &Outcome::Deleted).unwrap(), Outcome::Started, "the first outcome stays");
    ledger.end(owed.id, &Outcome::Started).unwrap();
    ledger.acknowledged(done.id).unwrap();
    drop(ledger);

    let ledger = disk.open();
    assert_eq!(ledger.begin(&done, "f").unwrap(), Begin::Ended(Outcome::Started));
    assert_eq!(ledger.begin(&open, "f").unwrap(), Begin::InProgress);
    assert_eq!(ledger.open_operations(), std::slice::from_ref(&open));
    let outbox = ledger.outbox();
    assert_eq!(outbox.iter().map(|entry| entry.operation).collect::<Vec<_>>(), [owed.id]);
    ledger.acknowledged(owed.id).unwrap();
    assert!(ledger.outbox().is_empty());
    let late = header(guest, 2);
    assert_eq!(ledger.begin(&late, "f").unwrap(), Begin::Refused(Refusal::Sequence { got: 2, highest: 3 }));
    let mode = disk.file(guest).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_id_belongs_to_one_guest() {
    let ledger = Ledger::in_memory();
    let first = header(GuestId::generate(), 1);
    ledger.begin(&first, "f").unwrap();
    let other = OperationHeader { guest: GuestId::generate(), ..first };
    assert_eq!(ledger.begin(&other, "f").unwrap(), Begin::Refused(Refusal::IdReused));
    let never = OperationId::generate();
    assert!(matches!(ledger.end(never, &Outcome::Started), Err(LedgerError::Unknown(id)) if id == never));
    ledger.acknowledged(never).unwrap();
}

#[test]
fn a_torn_last_record_is_as_if_never_written() {
    let disk = Disk::new();
    let guest = GuestId::generate();
    let (first, second) = (header(guest, 1), header(guest, 2));
    let ledger = disk.open();
    ledger.begin(&first, "f").unwrap();
    let whole = disk.file(guest).metadata().unwrap().len();
    ledger.begin(&second, "f").unwrap();
    drop(ledger);
    let all = std::fs::read(disk.file(guest)).unwrap();

    for cut in whole..all.len() as u64 {
        std::fs::write(disk.file(guest), &all[..usize::try_from(cut).unwrap()]).unwrap();
        let ledger = disk.open();
        assert_eq!(ledger.begin(&first, "f").unwrap(), Begin::InProgress, "cut at {cut}");
        assert_eq!(ledger.begin(&second, "f").unwrap(), Begin::Fresh, "cut at {cut}");
        drop(ledger);
        assert_eq!(disk.open().begin(&second, "f").unwrap(), Begin::InProgress, "cut at {cut}");
    }
}

#[test]
fn damage_stops_one_guest_only() {
    let disk = Disk::new();
    let (guest, other) = (GuestId::generate(), GuestId::generate());
    let ledger = disk.open();
    ledger.begin(&header(guest, 1), "f").unwrap();
    ledger.begin(&header(other, 1), "f").unwrap();
    drop(ledger);
    let good = std::fs::read(disk.file(guest)).unwrap();
    std::fs::write(disk.file(guest), [b"????????\n", &good[..]].concat()).unwrap();

    let ledger = disk.open();
    let error = ledger.begin(&header(guest, 2), "f").unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { line: 1, .. }), "{error}");
    assert_eq!(ledger.begin(&header(other, 2), "f").unwrap(), Begin::Fresh);
    ledger.prune(Retention { per_guest: 0, tombstone: Duration::ZERO }).unwrap();
    assert!(disk.file(guest).exists(), "what is damaged is evidence");
}

#[test]
fn pruning_shrinks_the_file_and_keeps_the_sequence() {
    let disk = Disk::new();
    let guest = GuestId::generate();
    let ledger = disk.open();
    for sequence in 1..=40 {
        let operation = header(guest, sequence);
        ledger.begin(&operation, "f").unwrap();
        ledger.end(operation.id, &Outcome::Started).unwrap();
        ledger.acknowledged(operation.id).unwrap();
    }
    let before = disk.file(guest).metadata().unwrap().len();
    ledger.prune(Retention { per_guest: 2, ..Retention::default() }).unwrap();
    assert!(disk.file(guest).metadata().unwrap().len() < before / 8);
    let next = header(guest, 41);
    assert_eq!(ledger.begin(&next, "f").unwrap(), Begin::Fresh, "the rewritten file is the one written to");
    drop(ledger);
    // A rewrite that was interrupted before its rename leaves only this behind.
    std::fs::write(disk.file(guest).with_extension("log.new"), "half").unwrap();
    let ledger = disk.open();
    assert_eq!(ledger.begin(&next, "f").unwrap(), Begin::InProgress);
    assert!(matches!(ledger.begin(&header(guest, 40), "f").unwrap(), Begin::Refused(Refusal::Sequence { .. })));
}

#[test]
fn a_deleted_guest_is_remembered_for_a_while() {
    let disk = Disk::new();
    let guest = GuestId::generate();
    let ledger = disk.open();
    let delete = header(guest, 7);
    ledger.begin(&delete, "f").unwrap();
    ledger.end(delete.id, &Outcome::Deleted).unwrap();
    ledger.prune(Retention { per_guest: 0, tombstone: Duration::ZERO }).unwrap();
    assert!(disk.file(guest).exists(), "region has not been told yet");
    ledger.acknowledged(delete.id).unwrap();
    ledger.prune(Retention { per_guest: 0, tombstone: Duration::from_hours(1) }).unwrap();
    assert!(matches!(disk.open().begin(&header(guest, 6), "f").unwrap(), Begin::Refused(Refusal::Sequence { .. })));
    ledger.prune(Retention { per_guest: 0, tombstone: Duration::ZERO }).unwrap();
    assert!(!disk.file(guest).exists());
    assert_eq!(ledger.highest_sequence(guest), 0);
}

#[test]
fn of_many_equal_requests_at_once_one_is_fresh() {
    let disk = Disk::new();
    let ledger = disk.open();
    let operation = header(GuestId::generate(), 1);
    let answers: Vec<Begin> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| ledger.begin(&operation, "f").unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| **answer == Begin::Fresh).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == Begin::InProgress).count(), 7);
}

#[tokio::test]
async fn a_write_that_fails_is_not_begun() {
    let disk = Disk::new();
    let guest = GuestId::generate();
    let ledger = disk.open();
    std::fs::remove_dir(disk.folder.path().join("ledger")).unwrap();
    let operation = header(guest, 1);
    assert!(matches!(ledger.begin_async(&operation, "f").await, Err(LedgerError::Io { .. })));
    std::fs::create_dir(disk.folder.path().join("ledger")).unwrap();
    assert_eq!(ledger.begin_async(&operation, "f").await.unwrap(), Begin::Fresh);
    assert_eq!(ledger.end_async(operation.id, &Outcome::Started).await.unwrap(), Outcome::Started);
    // Something else appended in the meantime: cut off, as it is no whole record of ours.
    OpenOptions::new().append(true).open(disk.file(guest)).unwrap().write_all(b"half a rec").unwrap();
    ledger.begin_async(&header(guest, 2), "f").await.unwrap();
    drop(ledger);
    assert_eq!(disk.open().open_operations().len(), 1);
}
