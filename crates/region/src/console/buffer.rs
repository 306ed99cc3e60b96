//! What stands between a host and a reader that is slower. The host's side never waits for a serial console: what does not fit pushes the
//! oldest out, and the reader is told how much it missed. Of a screen nothing can be left out, so its side waits; a viewer asks for the
//! next picture only when it has the last.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use types::status::ConsoleKind;

/// Bytes that wait for a reader.
const SERIAL: usize = 256 * 1024;
const SCREEN: usize = 4 * 1024 * 1024;
/// Bytes of one frame.
const FRAME: usize = 64 * 1024;

pub struct Buffer<E> {
    limit: usize,
    may_drop: bool,
    inner: Mutex<Inner<E>>,
    filled: Notify,
    drained: Notify,
}

struct Inner<E> {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    /// Pushed out, and not told yet.
    lost: u64,
    end: Option<E>,
}

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<E> {
    Data(Bytes),
    /// After all data.
    End(E),
}

impl<E> Buffer<E> {
    #[must_use]
    pub fn new(kind: ConsoleKind) -> Self {
        let (limit, may_drop) = match kind {
            ConsoleKind::Console => (SERIAL, true),
            ConsoleKind::Vnc => (SCREEN, false),
        };
        let inner = Inner { pieces: VecDeque::new(), bytes: 0, lost: 0, end: None };
        Self { limit, may_drop, inner: Mutex::new(inner), filled: Notify::new(), drained: Notify::new() }
    }

    /// Waits only if nothing may be lost.
    pub async fn put(&self, mut data: Bytes) {
        loop {
            {
                let mut inner = self.lock();
                if self.may_drop {
                    inner.make_room(&mut data, self.limit);
                }
                // One that is larger than everything passes when nothing else is there.
                if self.may_drop || inner.bytes == 0 || inner.bytes + data.len() <= self.limit {
                    inner.bytes += data.len();
                    inner.pieces.push_back(data);
                    self.filled.notify_one();
                    return;
                }
            }
            self.drained.notified().await;
        }
    }

    /// Nothing more comes; the first reason stays.
    pub fn finish(&self, end: E) {
        self.lock().end.get_or_insert(end);
        self.filled.notify_one();
    }

    /// What is there, up to a frame. Nothing is lost if the future is dropped.
    pub async fn take(&self) -> Taken<E> {
        loop {
            if let Some(taken) = self.lock().take() {
                self.drained.notify_one();
                return taken;
            }
            self.filled.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<E>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> Inner<E> {
    fn make_room(&mut self, data: &mut Bytes, limit: usize) {
        let surplus = data.len().saturating_sub(limit);
        let _ = data.split_to(surplus);
        self.lost += surplus as u64;
        while self.bytes + data.len() > limit {
            let Some(oldest) = self.pieces.pop_front() else { break };
            self.bytes -= oldest.len();
            self.lost += oldest.len() as u64;
        }
    }

    fn take(&mut self) -> Option<Taken<E>> {
        if self.lost > 0 {
            let told = format!("\r\n[{} bytes of output were missed here]\r\n", self.lost);
            self.lost = 0;
            return Some(Taken::Data(told.into()));
        }
        let Some(first) = self.pieces.pop_front() else { return self.end.take().map(Taken::End) };
        self.bytes -= first.len();
        if self.pieces.front().is_none_or(|next| first.len() + next.len() > FRAME) {
            return Some(Taken::Data(first));
        }
        let mut frame = BytesMut::from(first);
        while let Some(next) = self.pieces.pop_front_if(|next| frame.len() + next.len() <= FRAME) {
            self.bytes -= next.len();
            frame.extend_from_slice(&next);
        }
        Some(Taken::Data(frame.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn text(taken: Taken<&'static str>) -> String {
        match taken {
            Taken::Data(data) => String::from_utf8_lossy(&data).into_owned(),
            Taken::End(end) => format!("END {end}"),
        }
    }

    #[tokio::test]
    async fn small_pieces_travel_together_and_the_end_comes_last() {
        let buffer = Buffer::new(ConsoleKind::Console);
        for piece in ["a", "b", "c"] {
            buffer.put(piece.into()).await;
        }
        buffer.finish("over");
        buffer.finish("too late");
        assert_eq!(text(buffer.take().await), "abc");
        assert_eq!(text(buffer.take().await), "END over");
    }

    #[tokio::test]
    async fn a_console_pushes_the_oldest_out_and_says_how_much() {
        let buffer: Buffer<&str> = Buffer::new(ConsoleKind::Console);
        let piece = Bytes::from(vec![b'x'; 100 * 1024]);
        for _ in 0..50 {
            // Would never return if it waited.
            buffer.put(piece.clone()).await;
        }
        buffer.put("the end".into()).await;
        let lost = 48 * 100 * 1024;
        assert_eq!(text(buffer.take().await), format!("\r\n[{lost} bytes of output were missed here]\r\n"));
        assert_eq!(text(buffer.take().await).len(), 100 * 1024);
        let mut rest = text(buffer.take().await);
        rest += &text(buffer.take().await);
        assert!(rest.ends_with("xthe end"), "the newest is there");
        // One piece larger than everything keeps its end.
        buffer.put([vec![b'y'; 2 * SERIAL], b"end".to_vec()].concat().into()).await;
        assert!(text(buffer.take().await).contains(&format!("{} bytes", SERIAL + 3)));
        assert!(text(buffer.take().await).ends_with("yend"));
    }

    #[tokio::test]
    async fn a_screen_loses_nothing_and_waits() {
        let buffer: Buffer<&str> = Buffer::new(ConsoleKind::Vnc);
        let piece = Bytes::from(vec![b'x'; SCREEN]);
        buffer.put(piece.clone()).await;
        let mut more = std::pin::pin!(buffer.put("more".into()));
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut more).await.is_err(), "it waits for room");
        assert_eq!(text(buffer.take().await).len(), SCREEN);
        more.await;
        assert_eq!(text(buffer.take().await), "more");
    }
}
