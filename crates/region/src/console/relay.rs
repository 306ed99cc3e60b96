//! The bytes of one open console. Four things go on at once, and the first that ends ends it: the host's output comes in, it goes out to
//! the caller, what the caller types goes to the host, and the caller's rights are asked again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use api::ErrorClass;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use db::Conn;
use db::guest::Guest;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use proto::host::v1 as pb;
use proto::host::v1::host_service_client::HostServiceClient;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use types::status::ConsoleKind;

use super::buffer::{Buffer, Taken};
use super::record::{self, Recorder};
use super::rights;
use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::perform::Note;
use crate::error::{Error, Result};
use crate::host_client::REQUEST_TIMEOUT;

/// So often the rights are asked again.
const CHECK: Duration = Duration::from_secs(3);
/// So long a console stays open while they can't be asked, as while the database is away.
const UNCHECKED: Duration = Duration::from_secs(60);
/// So long a frame may take to go out, or input to reach the host.
const PATIENCE: Duration = Duration::from_secs(30);
/// So often a caller is asked whether it is there, and so long it may be silent.
const PING: Duration = Duration::from_secs(20);
const SILENT: Duration = Duration::from_secs(70);
/// For a last word.
const FAREWELL: Duration = Duration::from_secs(2);

/// One console, opened.
pub struct Relay {
    pub app: App,
    pub kind: ConsoleKind,
    pub caller: Caller,
    pub guest: Guest,
    pub client: HostServiceClient<Channel>,
}

/// Why it ended.
#[derive(Debug)]
enum End {
    /// The caller closed it, or is gone.
    Caller,
    /// The caller answers no more, or takes nothing.
    Stuck,
    /// The host has nothing more.
    Host,
    Failed(String),
    /// The session ended, or a role is gone.
    Rights(String),
    /// This region stops.
    Stops,
}

impl End {
    /// RFC 6455, section 7.4.1: the code and the reason, of at most 123 bytes.
    fn frame(&self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Caller => return None,
            Self::Host => (close_code::NORMAL, "the host has closed it"),
            Self::Stuck => (close_code::AGAIN, "you took nothing for too long: connect again"),
            Self::Failed(why) => (close_code::ERROR, why.as_str()),
            Self::Rights(why) => (close_code::POLICY, why.as_str()),
            Self::Stops => (close_code::AWAY, "this region stops: connect again"),
        };
        let end = (0..=reason.len().min(120)).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
        Some(CloseFrame { code, reason: reason[..end].to_owned().into() })
    }

    /// For the event.
    fn told(&self) -> &str {
        match self {
            Self::Caller => "by the caller",
            Self::Stuck => "the caller took nothing for too long",
            Self::Host => "by the host",
            Self::Failed(why) | Self::Rights(why) => why,
            Self::Stops => "region stopped",
        }
    }
}

/// Bytes of either way.
#[derive(Default)]
struct Counts {
    shown: AtomicU64,
    typed: AtomicU64,
}

type ToCaller = SplitSink<WebSocket, Message>;
type FromCaller = SplitStream<WebSocket>;

impl Relay {
    /// Says in the log of events that it is open.
    ///
    /// # Errors
    /// As the database reports them: what can't be written down is not opened.
    pub async fn opened(&self, conn: &mut Conn) -> Result<()> {
        let notes = format!("opened the {}", name(self.kind));
        self.event(conn, self.kind.as_str(), notes).await
    }

    /// Until either side ends, or the rights do; then says in the log of events how long it was open.
    pub async fn run(self, socket: WebSocket, stop: CancellationToken) {
        let begun = Instant::now();
        let counts = Counts::default();
        let (mut to_caller, mut from_caller) = socket.split();
        let end = self.pass(&mut to_caller, &mut from_caller, &counts, stop).await;
        if let Some(frame) = end.frame() {
            let _ = timeout(FAREWELL, to_caller.send(Message::Close(Some(frame)))).await;
        }
        let notes = format!(
            "closed the {} after {} s, {}: {} bytes shown, {} typed",
            name(self.kind),
            begun.elapsed().as_secs(),
            end.told(),
            counts.shown.load(Ordering::Relaxed),
            counts.typed.load(Ordering::Relaxed),
        );
        let action = match self.kind {
            ConsoleKind::Console => "console_close",
            ConsoleKind::Vnc => "vnc_close",
        };
        let written = async {
            let mut conn = self.app.pool.get().await?;
            self.event(&mut conn, action, notes.clone()).await
        };
        if let Err(error) = written.await {
            tracing::error!(server = %self.guest.id, user = self.caller.user, notes, %error, "a closed console is not in the log of events");
        }
    }

    async fn event(&self, conn: &mut Conn, action: &str, notes: String) -> Result<()> {
        let note = Note {
            obj_type: crate::guest::OBJECT,
            obj_id: self.guest.id.uuid(),
            obj_name: &self.guest.name,
            action,
            success: true,
            notes,
            status: None,
            task: None,
        };
        let caller = &self.caller;
        let event =
            note.of(&caller.user, caller.project_name(), caller.source.clone(), Some(caller.request_id.clone()));
        Ok(db::event::insert(conn, &event).await?)
    }

    async fn pass(
        &self,
        to_caller: &mut ToCaller,
        from_caller: &mut FromCaller,
        counts: &Counts,
        stop: CancellationToken,
    ) -> End {
        let (to_host, inputs) = mpsc::channel::<pb::ConsoleInput>(32);
        let first = pb::ConsoleInput { guest_id: self.guest.id.to_string(), data: Vec::new() };
        let (mut client, inputs) = (self.client.clone(), ReceiverStream::new(inputs));
        let opening = async {
            let _ = to_host.send(first).await;
            match self.kind {
                ConsoleKind::Console => client.console(inputs).await,
                ConsoleKind::Vnc => client.vnc(inputs).await,
            }
        };
        let mut outputs = match timeout(REQUEST_TIMEOUT, opening).await {
            Ok(Ok(outputs)) => outputs.into_inner(),
            Ok(Err(status)) => {
                return End::Failed(format!("the host does not open the {}: {}", self.kind, status.message()));
            }
            Err(_) => return End::Failed(format!("the host does not open the {}: it does not answer", self.kind)),
        };
        let buffer = Buffer::new(self.kind);
        let recorder = Mutex::new(None);
        if let Err(error) = self.record(&self.guest, &recorder, &buffer).await {
            return End::Failed(format!("it is to be recorded, and can't be now: {}", error.details));
        }
        let heard = Mutex::new(Instant::now());
        let reading = async {
            let end = loop {
                match outputs.message().await {
                    Ok(Some(output)) => {
                        let data = Bytes::from(output.data);
                        if let Some(recorder) = &*lock(&recorder) {
                            recorder.note(&data);
                        }
                        buffer.put(data).await;
                    }
                    Ok(None) => break End::Host,
                    Err(status) => {
                        break End::Failed(format!("the host has cut the {}: {}", self.kind, status.message()));
                    }
                }
            };
            buffer.finish(end);
            // What it said last is still to be shown.
            std::future::pending::<End>().await
        };
        tokio::select! {
            end = reading => end,
            end = show(to_caller, &buffer, counts, &heard) => end,
            end = take(from_caller, &to_host, counts, &heard) => end,
            end = self.watch(&recorder, &buffer) => end,
            () = stop.cancelled() => End::Stops,
        }
    }

    /// Begins or ends a recording, as the server enters or leaves rescue, and tells the caller.
    async fn record(&self, guest: &Guest, recorder: &Mutex<Option<Recorder>>, buffer: &Buffer<End>) -> Result<()> {
        let wanted = record::is_wanted(&self.app, self.kind, guest);
        if wanted == lock(recorder).is_some() {
            return Ok(());
        }
        let next = if wanted { Some(Recorder::begin(&self.app, &self.caller, guest).await?) } else { None };
        *lock(recorder) = next;
        buffer.put(Bytes::from_static(if wanted { record::BEGINS } else { record::ENDS }.as_bytes())).await;
        Ok(())
    }

    /// Until the rights end.
    async fn watch(&self, recorder: &Mutex<Option<Recorder>>, buffer: &Buffer<End>) -> End {
        let mut tick = interval(CHECK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checked = Instant::now();
        loop {
            tick.tick().await;
            let looked = async {
                let guest = rights::still(&self.app, &self.caller, &self.guest, self.kind).await?;
                self.record(&guest, recorder, buffer).await
            };
            match looked.await {
                Ok(()) => checked = Instant::now(),
                Err(error) if is_refusal(&error) => return End::Rights(error.details),
                Err(error) if checked.elapsed() > UNCHECKED => {
                    return End::Rights(format!("your rights can't be checked: {}", error.details));
                }
                Err(_) => {}
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As people call it.
fn name(kind: ConsoleKind) -> &'static str {
    match kind {
        ConsoleKind::Console => "serial console",
        ConsoleKind::Vnc => "screen",
    }
}

/// Whether it is a right that is gone, not a database that is away.
fn is_refusal(error: &Error) -> bool {
    matches!(error.class, ErrorClass::Unauthorized | ErrorClass::Forbidden | ErrorClass::ResourceNotFound)
}

/// To the caller.
async fn show(to_caller: &mut ToCaller, buffer: &Buffer<End>, counts: &Counts, heard: &Mutex<Instant>) -> End {
    let mut ping = interval(PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            taken = buffer.take() => match taken {
                Taken::Data(data) => Message::Binary(data),
                Taken::End(end) => return end,
            },
            _ = ping.tick() => {
                if lock(heard).elapsed() > SILENT {
                    return End::Stuck;
                }
                Message::Ping(Default::default())
            }
        };
        let bytes = if let Message::Binary(data) = &message { data.len() } else { 0 };
        match timeout(PATIENCE, to_caller.send(message)).await {
            Ok(Ok(())) => {
                counts.shown.fetch_add(bytes as u64, Ordering::Relaxed);
            }
            Ok(Err(_)) => return End::Caller,
            Err(_) => return End::Stuck,
        }
    }
}

/// From the caller.
async fn take(
    from_caller: &mut FromCaller,
    to_host: &mpsc::Sender<pb::ConsoleInput>,
    counts: &Counts,
    heard: &Mutex<Instant>,
) -> End {
    while let Some(Ok(message)) = from_caller.next().await {
        *lock(heard) = Instant::now();
        let data = match message {
            Message::Binary(data) => data.to_vec(),
            Message::Text(text) => text.as_str().as_bytes().to_vec(),
            Message::Close(_) => return End::Caller,
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        counts.typed.fetch_add(data.len() as u64, Ordering::Relaxed);
        let input = pb::ConsoleInput { guest_id: String::new(), data };
        if !matches!(timeout(PATIENCE, to_host.send(input)).await, Ok(Ok(()))) {
            return End::Failed("the host takes no input".into());
        }
    }
    End::Caller
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_into_its_frame_and_is_text() {
        let end = End::Rights("é".repeat(100));
        let frame = end.frame().unwrap();
        assert!(frame.reason.len() <= 123 && frame.code == close_code::POLICY);
        assert_eq!(frame.reason.chars().count(), 60);
        assert!(End::Caller.frame().is_none());
    }
}
