//! Which transfers are at work, and whether one more may begin.
//!
//! A client is known by address and port while it fetches a file. A second request from there is either the first one repeated,
//! because the answer is late, or the client has given up and starts anew; the table tells them apart.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(crate) struct Table {
    max: usize,
    max_per_client: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<SocketAddr, Entry>,
    per_client: HashMap<IpAddr, usize>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    request: Vec<u8>,
    heard: Arc<AtomicBool>,
    cancel: CancellationToken,
}

/// Whether a request is served.
#[derive(Debug)]
pub(crate) enum Admission {
    Begin(Ticket),
    /// The same request once more, and its transfer has not been answered yet: it will repeat its first packet by itself.
    Repeated,
    /// The server is full. Not answered: the client asks again later, which an error would keep it from.
    Full,
    /// This client has too many at once.
    ClientFull,
}

/// The right to transfer; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Ticket {
    table: Arc<Table>,
    client: SocketAddr,
    number: u64,
    heard: Arc<AtomicBool>,
    /// Cancelled when the client begins anew.
    pub(crate) cancel: CancellationToken,
}

impl Ticket {
    /// The client has answered: from now on the same request means that it begins anew.
    pub(crate) fn mark_heard(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }
}

impl Table {
    pub(crate) fn new(max: usize, max_per_client: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_client, inner: Mutex::default() })
    }

    pub(crate) fn admit(self: &Arc<Self>, client: SocketAddr, request: &[u8]) -> Admission {
        let mut inner = self.lock();
        if let Some(entry) = inner.sessions.get(&client) {
            if entry.request == request && !entry.heard.load(Ordering::Relaxed) {
                return Admission::Repeated;
            }
            entry.cancel.cancel();
            inner.remove(client);
        }
        if inner.sessions.len() >= self.max {
            return Admission::Full;
        }
        let of_client = inner.per_client.entry(client.ip()).or_default();
        if *of_client >= self.max_per_client {
            return Admission::ClientFull;
        }
        *of_client += 1;
        inner.next += 1;
        let number = inner.next;
        let (heard, cancel) = (Arc::new(AtomicBool::new(false)), CancellationToken::new());
        let entry = Entry { number, request: request.to_vec(), heard: heard.clone(), cancel: cancel.clone() };
        inner.sessions.insert(client, entry);
        Admission::Begin(Ticket { table: self.clone(), client, number, heard, cancel })
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().sessions.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Every change below is whole before anything can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remove(&mut self, client: SocketAddr) {
        self.sessions.remove(&client);
        if let Some(count) = self.per_client.get_mut(&client.ip()) {
            *count -= 1;
            if *count == 0 {
                self.per_client.remove(&client.ip());
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.table.lock();
        // A client that began anew has a younger entry, which is not ours to remove.
        if inner.sessions.get(&self.client).is_some_and(|entry| entry.number == self.number) {
            inner.remove(self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn limits_hold_and_room_is_made_again() {
        let table = Table::new(3, 2);
        let begin = |port| table.admit(at(port), b"r");
        let (Admission::Begin(one), Admission::Begin(_two)) = (begin(1), begin(2)) else { panic!("there is room") };
        assert!(matches!(begin(3), Admission::ClientFull));
        let other = SocketAddr::from(([127, 0, 0, 2], 1));
        let Admission::Begin(_other) = table.admit(other, b"r") else { panic!("there is room") };
        assert!(matches!(table.admit(SocketAddr::from(([127, 0, 0, 3], 1)), b"r"), Admission::Full));
        drop(one);
        assert!(matches!(begin(3), Admission::Begin(_)));
    }

    #[test]
    fn a_repeated_request_is_told_from_a_new_one() {
        let table = Table::new(3, 3);
        let Admission::Begin(first) = table.admit(at(1), b"a") else { panic!() };
        assert!(matches!(table.admit(at(1), b"a"), Admission::Repeated));
        first.mark_heard();
        let Admission::Begin(second) = table.admit(at(1), b"a") else { panic!("the client begins anew") };
        assert!(first.cancel.is_cancelled() && !second.cancel.is_cancelled());
        drop(first);
        assert_eq!(table.len(), 1, "the older transfer does not remove the younger");
        let Admission::Begin(_third) = table.admit(at(1), b"b") else { panic!("another file") };
        assert!(second.cancel.is_cancelled());
        drop(second);
        assert_eq!(table.len(), 1);
    }
}
