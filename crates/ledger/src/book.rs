//! What one guest's records add up to, and the decision about a request. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use types::id::OperationId;
use types::operation::{OperationHeader, Outcome};

use crate::record::Record;

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Begin {
    /// Never seen; it is recorded now: carry it out.
    Fresh,
    /// Seen, and it has not ended: it is at work, or a crash interrupted it and it may be carried out again.
    InProgress,
    /// Seen, and this is how it ended: say so, do nothing.
    Ended(Outcome),
    Refused(Refusal),
}

/// Why a request must not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A later request for the same guest has been seen.
    #[error("sequence {got} comes too late: {highest} was seen for this guest")]
    Sequence { got: u64, highest: u64 },
    /// The id was given to another request, or to another guest.
    #[error("the operation's id was used for another request")]
    IdReused,
}

#[derive(Debug, Clone)]
struct Entry {
    header: OperationHeader,
    fingerprint: String,
    began: DateTime<Utc>,
    ended: Option<(Outcome, DateTime<Utc>)>,
    acknowledged: bool,
}

/// One guest's operations, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Book {
    entries: Vec<Entry>,
    highest: u64,
    /// Set by a deletion, cleared when the guest is made again.
    deleted: Option<DateTime<Utc>>,
}

/// What pruning leaves.
pub struct Keep {
    pub records: Vec<Record>,
    pub dropped: Vec<OperationId>,
}

impl Book {
    pub fn from_records(records: Vec<Record>) -> Self {
        let mut book = Self::default();
        records.into_iter().for_each(|record| book.apply(record));
        book
    }

    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Begin { header, fingerprint, at } => {
                self.highest = self.highest.max(header.sequence);
                self.deleted = None;
                self.entries.push(Entry { header, fingerprint, began: at, ended: None, acknowledged: false });
            }
            Record::End { operation, outcome, at } => {
                if let Some(entry) = self.entry_mut(operation) {
                    entry.ended.get_or_insert((outcome, at));
                }
            }
            Record::Acknowledged { operation } => {
                if let Some(entry) = self.entry_mut(operation) {
                    entry.acknowledged = true;
                }
            }
            Record::Tombstone { at } => self.deleted = Some(at),
            Record::Floor { sequence } => self.highest = self.highest.max(sequence),
        }
    }

    /// A known operation is answered from its record, whatever came after it, with one exception: one that never ended and
    /// that a later request has overtaken must not be carried out any more.
    pub fn decide(&self, header: &OperationHeader, fingerprint: &str) -> Begin {
        let too_late = Begin::Refused(Refusal::Sequence { got: header.sequence, highest: self.highest });
        match self.entry(header.id) {
            Some(entry) if entry.fingerprint != fingerprint || entry.header.sequence != header.sequence => {
                Begin::Refused(Refusal::IdReused)
            }
            Some(Entry { ended: Some((outcome, _)), .. }) => Begin::Ended(outcome.clone()),
            Some(_) if header.sequence < self.highest => too_late,
            Some(_) => Begin::InProgress,
            // Equal is too late as well: the number belongs to another operation.
            None if header.sequence <= self.highest && !(self.highest == 0 && self.entries.is_empty()) => too_late,
            None => Begin::Fresh,
        }
    }

    pub fn outcome(&self, operation: OperationId) -> Option<&Outcome> {
        self.entry(operation)?.ended.as_ref().map(|(outcome, _)| outcome)
    }

    pub fn is_unreported(&self, operation: OperationId) -> bool {
        self.entry(operation).is_some_and(|entry| entry.ended.is_some() && !entry.acknowledged)
    }

    pub fn unreported(&self) -> impl Iterator<Item = (OperationId, &Outcome)> {
        let waiting = self.entries.iter().filter(|entry| !entry.acknowledged);
        waiting.filter_map(|entry| Some((entry.header.id, &entry.ended.as_ref()?.0)))
    }

    pub fn open(&self) -> impl Iterator<Item = &OperationHeader> {
        self.entries.iter().filter(|entry| entry.ended.is_none()).map(|entry| &entry.header)
    }

    pub fn operations(&self) -> impl Iterator<Item = OperationId> {
        self.entries.iter().map(|entry| entry.header.id)
    }

    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// Deleted that long ago, and region knows all of it.
    pub fn expired(&self, tombstone: Duration) -> bool {
        let all_known = self.entries.iter().all(|entry| entry.acknowledged || entry.ended.is_none());
        self.deleted.is_some_and(|at| (Utc::now() - at).to_std().is_ok_and(|age| age >= tombstone)) && all_known
    }

    /// The records that stay when only the latest `keep` of those that region has acknowledged are kept. An operation that never
    /// ended and was overtaken goes too: nobody waits for it, and its sequence answers for it.
    pub fn compact(&self, keep: usize) -> Keep {
        let done = |entry: &Entry| match entry.ended {
            Some(_) => entry.acknowledged,
            None => entry.header.sequence < self.highest,
        };
        let surplus = self.entries.iter().filter(|entry| done(entry)).count().saturating_sub(keep);
        let mut records = vec![Record::Floor { sequence: self.highest }];
        let mut dropped = Vec::new();
        for entry in &self.entries {
            let id = entry.header.id;
            if done(entry) && dropped.len() < surplus {
                dropped.push(id);
                continue;
            }
            records.push(Record::Begin {
                header: entry.header.clone(),
                fingerprint: entry.fingerprint.clone(),
                at: entry.began,
            });
            if let Some((outcome, at)) = &entry.ended {
                records.push(Record::End { operation: id, outcome: outcome.clone(), at: *at });
            }
            if entry.acknowledged {
                records.push(Record::Acknowledged { operation: id });
            }
        }
        if let Some(at) = self.deleted {
            records.push(Record::Tombstone { at });
        }
        Keep { records, dropped }
    }

    // A guest has a few dozen entries at most: pruning sees to that.
    fn entry(&self, operation: OperationId) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.header.id == operation)
    }
    fn entry_mut(&mut self, operation: OperationId) -> Option<&mut Entry> {
        self.entries.iter_mut().rev().find(|entry| entry.header.id == operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::id::{GuestId, TaskId};

    fn header(sequence: u64) -> OperationHeader {
        OperationHeader {
            id: OperationId::generate(),
            guest: GuestId::generate(),
            sequence,
            task: TaskId::generate(),
            request_id: String::new(),
        }
    }

    #[test]
    fn decisions() {
        let (first, second, never) = (header(1), header(3), header(2));
        let mut book = Book::default();
        assert_eq!(book.decide(&header(0), "x"), Begin::Fresh, "a caller that numbers from 0");
        assert_eq!(book.decide(&first, "a"), Begin::Fresh);
        book.apply(Record::begin(&first, "a"));
        book.apply(Record::end(first.id, Outcome::Started));
        book.apply(Record::end(first.id, Outcome::Deleted));
        book.apply(Record::begin(&second, "b"));

        let late = |got| Begin::Refused(Refusal::Sequence { got, highest: 3 });
        let table = [
            (&first, "a", Begin::Ended(Outcome::Started)),
            (&first, "z", Begin::Refused(Refusal::IdReused)),
            (&OperationHeader { sequence: 4, ..first.clone() }, "a", Begin::Refused(Refusal::IdReused)),
            (&second, "b", Begin::InProgress),
            (&never, "c", late(2)),
            (&header(3), "c", late(3)),
            (&header(4), "c", Begin::Fresh),
        ];
        for (header, fingerprint, expected) in table {
            assert_eq!(book.decide(header, fingerprint), expected, "{header:?} {fingerprint}");
        }

        book.apply(Record::begin(&header(5), "d"));
        let overtaken = Begin::Refused(Refusal::Sequence { got: 3, highest: 5 });
        assert_eq!(book.decide(&second, "b"), overtaken, "never ended, and the way back has begun");
    }

    #[test]
    fn compacting_keeps_what_is_owed_and_the_sequence() {
        let mut book = Book::default();
        let headers: Vec<_> = (1..=6).map(header).collect();
        for header in &headers {
            book.apply(Record::begin(header, "f"));
        }
        for ended in &headers[..4] {
            book.apply(Record::end(ended.id, Outcome::Started));
        }
        for acknowledged in &headers[..3] {
            book.apply(Record::acknowledged(acknowledged.id));
        }
        // 1-3 are acknowledged, 4 is owed, 5 was overtaken, 6 is at work.
        let Keep { records, dropped } = book.compact(1);
        assert_eq!(dropped, [headers[0].id, headers[1].id, headers[2].id]);
        let after = Book::from_records(records);
        assert_eq!(after.highest(), 6);
        assert_eq!(after.unreported().map(|(id, _)| id).collect::<Vec<_>>(), [headers[3].id]);
        assert_eq!(after.decide(&headers[5], "f"), Begin::InProgress);
        let Keep { records, .. } = after.compact(0);
        assert_eq!(Book::from_records(records).operations().collect::<Vec<_>>(), [headers[3].id, headers[5].id]);
    }

    #[test]
    fn a_tombstone_expires_unless_the_guest_is_made_again_or_region_does_not_know() {
        let delete = header(1);
        let mut book = Book::from_records(vec![
            Record::begin(&delete, "f"),
            Record::end(delete.id, Outcome::Deleted),
            Record::tombstone(),
        ]);
        assert!(!book.expired(Duration::ZERO), "region has not been told");
        book.apply(Record::acknowledged(delete.id));
        assert!(book.expired(Duration::ZERO));
        assert!(!book.expired(Duration::from_hours(1)));
        book.apply(Record::begin(&header(2), "f"));
        assert!(!book.expired(Duration::ZERO));
    }
}
