//! The lines of a guest's file: one JSON object each, behind the first eight hex digits of a checksum over it, so that a line
//! that was torn or overwritten is told from a whole one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::id::OperationId;
use types::operation::{OperationHeader, Outcome};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    Begin {
        header: OperationHeader,
        fingerprint: String,
        at: DateTime<Utc>,
    },
    End {
        operation: OperationId,
        #[serde(flatten)]
        outcome: Outcome,
        at: DateTime<Utc>,
    },
    Acknowledged {
        operation: OperationId,
    },
    /// The guest was deleted; a later `Begin` means that it was made again.
    Tombstone {
        at: DateTime<Utc>,
    },
    /// Left by pruning: what the pruned records said of the sequence.
    Floor {
        sequence: u64,
    },
}

impl Record {
    pub fn begin(header: &OperationHeader, fingerprint: &str) -> Self {
        Self::Begin { header: header.clone(), fingerprint: fingerprint.to_owned(), at: Utc::now() }
    }
    pub fn end(operation: OperationId, outcome: Outcome) -> Self {
        Self::End { operation, outcome, at: Utc::now() }
    }
    pub fn acknowledged(operation: OperationId) -> Self {
        Self::Acknowledged { operation }
    }
    pub fn tombstone() -> Self {
        Self::Tombstone { at: Utc::now() }
    }

    /// The record as a line, line feed included.
    pub fn to_line(&self) -> String {
        let json = serde_json::to_string(self).expect("a record is plain data");
        format!("{:08x} {json}\n", checksum(json.as_bytes()))
    }

    /// `None` for anything that [`Record::to_line`] has not written in full.
    pub fn from_line(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let (sum, json) = text.split_once(' ')?;
        if u32::from_str_radix(sum, 16).ok()? != checksum(json.as_bytes()) {
            return None;
        }
        serde_json::from_str(json).ok()
    }
}

/// FNV-1a, 32 bits: against torn writes, not against malice.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::id::{GuestId, TaskId};
    use types::operation::{Failure, FailureCode};

    #[test]
    fn a_line_reads_back_and_any_cut_or_flip_is_seen() {
        let header = OperationHeader {
            id: OperationId::generate(),
            guest: GuestId::generate(),
            sequence: 9,
            task: TaskId::generate(),
            request_id: "req".into(),
        };
        let failure = Failure { code: FailureCode::Panic, message: "a\nb".into(), evidence: vec!["ü".into()] };
        for record in
            [Record::begin(&header, "f"), Record::end(header.id, Outcome::Failed { failure }), Record::tombstone()]
        {
            let line = record.to_line();
            assert_eq!(line.matches('\n').count(), 1);
            assert_eq!(Record::from_line(line.as_bytes()), Some(record));
            for cut in 0..line.len() {
                assert_eq!(Record::from_line(&line.as_bytes()[..cut]), None, "cut at {cut}");
            }
            for at in 9..line.len() - 1 {
                let mut flipped = line.clone().into_bytes();
                flipped[at] ^= 1;
                assert_eq!(Record::from_line(&flipped), None, "flipped at {at}");
            }
        }
    }
}
