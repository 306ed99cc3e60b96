//! Tasks: `region-task-*`.

use api::ListQuery;
use api::task::{Abandon, ArchivedTasks, Cancel, Retry, Task, TaskState, Tasks};
use chrono::Utc;
use clap::Subcommand;

use super::list;
use crate::batch::{self, Cx, Follow, Followed, QuickVerb, Wait, report};
use crate::exit::{self, Exit};
use crate::lang::say;
use crate::output::{self, Shown};
use crate::progress::{Progress, Story};
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List tasks, newest first
    #[command(after_help = "Examples:\n  climc region-task-list --is-complete false\n  \
        climc region-task-list --task-name StartRescueTask --obj-id web1")]
    RegionTaskList(Box<ListQuery>),
    /// Show a task with its stages; with --wait, follow it to its end
    #[command(after_help = "Example:\n  climc region-task-show ID --wait --timeout 60")]
    RegionTaskShow {
        /// Id
        id: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Ask tasks to stop and go their way back, where their stage allows
    #[command(after_help = "Example:\n  climc region-task-cancel ID && climc region-task-show ID --wait")]
    RegionTaskCancel(QuickVerb<Cancel>),
    /// Let blocked tasks go on from where they stand (administrators)
    #[command(after_help = "Example:\n  climc region-task-retry ID && climc region-task-show ID --wait")]
    RegionTaskRetry(QuickVerb<Retry>),
    /// Give up blocked tasks; their servers go to a failed status, which can be left (administrators)
    #[command(after_help = "Example:\n  climc region-task-abandon ID")]
    RegionTaskAbandon(QuickVerb<Abandon>),
    /// List tasks that ended long ago, newest first
    #[command(after_help = "Example:\n  climc archived-task-list --obj-id web1 --limit 100")]
    ArchivedTaskList(Box<ListQuery>),
    /// Show a task that ended long ago, with its stages
    #[command(after_help = "Example:\n  climc archived-task-show ID")]
    ArchivedTaskShow {
        /// Id
        id: String,
    },
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::RegionTaskList(query) => list::<Tasks>(cx, &query).await,
        Command::RegionTaskShow { id, wait } => show(cx, &id, &wait).await,
        Command::RegionTaskCancel(verb) => batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await,
        Command::RegionTaskRetry(verb) => batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await,
        Command::RegionTaskAbandon(verb) => batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await,
        Command::ArchivedTaskList(query) => list::<ArchivedTasks>(cx, &query).await,
        Command::ArchivedTaskShow { id } => super::show::<ArchivedTasks>(cx, &id).await,
    }
}

async fn show(cx: &Cx, id: &str, wait: &Wait) -> Result<(), Exit> {
    let task = cx.client.get::<Tasks>(id).await?;
    if !wait.wait {
        return Ok(output::one::<Tasks>(cx.format, &task)?);
    }
    let follow = Follow::new(wait);
    let line = Progress::new(false).line(task.obj_name.as_deref().unwrap_or(&task.task_name));
    let again = Some(report::follow(id));
    let goes_on =
        |code, why: String| Exit { code, message: say!("{why}; the task goes on", why = why), next: again.clone() };
    match follow.listening(follow.task(&cx.client, task.id, line)).await {
        Followed::Ended(task) => {
            output::one::<Tasks>(cx.format, &task)?;
            if task.state == TaskState::Succeeded {
                return Ok(());
            }
            Err(Exit::failed(report::failure(&task).join("\n")))
        }
        Followed::TimedOut => Err(goes_on(exit::TIMED_OUT, say!("not done in the time given"))),
        Followed::Interrupted => Err(goes_on(exit::INTERRUPTED, say!("no longer waited for"))),
        Followed::Lost(error) => Err(error.into()),
    }
}

impl Shown for Tasks {
    const COLUMNS: &'static [&'static str] = &["ID", "Task", "Object", "State", "Stage", "Began", "Took", "Cause"];

    fn row(view: &Task) -> Vec<String> {
        let back = if view.way_back { " (way back)" } else { "" };
        vec![
            view.id.to_string(),
            view.task_name.clone(),
            text::or_dash(view.obj_name.as_ref()),
            view.state.to_string(),
            format!("{}{back}", view.stage),
            text::time(view.created_at),
            text::span(view.ended_at.unwrap_or_else(Utc::now) - view.created_at),
            text::or_dash(view.cause.as_ref()),
        ]
    }

    fn details(view: &Task) -> Vec<(&'static str, String)> {
        let object = view
            .obj_name
            .as_ref()
            .map(|name| format!("{} {name} ({})", text::or_dash(view.obj_type.as_ref()), text::or_dash(view.obj_id)));
        vec![
            ("id", view.id.to_string()),
            ("task_name", view.task_name.clone()),
            ("object", text::or_dash(object)),
            ("state", view.state.to_string()),
            ("stage", view.stage.clone()),
            ("way_back", text::yes_no(view.way_back)),
            ("stages", text::or_dash(Some(Story::default().next(view).join("\n")))),
            ("children", text::or_dash(children(view))),
            ("last_error", text::or_dash(view.last_error.as_ref())),
            ("cause", text::or_dash(view.cause.as_ref())),
            ("evidence", text::or_dash(Some(view.evidence.join("\n")))),
            ("user", text::or_dash(view.user.as_ref())),
            ("request_id", text::or_dash(view.request_id.as_ref())),
            ("parent_task_id", text::or_dash(view.parent_task_id)),
            ("created_at", text::time(view.created_at)),
            ("ended_at", text::or_dash(view.ended_at.map(text::time))),
        ]
    }

    fn id(view: &Task) -> String {
        view.id.to_string()
    }
    fn name(view: &Task) -> String {
        view.task_name.clone()
    }
    fn status(view: &Task) -> String {
        view.state.to_string()
    }
}

/// What became of the children, those that failed by name.
fn children(view: &Task) -> Option<String> {
    if view.children_total == 0 {
        return None;
    }
    let mut lines = vec![format!("{} in all", view.children_total)];
    for child in &view.children {
        let name = child.obj_name.as_deref().unwrap_or(&child.task_name);
        let cause = child.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
        lines.push(format!("{name} {} at {}{cause}", child.state, child.stage));
    }
    Some(lines.join("\n"))
}

impl Shown for ArchivedTasks {
    const COLUMNS: &'static [&'static str] = <Tasks as Shown>::COLUMNS;

    fn row(view: &Task) -> Vec<String> {
        Tasks::row(view)
    }
    fn details(view: &Task) -> Vec<(&'static str, String)> {
        Tasks::details(view)
    }
    fn id(view: &Task) -> String {
        Tasks::id(view)
    }
    fn name(view: &Task) -> String {
        Tasks::name(view)
    }
    fn status(view: &Task) -> String {
        Tasks::status(view)
    }
}
