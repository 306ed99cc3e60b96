//! One transfer from the client's side, as a state machine without sockets or clock.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::options::{DEFAULT_BLKSIZE, decimal, known};
use crate::packet::{ErrorCode, Packet};

/// What the client asks for. Numbers are sent as they are, so that a test may ask for nonsense.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ask {
    pub blksize: Option<u32>,
    pub windowsize: Option<u32>,
    /// Seconds.
    pub timeout: Option<u32>,
    pub tsize: bool,
}

impl Ask {
    /// Names and values for the request.
    #[must_use]
    pub fn options(&self) -> Vec<(&'static str, String)> {
        let numbers = [("blksize", self.blksize), ("windowsize", self.windowsize), ("timeout", self.timeout)];
        let asked = numbers.into_iter().filter_map(|(name, value)| Some((name, value?.to_string())));
        asked.chain(self.tsize.then(|| ("tsize", "0".to_owned()))).collect()
    }
    fn has(&self, option: &str) -> bool {
        self.options().iter().any(|(name, _)| *name == option)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the server answers with error {}: {message}", code.number())]
    Server { code: ErrorCode, message: String },
    #[error("the server granted an option that was not asked for, or a value that is not allowed: {0}")]
    Options(String),
}

/// What to do after a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing to say.
    Wait,
    /// Acknowledge this block.
    Ack(u16),
    /// Acknowledge this block; it was the last.
    Done(u16),
}

#[derive(Debug)]
pub struct Receiver {
    ask: Ask,
    /// Payload so far.
    pub content: Vec<u8>,
    /// What the server granted, by name in lower case.
    pub granted: BTreeMap<String, u64>,
    blksize: usize,
    windowsize: u64,
    /// The next block, counted from 1 without end.
    expected: u64,
    /// Blocks since the last acknowledgement.
    in_window: u64,
    gap_reported: bool,
    pub done: bool,
}

impl Receiver {
    #[must_use]
    pub fn new(ask: Ask) -> Self {
        Self {
            ask,
            content: Vec::new(),
            granted: BTreeMap::new(),
            blksize: DEFAULT_BLKSIZE.into(),
            windowsize: 1,
            expected: 1,
            in_window: 0,
            gap_reported: false,
            done: false,
        }
    }

    /// Whether the server has answered.
    #[must_use]
    pub fn begun(&self) -> bool {
        self.expected > 1 || !self.granted.is_empty()
    }

    /// # Errors
    /// [`Refusal`] ends the transfer.
    pub fn on_packet(&mut self, packet: &Packet<'_>) -> Result<Step, Refusal> {
        match packet {
            Packet::Error { code, message } => {
                Err(Refusal::Server { code: *code, message: String::from_utf8_lossy(message).into_owned() })
            }
            Packet::OptionAck(_) if self.expected > 1 => Ok(Step::Wait),
            Packet::OptionAck(options) => {
                for (name, value) in options {
                    self.grant(name, value)?;
                }
                Ok(Step::Ack(0))
            }
            Packet::Data { block, body } => Ok(self.on_data(*block, body)),
            _ => Ok(Step::Wait),
        }
    }

    fn grant(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let shown = || format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        let (option, value) = known(name).zip(decimal(value)).ok_or_else(|| Refusal::Options(shown()))?;
        let asked = |asked: Option<u32>| self.ask.has(option) && value <= u64::from(asked.unwrap_or(u32::MAX));
        let allowed = match option {
            "blksize" => asked(self.ask.blksize) && value >= 8,
            "windowsize" => asked(self.ask.windowsize) && value >= 1,
            "timeout" => self.ask.timeout.map(u64::from) == Some(value),
            _ => self.ask.has(option),
        };
        if !allowed {
            return Err(Refusal::Options(shown()));
        }
        match option {
            "blksize" => self.blksize = usize::try_from(value).unwrap_or(usize::MAX),
            "windowsize" => self.windowsize = value,
            _ => {}
        }
        self.granted.insert(option.to_owned(), value);
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "the wire carries the low 16 bits")]
    fn on_data(&mut self, block: u16, body: &[u8]) -> Step {
        let ahead = block.wrapping_sub(self.expected as u16);
        let newest = (self.expected - 1) as u16;
        if self.done || ahead == u16::MAX {
            // What was acknowledged last comes again: the acknowledgement got lost. Other repeats are echoes and are not answered.
            let lost = ahead == u16::MAX && (self.done || self.in_window == 0);
            return if lost { Step::Ack(newest) } else { Step::Wait };
        }
        if ahead != 0 {
            let gap = ahead < u16::MAX / 2 && !self.gap_reported;
            if !gap {
                return Step::Wait;
            }
            self.gap_reported = true;
            self.in_window = 0;
            return Step::Ack(newest);
        }
        self.content.extend_from_slice(body);
        self.expected += 1;
        self.in_window += 1;
        self.gap_reported = false;
        if body.len() < self.blksize {
            self.done = true;
            return Step::Done(block);
        }
        if self.in_window >= self.windowsize {
            self.in_window = 0;
            return Step::Ack(block);
        }
        Step::Wait
    }

    /// Nothing came for a while: what to say again. `None` before the server's first answer, when the request itself is to be repeated.
    pub fn on_timer(&mut self) -> Option<u16> {
        if !self.begun() {
            return None;
        }
        self.in_window = 0;
        self.gap_reported = false;
        #[expect(clippy::cast_possible_truncation, reason = "the wire carries the low 16 bits")]
        Some((self.expected - 1) as u16)
    }

    /// How long to wait before saying something again.
    #[must_use]
    pub fn timer(&self) -> Duration {
        Duration::from_secs(self.ask.timeout.unwrap_or(1).clamp(1, 255).into())
    }
}
