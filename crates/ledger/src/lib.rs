//! The operations a host has seen and how each ended, on disk. Used by `host` and by `host-sim`.
//!
//! Read in this order:
//! * [`record`]: the lines of a guest's file, pure.
//! * [`book`]: what one guest's records add up to, and the decision about a request, pure.
//! * [`file`]: one append-only file per guest; a torn last line is cut off.
//! * here: [`Ledger`], all guests of one host.
//!
//! What always holds: a record is on disk (fsync) before [`Ledger::begin`] or [`Ledger::end`] returns; a guest's highest
//! sequence never falls, not even when the guest is deleted or old records are pruned; an operation that has ended is in the
//! outbox until region has acknowledged it.

mod book;
mod file;
mod record;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use types::id::{GuestId, OperationId};
use types::operation::{OperationHeader, Outcome};

pub use book::{Begin, Refusal};
use book::{Book, Keep};
use file::GuestFile;
use record::Record;

/// The ledger can't be read or written. Nothing may be acted on then.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("cannot {doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
    /// Not the torn end of a last write, but damage. Other guests are served; this one is not, because its highest sequence is
    /// not known any more.
    #[error("{path}, line {line}, is damaged: move the file away once no operation for this guest is open in region")]
    Damaged { path: PathBuf, line: usize },
    #[error("operation {0} never began here")]
    Unknown(OperationId),
}

/// An operation that has ended and that region has not acknowledged yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreported {
    pub operation: OperationId,
    pub guest: GuestId,
    pub outcome: Outcome,
}

/// How much is kept of what region has acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// The latest ended and acknowledged operations of each guest.
    pub per_guest: usize,
    /// A deleted guest's file, and with it its highest sequence, goes after this time.
    pub tombstone: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { per_guest: 16, tombstone: Duration::from_hours(30 * 24) }
    }
}

/// All guests of one host. Cheap to clone; every clone is the same ledger.
///
/// The calls block for a write and its fsync: use [`tokio::task::spawn_blocking`] or the `_async` forms where that matters.
#[derive(Debug, Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// None: nothing on disk, for thousands of simulated hosts in one process.
    folder: Option<PathBuf>,
    guests: Mutex<HashMap<GuestId, Arc<Mutex<Slot>>>>,
    /// An operation's guest. Ids are unique over guests, so an id reused for another guest is found here.
    operations: Mutex<HashMap<OperationId, GuestId>>,
}

#[derive(Debug)]
struct Slot {
    book: Book,
    file: Option<GuestFile>,
    damaged: Option<(PathBuf, usize)>,
}

impl Slot {
    fn write(&mut self, record: Record, durable: bool) -> Result<(), LedgerError> {
        if let Some(file) = &mut self.file {
            file.append(&record, durable)?;
        }
        self.book.apply(record);
        Ok(())
    }
    fn sound(&self) -> Result<(), LedgerError> {
        match &self.damaged {
            Some((path, line)) => Err(LedgerError::Damaged { path: path.clone(), line: *line }),
            None => Ok(()),
        }
    }
}

impl Ledger {
    /// Opens or makes the ledger in a folder of its own (mode 0700) and reads all of it.
    ///
    /// # Errors
    /// [`LedgerError::Io`]. A damaged file of one guest is no error here: it is logged, and that guest's requests fail.
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        let mut guests = HashMap::new();
        let mut operations = HashMap::new();
        for (guest, path) in file::scan(folder)? {
            let (slot, ids) = match GuestFile::open(folder, guest) {
                Ok((file, records)) => {
                    let book = Book::from_records(records);
                    let ids = book.operations().collect::<Vec<_>>();
                    (Slot { book, file: Some(file), damaged: None }, ids)
                }
                Err(LedgerError::Damaged { path, line }) => {
                    tracing::error!(%guest, path = %path.display(), line, "the ledger of this guest is damaged, its requests will be refused");
                    (Slot { book: Book::default(), file: None, damaged: Some((path, line)) }, Vec::new())
                }
                Err(other) => return Err(other),
            };
            tracing::debug!(%guest, path = %path.display(), operations = ids.len(), "read the ledger of a guest");
            operations.extend(ids.into_iter().map(|id| (id, guest)));
            guests.insert(guest, Arc::new(Mutex::new(slot)));
        }
        Ok(Self::new(Some(folder.to_owned()), guests, operations))
    }

    /// A ledger that forgets everything with its last clone. Keep a clone to play a restart of the host.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(None, HashMap::new(), HashMap::new())
    }

    fn new(
        folder: Option<PathBuf>,
        guests: HashMap<GuestId, Arc<Mutex<Slot>>>,
        operations: HashMap<OperationId, GuestId>,
    ) -> Self {
        Self { inner: Arc::new(Inner { folder, guests: Mutex::new(guests), operations: Mutex::new(operations) }) }
    }

    /// To be called with every request, before anything is done. `fingerprint` tells one request from another (a digest of its
    /// contents without the header); a repeat must have the same.
    ///
    /// # Errors
    /// [`LedgerError`]: do not act.
    pub fn begin(&self, header: &OperationHeader, fingerprint: &str) -> Result<Begin, LedgerError> {
        if let Some(owner) = lock(&self.inner.operations).get(&header.id)
            && *owner != header.guest
        {
            return Ok(Begin::Refused(Refusal::IdReused));
        }
        let slot = self.slot(header.guest)?;
        let mut slot = lock(&slot);
        slot.sound()?;
        let decision = slot.book.decide(header, fingerprint);
        if decision == Begin::Fresh {
            // Claimed first: two requests with one id for two guests at the same moment must not both be fresh.
            let owner = *lock(&self.inner.operations).entry(header.id).or_insert(header.guest);
            if owner != header.guest {
                return Ok(Begin::Refused(Refusal::IdReused));
            }
            slot.write(Record::begin(header, fingerprint), true)?;
        }
        Ok(decision)
    }

    /// Records how an operation ended. The first outcome stays: the one that is recorded is returned.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`] if it never began, [`LedgerError::Io`].
    pub fn end(&self, operation: OperationId, outcome: &Outcome) -> Result<Outcome, LedgerError> {
        let slot = self.slot_of(operation)?;
        let mut slot = lock(&slot);
        if let Some(recorded) = slot.book.outcome(operation) {
            return Ok(recorded.clone());
        }
        let deletes = matches!(outcome, Outcome::Deleted);
        slot.write(Record::end(operation, outcome.clone()), true)?;
        if deletes {
            slot.write(Record::tombstone(), true)?;
        }
        Ok(outcome.clone())
    }

    /// Region has the outcome. Unknown and repeated ones are no error. Not synced: a lost one is reported once more.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn acknowledged(&self, operation: OperationId) -> Result<(), LedgerError> {
        let Ok(slot) = self.slot_of(operation) else { return Ok(()) };
        let mut slot = lock(&slot);
        if slot.book.is_unreported(operation) {
            slot.write(Record::acknowledged(operation), false)?;
        }
        Ok(())
    }

    /// What region is yet to be told, oldest first within a guest.
    #[must_use]
    pub fn outbox(&self) -> Vec<Unreported> {
        let mut all = Vec::new();
        for (guest, slot) in self.slots() {
            let slot = lock(&slot);
            all.extend(slot.book.unreported().map(|(operation, outcome)| Unreported {
                operation,
                guest,
                outcome: outcome.clone(),
            }));
        }
        all
    }

    /// Operations that began and have not ended: what a crash of the host interrupted. Only the latest of a guest may go on.
    #[must_use]
    pub fn open_operations(&self) -> Vec<OperationHeader> {
        self.slots().iter().flat_map(|(_, slot)| lock(slot).book.open().cloned().collect::<Vec<_>>()).collect()
    }

    /// The recorded outcome, if the operation has ended and is still kept.
    #[must_use]
    pub fn outcome(&self, operation: OperationId) -> Option<Outcome> {
        let slot = self.slot_of(operation).ok()?;
        let slot = lock(&slot);
        slot.book.outcome(operation).cloned()
    }

    /// The highest sequence seen for a guest; 0 if none.
    #[must_use]
    pub fn highest_sequence(&self, guest: GuestId) -> u64 {
        let slot = lock(&self.inner.guests).get(&guest).cloned();
        slot.map_or(0, |slot| lock(&slot).book.highest())
    }

    /// Forgets old acknowledged operations and rewrites the files that shrank. Sequences stay.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; what was pruned before it stays pruned.
    pub fn prune(&self, retention: Retention) -> Result<(), LedgerError> {
        for (guest, slot) in self.slots() {
            let mut slot = lock(&slot);
            if slot.damaged.is_some() {
                continue;
            }
            if slot.book.expired(retention.tombstone) {
                if let Some(file) = slot.file.take() {
                    file.remove()?;
                }
                self.forget(slot.book.operations());
                lock(&self.inner.guests).remove(&guest);
                continue;
            }
            let Keep { records, dropped } = slot.book.compact(retention.per_guest);
            if dropped.is_empty() {
                continue;
            }
            if let Some(file) = &mut slot.file {
                file.rewrite(&records)?;
            }
            slot.book = Book::from_records(records);
            self.forget(dropped.into_iter());
        }
        Ok(())
    }

    /// [`Ledger::begin`] off the async threads.
    ///
    /// # Errors
    /// As there.
    pub async fn begin_async(&self, header: &OperationHeader, fingerprint: &str) -> Result<Begin, LedgerError> {
        let (header, fingerprint) = (header.clone(), fingerprint.to_owned());
        self.blocking(move |ledger| ledger.begin(&header, &fingerprint)).await
    }

    /// [`Ledger::end`] off the async threads.
    ///
    /// # Errors
    /// As there.
    pub async fn end_async(&self, operation: OperationId, outcome: &Outcome) -> Result<Outcome, LedgerError> {
        let outcome = outcome.clone();
        self.blocking(move |ledger| ledger.end(operation, &outcome)).await
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(Self) -> T + Send + 'static) -> T {
        let ledger = self.clone();
        if self.inner.folder.is_none() {
            return work(ledger);
        }
        match tokio::task::spawn_blocking(move || work(ledger)).await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn forget(&self, operations: impl Iterator<Item = OperationId>) {
        let mut index = lock(&self.inner.operations);
        operations.for_each(|id| {
            index.remove(&id);
        });
    }

    fn slots(&self) -> Vec<(GuestId, Arc<Mutex<Slot>>)> {
        lock(&self.inner.guests).iter().map(|(guest, slot)| (*guest, Arc::clone(slot))).collect()
    }

    fn slot(&self, guest: GuestId) -> Result<Arc<Mutex<Slot>>, LedgerError> {
        let mut guests = lock(&self.inner.guests);
        if let Some(slot) = guests.get(&guest) {
            return Ok(Arc::clone(slot));
        }
        let file = match &self.inner.folder {
            Some(folder) => Some(GuestFile::open(folder, guest)?.0),
            None => None,
        };
        let slot = Arc::new(Mutex::new(Slot { book: Book::default(), file, damaged: None }));
        guests.insert(guest, Arc::clone(&slot));
        Ok(slot)
    }

    fn slot_of(&self, operation: OperationId) -> Result<Arc<Mutex<Slot>>, LedgerError> {
        let guest = lock(&self.inner.operations).get(&operation).copied();
        guest.and_then(|guest| lock(&self.inner.guests).get(&guest).cloned()).ok_or(LedgerError::Unknown(operation))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A record is applied to the book only after it was written: a panic in between leaves both whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
