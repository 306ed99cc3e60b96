//! Events, the log of operations: `event-list`.

use api::ListQuery;
use api::event::{ActionLog, Actions, Event, Events};
use clap::Subcommand;

use super::list;
use crate::batch::Cx;
use crate::exit::Exit;
use crate::output::Shown;
use crate::text;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List events, newest first
    #[command(after_help = "Example:\n  climc event-list --obj-type server --obj-id web1 --limit 100")]
    EventList(ListQuery),
    /// List the same log as other tools call it: actions
    #[command(after_help = "Example:\n  climc action-list --obj-type server --obj-id web1")]
    ActionList(ListQuery),
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
        Command::ActionList(query) => list::<Actions>(cx, &query).await,
        Command::ActionShow { id } => super::show::<Actions>(cx, &id).await,
    }
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
