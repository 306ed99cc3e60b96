//! Events, the log of operations: `event-list`.

use api::ListQuery;
use api::event::{Event, Events};
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
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::EventList(query) => list::<Events>(cx, &query).await,
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

fn change(view: &Event) -> String {
    match (&view.old_status, &view.new_status) {
        (Some(old), Some(new)) if old != new => format!("{old} -> {new}"),
        (_, Some(status)) | (Some(status), None) => status.clone(),
        (None, None) => "-".into(),
    }
}
