//! One transfer from the sender's side, as a state machine without sockets or clock: packets and times go in, datagrams and a
//! deadline come out.
//!
//! * Blocks are counted from 1 without end; on the wire only their low 16 bits go, so that they roll over to 0.
//! * A window is sent, then an acknowledgement is awaited (RFC 7440; a window of 1 is RFC 1350). An acknowledgement within the
//!   window means that what follows got lost: sending goes on behind it.
//! * A repeated acknowledgement sends nothing (RFC 1123 section 4.2.3.1, the sorcerer's apprentice), with one exception: in a window
//!   of several blocks it may say that the first of them got lost. That is believed once for each sending of a window, and only
//!   when it comes late enough to be an answer to that window.
//! * What gets no answer is sent again after [`Rto`], with back-off, until `patience` is over.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::packet::{DATA_HEADER, ErrorCode, Packet, data_header};
use crate::rto::{Bounds, Rto};

#[derive(Debug, Clone)]
pub struct Params {
    pub blksize: u16,
    pub windowsize: u16,
    /// The encoded option acknowledgement to begin with; `None`: begin with data.
    pub option_ack: Option<Vec<u8>>,
    pub rto: Bounds,
    /// How long a client may be silent that has answered before.
    pub patience: Duration,
    /// How often the first packet is sent again to a client that has never answered. Low, because the address of such a client may
    /// be forged, and what is sent to it unasked for.
    pub first_retries: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            blksize: crate::options::DEFAULT_BLKSIZE,
            windowsize: 1,
            option_ack: None,
            rto: Bounds::default(),
            patience: Duration::from_secs(30),
            first_retries: 5,
        }
    }
}

/// A packet to be sent: `head` and then `body`, which is shared with the window and not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    pub head: Head,
    pub body: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// The header of a data packet.
    Data([u8; DATA_HEADER]),
    /// The body is the whole packet.
    None,
}

impl Datagram {
    fn whole(packet: Vec<u8>) -> Self {
        Self { head: Head::None, body: packet.into() }
    }
    #[must_use]
    pub fn head(&self) -> &[u8] {
        match &self.head {
            Head::Data(header) => header,
            Head::None => &[],
        }
    }
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        [self.head(), &self.body].concat()
    }
}

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The last block was acknowledged.
    Complete,
    /// The client sent an error. Ordinary after options were answered: some clients only ask for the size.
    Refused { code: ErrorCode, message: String },
    /// The client no longer answers.
    Silent,
    /// The client's port was closed, or it asked anew from there. Seen by whoever owns the socket.
    Gone,
    /// [`Sender::fail`] was called.
    Failed,
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Payload bytes that were acknowledged.
    pub bytes: u64,
    /// Data and option packets that were sent more than once.
    pub resent: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for the acknowledgement of the options.
    Options(Bytes),
    Data,
    Ended(End),
}

#[derive(Debug)]
pub struct Sender {
    params: Params,
    phase: Phase,
    rto: Rto,
    /// The first block that is not acknowledged; `window` begins with it.
    base: u64,
    window: VecDeque<Bytes>,
    /// The next block to send. Moves back to resend.
    next: u64,
    /// One past the highest block ever sent.
    fresh: u64,
    /// The last block of the file, once it was supplied.
    last: Option<u64>,
    /// A packet that was sent once, and when: its answer gives the round trip (Karn).
    probe: Option<(u64, Instant)>,
    /// When the newest window was begun, and whether a repeated acknowledgement has made it go out again.
    window_sent: Instant,
    window_resent: bool,
    deadline: Option<Instant>,
    /// The last time something new was heard.
    progress: Instant,
    heard: bool,
    retries: u32,
    options_due: bool,
    farewell: Option<Datagram>,
    counts: Counts,
}

impl Sender {
    #[must_use]
    pub fn new(params: Params, now: Instant) -> Self {
        let phase = match &params.option_ack {
            Some(packet) => Phase::Options(packet.clone().into()),
            None => Phase::Data,
        };
        Self {
            rto: Rto::new(params.rto),
            options_due: matches!(phase, Phase::Options(_)),
            phase,
            params,
            base: 1,
            window: VecDeque::new(),
            next: 1,
            fresh: 1,
            last: None,
            probe: None,
            window_sent: now,
            window_resent: false,
            deadline: None,
            progress: now,
            heard: false,
            retries: 0,
            farewell: None,
            counts: Counts::default(),
        }
    }

    /// Whether the window has room: then [`Self::supply`] the next block before taking what is to be sent.
    #[must_use]
    pub fn wants_block(&self) -> bool {
        self.phase == Phase::Data && self.last.is_none() && self.window.len() < usize::from(self.params.windowsize)
    }

    /// The file's next block. One shorter than the block size is the last.
    pub fn supply(&mut self, block: Bytes) {
        debug_assert!(self.last.is_none() && block.len() <= usize::from(self.params.blksize));
        if block.len() < usize::from(self.params.blksize) {
            self.last = Some(self.base + self.window.len() as u64);
        }
        self.window.push_back(block);
    }

    /// Ends the transfer with an error packet to the client.
    pub fn fail(&mut self, code: ErrorCode, message: &str) {
        self.farewell = Some(Datagram::whole(Packet::Error { code, message: message.as_bytes() }.encode()));
        self.end(End::Failed);
    }

    /// Appends everything that is to be sent now.
    pub fn take_outgoing(&mut self, out: &mut Vec<Datagram>, now: Instant) {
        out.extend(self.farewell.take());
        match &self.phase {
            Phase::Ended(_) => {}
            Phase::Options(packet) => {
                if std::mem::take(&mut self.options_due) {
                    out.push(Datagram { head: Head::None, body: packet.clone() });
                    self.probe = (self.retries == 0).then_some((0, now));
                    self.counts.resent += u64::from(self.retries > 0);
                    self.deadline = Some(now + self.rto.current());
                }
            }
            Phase::Data => self.take_blocks(out, now),
        }
    }

    fn take_blocks(&mut self, out: &mut Vec<Datagram>, now: Instant) {
        let end = self.base + self.window.len() as u64;
        if self.next >= end {
            return;
        }
        if self.next == self.base {
            self.window_sent = now;
        }
        while self.next < end {
            let index = usize::try_from(self.next - self.base).expect("within the window");
            #[expect(clippy::cast_possible_truncation, reason = "the wire carries the low 16 bits")]
            let head = Head::Data(data_header(self.next as u16));
            out.push(Datagram { head, body: self.window[index].clone() });
            if self.next < self.fresh {
                self.counts.resent += 1;
                self.probe = None;
            } else {
                self.fresh = self.next + 1;
                self.probe = Some((self.next, now));
            }
            self.next += 1;
        }
        self.deadline = Some(now + self.rto.current());
    }

    /// A packet came from the client.
    pub fn on_packet(&mut self, packet: &Packet<'_>, now: Instant) {
        match (packet, &self.phase) {
            (_, Phase::Ended(_)) => {}
            (Packet::Error { code, message }, _) => {
                let message = String::from_utf8_lossy(&message[..message.len().min(200)]).into_owned();
                self.end(End::Refused { code: *code, message });
            }
            (Packet::Ack { block: 0 }, Phase::Options(_)) => {
                self.answered(0, now);
                self.phase = Phase::Data;
                self.deadline = None;
            }
            (Packet::Ack { block }, Phase::Data) => self.on_ack(*block, now),
            // Anything else is a stray: a repeated request, or an acknowledgement out of place.
            _ => {}
        }
    }

    fn on_ack(&mut self, block: u16, now: Instant) {
        let before = self.base - 1;
        #[expect(clippy::cast_possible_truncation, reason = "the wire carries the low 16 bits")]
        let distance = u64::from(block.wrapping_sub(before as u16));
        let acked = before + distance;
        if acked >= self.fresh {
            return; // older than the window, or never sent
        }
        if distance == 0 {
            self.on_repeated_ack(now);
            return;
        }
        self.answered(acked, now);
        for _ in 0..distance {
            self.counts.bytes += self.window.pop_front().map_or(0, |body| body.len() as u64);
        }
        // Less than what was sent: the rest got lost, or was overtaken. Either way the client now awaits a window from here.
        self.next = acked + 1;
        self.base = acked + 1;
        self.window_resent = false;
        self.deadline = None;
        if self.last.is_some_and(|last| acked >= last) {
            self.end(End::Complete);
        }
    }

    fn on_repeated_ack(&mut self, now: Instant) {
        self.heard = true;
        let since = now - self.window_sent;
        let answers_window = self.rto.fastest().is_some_and(|fastest| since >= fastest);
        // Believed once more when all has been quiet for long enough: then the client says it because it waits.
        let believed = !self.window_resent || since >= self.rto.measured();
        if self.params.windowsize > 1 && self.fresh > self.base && believed && answers_window {
            self.window_resent = true;
            self.next = self.base;
        }
    }

    fn answered(&mut self, block: u64, now: Instant) {
        self.heard = true;
        self.progress = now;
        self.rto.progress();
        // An answer to what was sent again can't come sooner than any answer ever did: it is to what was sent before.
        if self.retries > 0 && self.rto.fastest().is_some_and(|fastest| now - self.window_sent < fastest) {
            self.rto.too_early();
        }
        self.retries = 0;
        if let Some((_, sent)) = self.probe.take_if(|(probe, _)| *probe <= block) {
            self.rto.sample(now - sent);
        }
    }

    /// When to call [`Self::on_timer`], if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The clock moved. Does nothing before the deadline.
    pub fn on_timer(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        let patience_over = now - self.progress >= self.params.patience;
        if patience_over || (!self.heard && self.retries >= self.params.first_retries) {
            self.end(End::Silent);
            return;
        }
        self.retries += 1;
        self.rto.back_off();
        self.probe = None;
        match self.phase {
            Phase::Options(_) => self.options_due = true,
            Phase::Data => self.next = self.base,
            Phase::Ended(_) => {}
        }
    }

    fn end(&mut self, end: End) {
        self.phase = Phase::Ended(end);
        self.deadline = None;
        self.window.clear();
    }

    /// How it ended, if it has. There may still be a last packet to take.
    #[must_use]
    pub fn ended(&self) -> Option<&End> {
        match &self.phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// Whether the client has answered at all.
    #[must_use]
    pub fn heard(&self) -> bool {
        self.heard
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
