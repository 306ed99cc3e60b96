//! `GET /consolerecordings`: recordings, for those who audit. To look at one is itself written down.

use api::ErrorClass;
use api::recording::{ConsoleRecording, ConsoleRecordings, DeleteConsoleRecording};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use db::Conn;
use db::filter::{Column, Kind, Page};
use db::recording::Recording;
use futures::stream;
use types::RecordingId;
use uuid::Uuid;

use super::cast;
use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, List, Model, Perform, Registry, crud};
use crate::error::{Error, Result};
use crate::guest;
use crate::http::openapi::Operation;
use crate::policy::Rule;

const KIND: &str = "consolerecording";
/// The rule of those who may look at one; what it shows is no more than its row promises.
const GET: Rule = Rule { service: "audit", resource: "consolerecordings", word: KIND, action: "get", extra: None };
/// Chunks that are read at once.
const PAGE: i64 = 8;

pub fn register(registry: &mut Registry) {
    registry.resource::<Recording>().delete::<DeleteConsoleRecording>();
    let about = "What it showed, as asciicast v2; looking at it leaves an event on its server";
    let cast = Operation::file::<Recording>(&format!("{GET}_cast"), about, "application/x-asciicast");
    registry.document("/consolerecordings/{id}/cast", &Method::GET, cast);
    registry.merge(Router::new().route("/consolerecordings/{id}/cast", get(replay)));
}

impl Model for Recording {
    type Api = ConsoleRecordings;
    const SERVICE: &'static str = "audit";

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        let missing = || Error::not_found(KIND, ident);
        let id: RecordingId = ident.parse().map_err(|_| missing())?;
        db::recording::get(conn, id).await?.ok_or_else(missing)
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, _: &App, _: &mut Conn) -> Result<ConsoleRecording> {
        Ok(self.into())
    }
    async fn project(&self, _: &mut Conn) -> Result<Option<String>> {
        Ok(Some(self.project.clone()))
    }
    fn id(&self) -> Uuid {
        self.id.uuid()
    }
    fn name(&self) -> &str {
        ""
    }
}

impl List for Recording {
    const COLUMNS: &'static [Column] = db::recording::COLUMNS;
    const SEARCH: &'static [&'static str] = &["server", "user", "id"];
    const PROJECT: Option<Column> = Some(Column::new("project", "console_recordings.project", Kind::Text));
    const ORDER: (&'static str, bool) = ("started_at", true);
    const USER: Option<Column> = Some(Column::new("user", "console_recordings.user_name", Kind::Text));
    const TIME: Option<&'static str> = Some("started_at");
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("name", "server"), ("obj_id", "server_id"), ("session", "session_id")];

    async fn page(page: &Page, _: &App, conn: &mut Conn) -> Result<(Vec<ConsoleRecording>, i64)> {
        let (rows, total) = db::recording::list(conn, page).await?;
        Ok((rows.into_iter().map(Into::into).collect(), total))
    }
}

impl Perform<DeleteConsoleRecording> for Recording {
    async fn perform(self, _: DeleteConsoleRecording, cx: &mut Cx<'_>) -> Result<Done<DeleteConsoleRecording>> {
        if !db::recording::delete(cx.conn, self.id).await? {
            let details = "the recording goes on: close its console first, or wait until it is closed";
            return Err(Error::new(ErrorClass::InvalidStatus, details));
        }
        cx.event(note(&self, "console_erase", "erased")).await?;
        Ok(Done::nothing())
    }
}

/// What happened to a recording is part of its server's story.
fn note<'r>(recording: &'r Recording, action: &'r str, what: &str) -> Note<'r> {
    let started = recording.started_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    Note {
        obj_type: guest::OBJECT,
        obj_id: recording.guest_id.uuid(),
        obj_name: &recording.guest_name,
        action,
        success: true,
        notes: format!("{what} recording {} of {}'s console, {started}", recording.id, recording.user_name),
        status: None,
        task: None,
    }
}

/// One that goes on is given as far as it has come.
async fn replay(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response> {
    let (recording, mut conn) = crud::find::<Recording>(&app, &caller, &id, &GET).await?;
    let note = note(&recording, "console_replay", "looked at");
    let event = note.of(&caller.user, caller.project_name(), caller.source.clone(), Some(caller.request_id.clone()));
    db::event::insert(&mut conn, &event).await?;
    drop(conn);
    let header = cast::header(&recording.guest_name, recording.started_at);
    let id = recording.id;
    let first = stream::once(async move { Ok::<_, Error>(Bytes::from(header)) });
    let rest = stream::try_unfold((app, -1), move |(app, seq)| async move {
        let chunks = db::recording::chunks_after(&mut *app.pool.get().await?, id, seq, PAGE).await?;
        let Some((last, _)) = chunks.last() else { return Ok(None) };
        let last = *last;
        let text: String = chunks.into_iter().map(|(_, lines)| lines).collect();
        Ok(Some((Bytes::from(text), (app, last))))
    });
    let body = Body::from_stream(futures::StreamExt::chain(first, rest));
    let name = format!("attachment; filename=\"{id}.cast\"");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-asciicast")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(Error::internal)?),
    ];
    Ok((headers, body).into_response())
}
