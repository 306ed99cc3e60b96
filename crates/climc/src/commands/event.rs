//! Events, the log of operations: `event-list`, `event-verify`.

use std::path::{Path, PathBuf};

use api::ListQuery;
use api::event::{ActionLog, Actions, Event, Events};
use api::event_chain::{self, Head};
use clap::Subcommand;
use uuid::Uuid;

use super::list;
use crate::batch::Cx;
use crate::exit::Exit;
use crate::lang::say;
use crate::output::{self, Format, Shown};
use crate::text;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List events, newest first
    #[command(after_help = "Example:\n  climc event-list --obj-type server --obj-id web1 --limit 100")]
    EventList(Box<ListQuery>),
    /// Show an event
    #[command(after_help = "Example:\n  climc event-show 42")]
    EventShow {
        /// Number
        id: String,
    },
    /// Check that a server's events are all there, in order, as they were written
    #[command(after_help = "Examples:\n  climc event-verify web1\n  climc event-verify web1 --anchor web1.anchor    \
        # also notices a cut-off end, from the second time on")]
    EventVerify {
        /// Id or name
        server: String,
        /// File that keeps the last event's hash between two checks
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
    },
    /// List the same log as other tools call it: actions
    #[command(after_help = "Example:\n  climc action-list --obj-type server --obj-id web1")]
    ActionList(Box<ListQuery>),
    /// Show one entry of the log
    #[command(after_help = "Example:\n  climc action-show 42")]
    ActionShow {
        /// Number
        id: String,
    },
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::EventList(query) => list::<Events>(cx, &query).await,
        Command::EventShow { id } => super::show::<Events>(cx, &id).await,
        Command::EventVerify { server, anchor } => verify(cx, &server, anchor.as_deref()).await,
        Command::ActionList(query) => list::<Actions>(cx, &query).await,
        Command::ActionShow { id } => super::show::<Actions>(cx, &id).await,
    }
}

/// What `--anchor` keeps.
#[derive(serde::Serialize, serde::Deserialize)]
struct Anchor {
    server: Uuid,
    #[serde(flatten)]
    head: Head,
}

/// Recomputes the chain here, from the rows.
async fn verify(cx: &Cx, server: &str, anchor: Option<&Path>) -> Result<(), Exit> {
    const PAGE: i64 = 1000;
    let wrong = |file: &Path, problem: String| Exit::usage(format!("{}: {problem}", file.display()));
    let seen: Option<Anchor> = match anchor.map(|file| (file, std::fs::read(file))) {
        Some((file, Ok(text))) => Some(serde_json::from_slice(&text).map_err(|e| wrong(file, e.to_string()))?),
        Some((file, Err(e))) if e.kind() != std::io::ErrorKind::NotFound => return Err(wrong(file, e.to_string())),
        _ => None,
    };
    let mut events: Vec<Event> = Vec::new();
    loop {
        let offset = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let query = ListQuery {
            limit: PAGE,
            offset,
            order: Some("asc".into()),
            obj_type: Some("server".into()),
            obj_id: Some(server.into()),
            ..ListQuery::default()
        };
        let page = cx.client.list::<Events>(&query).await?.data;
        let last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        events.extend(page);
        if last {
            break;
        }
    }
    if let (Some(file), Some(seen), Some(event)) = (anchor, &seen, events.first())
        && seen.server != event.obj_id
    {
        let problem = say!(
            "is of server {seen}, but {server} is {id}: name another file",
            seen = seen.server,
            server = server,
            id = event.obj_id
        );
        return Err(wrong(file, problem));
    }
    let head = event_chain::verify(&events, seen.as_ref().map(|seen| &seen.head)).map_err(|found| Exit {
        next: Some(say!("somebody changed the database: compare with a backup, or with a replica's")),
        ..Exit::failed(format!("{server}: {found}"))
    })?;
    if let (Some(file), Some(head), Some(event)) = (anchor, &head, events.first()) {
        let anchor = Anchor { server: event.obj_id, head: head.clone() };
        let text = serde_json::to_vec(&anchor).map_err(std::io::Error::from)?;
        std::fs::write(file, text).map_err(|e| wrong(file, e.to_string()))?;
    }
    let old = events.iter().filter(|event| event.seq.is_none()).count();
    if cx.format != Format::Table {
        return Ok(output::data(
            cx.format,
            &serde_json::json!({ "events": events.len(), "unchained": old, "head": head }),
        )?);
    }
    Ok(output::sheet(&[
        ("events", events.len().to_string()),
        ("before there were chains", old.to_string()),
        ("last", text::or_dash(head.as_ref().map(|head| head.seq))),
        ("its hash", text::or_dash(head.map(|head| head.hash))),
    ])?)
}

impl Shown for Events {
    const COLUMNS: &'static [&'static str] = &["ID", "Time", "Object", "Action", "Success", "Status", "User", "Notes"];

    fn row(view: &Event) -> Vec<String> {
        vec![
            view.id.to_string(),
            text::time(view.ops_time),
            format!("{} {}", view.obj_type, view.obj_name),
            view.action.clone(),
            text::yes_no(view.success),
            change(view),
            view.user.clone(),
            view.notes.clone(),
        ]
    }

    fn details(view: &Event) -> Vec<(&'static str, String)> {
        vec![
            ("id", view.id.to_string()),
            ("ops_time", text::time(view.ops_time)),
            ("object", format!("{} {} ({})", view.obj_type, view.obj_name, view.obj_id)),
            ("action", view.action.clone()),
            ("success", text::yes_no(view.success)),
            ("status", change(view)),
            ("notes", view.notes.clone()),
            ("user", view.user.clone()),
            ("project", view.project.clone()),
            ("source", text::or_dash(view.source.as_ref())),
            ("request_id", text::or_dash(view.request_id.as_ref())),
            ("task_id", text::or_dash(view.task_id)),
        ]
    }

    fn id(view: &Event) -> String {
        view.id.to_string()
    }
    fn name(view: &Event) -> String {
        view.action.clone()
    }
    fn status(view: &Event) -> String {
        change(view)
    }
}

impl Shown for Actions {
    const COLUMNS: &'static [&'static str] =
        &["ID", "Time", "Object", "Action", "Severity", "User", "Project", "Notes"];

    fn row(view: &ActionLog) -> Vec<String> {
        vec![
            view.id.to_string(),
            text::time(view.ops_time),
            format!("{} {}", view.obj_type, view.obj_name),
            view.action.clone(),
            view.severity.clone(),
            view.user.clone(),
            view.tenant.clone(),
            view.notes.clone(),
        ]
    }

    fn details(view: &ActionLog) -> Vec<(&'static str, String)> {
        vec![
            ("id", view.id.to_string()),
            ("ops_time", text::time(view.ops_time)),
            ("service", view.service.clone()),
            ("object", format!("{} {} ({})", view.obj_type, view.obj_name, view.obj_id)),
            ("action", view.action.clone()),
            ("success", text::yes_no(view.success)),
            ("severity", view.severity.clone()),
            ("notes", view.notes.clone()),
            ("user", view.user.clone()),
            ("tenant", view.tenant.clone()),
            ("ip", text::or_dash(view.ip.as_ref())),
            ("request_id", text::or_dash(view.request_id.as_ref())),
            ("task_id", text::or_dash(view.task_id)),
        ]
    }

    fn id(view: &ActionLog) -> String {
        view.id.to_string()
    }
    fn name(view: &ActionLog) -> String {
        view.action.clone()
    }
    fn status(view: &ActionLog) -> String {
        view.severity.clone()
    }
}

fn change(view: &Event) -> String {
    match (&view.old_status, &view.new_status) {
        (Some(old), Some(new)) if old != new => format!("{old} -> {new}"),
        (_, Some(status)) | (Some(status), None) => status.clone(),
        (None, None) => "-".into(),
    }
}
