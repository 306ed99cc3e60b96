//! The chain of an object's events: each holds the hash of the one before. Recomputed here, by whoever holds the rows, so that nobody has to
//! be believed. The database makes the same hashes; the form is written down in the migration `audit`.

use sha2::{Digest, Sha256};
use types::rescue::{hex, unhex};

use crate::event::Event;

/// The last event of a chain.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Head {
    pub seq: i64,
    /// Lower-case hex.
    pub hash: String,
}

/// Where a chain breaks first, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    #[error("events {from} to {to} of the chain are missing")]
    Missing { from: i64, to: i64 },
    #[error("event {id} (number {seq}) does not follow the one before it: rows were exchanged, inserted or changed")]
    Order { id: i64, seq: i64 },
    #[error("event {id} (number {seq}) is not what was written: it was changed")]
    Changed { id: i64, seq: i64 },
    #[error("event {id} is not in the chain, though it is younger than others that are")]
    Outside { id: i64 },
    #[error("the chain ends at number {seq}, but number {known} was seen before: its end was cut off")]
    CutOff { seq: i64, known: i64 },
    #[error("event number {seq} is another than the one that was seen before: the chain was written anew")]
    Rewritten { seq: i64 },
}

/// The hash of an event, as it must be after this one.
#[must_use]
pub fn hash(before: &[u8], event: &Event) -> [u8; 32] {
    let mut text = String::from("lifeboat-event-1");
    let mut field = |value: Option<&str>| {
        text.push('\n');
        match value {
            Some(value) => text.push_str(&format!("{}:{value}", value.len())),
            None => text.push('-'),
        }
    };
    field(Some(&event.id.to_string()));
    field(Some(&event.obj_type));
    field(Some(&event.obj_id.to_string()));
    field(Some(&event.obj_name));
    field(Some(&event.action));
    field(Some(if event.success { "true" } else { "false" }));
    field(Some(&event.notes));
    field(event.old_status.as_deref());
    field(event.new_status.as_deref());
    field(Some(&event.user));
    field(Some(&event.project));
    field(event.source.as_deref());
    field(event.request_id.as_deref());
    field(event.task_id.map(|id| id.to_string()).as_deref());
    field(Some(&event.ops_time.timestamp_micros().to_string()));
    Sha256::new().chain_update(before).chain_update(text).finalize().into()
}

/// Checks all events of one object, in any order. Those from before there were chains come first and are passed over. `seen`: a head that was
/// kept elsewhere, so that also a cut-off end is noticed.
///
/// # Errors
/// The first [`Break`].
pub fn verify(events: &[Event], seen: Option<&Head>) -> Result<Option<Head>, Break> {
    let mut chained: Vec<(i64, &Event)> = events.iter().filter_map(|e| Some((e.seq?, e))).collect();
    chained.sort_by_key(|(seq, event)| (*seq, event.id));
    let youngest_old = events.iter().filter(|e| e.seq.is_none()).map(|e| e.id).max();
    let oldest = chained.iter().map(|(_, e)| e.id).min();
    if let (Some(old), Some(oldest)) = (youngest_old, oldest)
        && old > oldest
    {
        return Err(Break::Outside { id: old });
    }
    let (mut last, mut before) = (0, vec![0; 32]);
    for (seq, event) in chained {
        if seq > last + 1 {
            return Err(Break::Missing { from: last + 1, to: seq - 1 });
        }
        let claimed = |text: &Option<String>| text.as_deref().and_then(unhex).unwrap_or_default();
        if seq != last + 1 || claimed(&event.prev_hash) != before {
            return Err(Break::Order { id: event.id, seq });
        }
        let is = hash(&before, event);
        if claimed(&event.hash) != is {
            return Err(Break::Changed { id: event.id, seq });
        }
        if let Some(seen) = seen.filter(|seen| seen.seq == seq)
            && seen.hash != hex(&is)
        {
            return Err(Break::Rewritten { seq });
        }
        (last, before) = (seq, is.to_vec());
    }
    match seen {
        Some(seen) if seen.seq > last => Err(Break::CutOff { seq: last, known: seen.seq }),
        _ => Ok((last > 0).then(|| Head { seq: last, hash: hex(&before) })),
    }
}
