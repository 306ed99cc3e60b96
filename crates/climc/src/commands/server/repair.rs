//! `server-rescue-repair`: named fixes, or with `--auto` all the way by itself; of many servers under one task, with one report.

use std::collections::HashSet;

use api::rescue::Examined;
use api::server::{AutoRepaired, BatchRescueRepair, RescueRepair};
use api::task::{Task, TaskState, Tasks};
use api::{Action, ClassAction, ListQuery};
use serde_json::json;
use types::TaskId;
use types::diagnosis::FixState;

use super::diagnosis::{examined, show_repair, show_trial};
use super::perform;
use super::refuse;
use super::rescue::keys;
use crate::batch::{self, Cx, Follow, Followed, Many, Verb, Wait};
use crate::exit::{self, Exit};
use crate::lang::say;
use crate::output::{self, Format};
use crate::progress::Progress;
use crate::text;

#[derive(Debug, clap::Args)]
pub struct Repair {
    /// Ids or names
    #[arg(value_name = "ID", required_unless_present = "filter")]
    ids: Vec<String>,
    /// With several ids: at most so many requests at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
    /// With --auto: the servers that this finds, as name.startswith('web'); may be repeated, then all must hold. One task repairs them
    #[arg(long, value_name = "EXPRESSION", requires = "auto")]
    filter: Vec<String>,
    /// With --auto: one task repairs all servers, at most so many at once (1 to 100; default 10)
    #[arg(long, value_name = "N", requires = "auto", value_parser = clap::value_parser!(u32).range(1..=100))]
    max_parallel: Option<u32>,
    /// With --auto: one task repairs all servers, and begins no more once so many have failed
    #[arg(long, value_name = "N", requires = "auto", value_parser = clap::value_parser!(u32).range(1..))]
    abort_on_failures: Option<u32>,
    #[command(flatten)]
    action: RescueRepair,
    #[command(flatten)]
    wait: Wait,
}

pub async fn run(cx: &Cx, asked: Repair) -> Result<(), Exit> {
    let Repair { ids, parallel, filter, max_parallel, abort_on_failures, mut action, wait } = asked;
    action.ssh_keys = keys(action.ssh_keys).map_err(|e| refuse(&e))?;
    action.check().map_err(|e| refuse(&e))?;
    if !filter.is_empty() || max_parallel.is_some() || abort_on_failures.is_some() {
        let many = BatchRescueRepair {
            ids,
            filter,
            max_parallel: max_parallel.unwrap_or(10),
            abort_on_failures: abort_on_failures.unwrap_or(0),
            options: action,
        };
        many.check().map_err(|e| refuse(&e))?;
        return fleet(cx, &many, &wait).await;
    }
    let (waits, auto) = (wait.wait, action.auto);
    let tells = waits && auto && cx.format == Format::Table;
    let mut before = HashSet::new();
    if tells {
        for id in &ids {
            before.extend(examined(cx, id).await.map(|it| tasks_of(&it)).unwrap_or_default());
        }
    }
    let ended = perform(cx, Verb { many: Many { ids: ids.clone(), parallel }, action, wait }).await;
    match (waits, auto) {
        (false, _) => ended,
        (true, true) => {
            for id in ids.iter().filter(|_| tells) {
                told(cx, id, &before).await?;
            }
            ended
        }
        (true, false) => {
            ended?;
            fixes(cx, &ids).await
        }
    }
}

/// What an automatic repair did, and what came of it; of a server that it never came to, nothing. `before`: tasks of which it was known
/// already.
async fn told(cx: &Cx, id: &str, before: &HashSet<TaskId>) -> Result<(), Exit> {
    let Ok(examined) = examined(cx, id).await else { return Ok(()) };
    let mut repairs = examined.repairs.iter().filter(|it| !before.contains(&it.task_id));
    repairs.try_for_each(|repaired| show_repair(id, repaired))?;
    let mut trials = examined.trials.iter().filter(|it| !before.contains(&it.task_id));
    trials.try_for_each(|tried| show_trial(id, tried))
}

fn tasks_of(examined: &Examined) -> Vec<TaskId> {
    let repairs = examined.repairs.iter().map(|it| it.task_id);
    repairs.chain(examined.trials.iter().map(|it| it.task_id)).collect()
}

/// Shows what was done; exit code 1 where a fix failed.
async fn fixes(cx: &Cx, ids: &[String]) -> Result<(), Exit> {
    let mut undone = Vec::new();
    for id in ids {
        let Some(last) = examined(cx, id).await?.repairs.pop() else { continue };
        if cx.format == Format::Table {
            show_repair(id, &last)?;
        }
        let failed = |state| matches!(state, FixState::Failed | FixState::Refused);
        let codes = last.report.fixes.iter().filter(|fix| failed(fix.state));
        undone.extend(codes.map(|fix| format!("{}: {}", text::line(id), text::line(&fix.code))));
    }
    match undone.as_slice() {
        [] => Ok(()),
        undone => Err(Exit {
            next: Some(say!(
                "what was written so far can be thrown away: climc server-stop-rescue ID --overlay discard"
            )),
            ..Exit::failed(say!("not everything was repaired: {undone}", undone = undone.join(", ")))
        }),
    }
}

/// One task for all, and with `--wait` one report.
async fn fleet(cx: &Cx, many: &BatchRescueRepair, wait: &Wait) -> Result<(), Exit> {
    let begun = cx.client.perform_class(many).await?;
    if !wait.wait {
        let follow = ("follow", format!("climc region-task-show {}", begun.id));
        let told = match cx.format {
            Format::Table => output::sheet(&[("task", begun.id.to_string()), follow]),
            format => output::data(format, &json!({ "task": begun })),
        };
        return Ok(told?);
    }
    let (follow, progress) = (Follow::new(wait), Progress::new(true));
    let line = progress.line(BatchRescueRepair::NAME);
    let followed = follow.listening(follow.task(&cx.client, begun.id, line)).await;
    drop(progress);
    let goes_on = |code, why: String| Exit {
        code,
        message: say!("{why}; the task goes on", why = why),
        next: Some(batch::report::follow(&begun.id.to_string())),
    };
    match followed {
        Followed::Ended(task) => report(cx, &task).await,
        Followed::TimedOut => Err(goes_on(exit::TIMED_OUT, say!("not done in the time given"))),
        Followed::Interrupted => Err(goes_on(exit::INTERRUPTED, say!("no longer waited for"))),
        Followed::Lost(error) => Err(error.into()),
    }
}

async fn report(cx: &Cx, task: &Task) -> Result<(), Exit> {
    let servers = children(cx, task.id).await?;
    if cx.format == Format::Table {
        output::rows(&["Server", "End", "Found", "Fixed", "Login after", "Why"], servers.iter().map(row))?;
        // Those that could not begin.
        task.evidence.iter().for_each(|line| eprintln!("climc: {}", text::line(line)));
    } else {
        let rows = servers.iter().map(|child| {
            json!({ "server": child.obj_name, "server_id": child.obj_id, "task_id": child.id, "cause": child.cause, "result": child.result })
        });
        output::data(
            cx.format,
            &json!({ "task": task.id, "state": task.state, "refused": task.evidence, "servers": rows.collect::<Vec<_>>() }),
        )?;
    }
    match task.state {
        TaskState::Succeeded => Ok(()),
        _ => Err(Exit::failed(task.cause.clone().unwrap_or_else(|| task.state.to_string()))),
    }
}

/// All there are; a batch has at most five hundred.
async fn children(cx: &Cx, parent: TaskId) -> Result<Vec<Task>, Exit> {
    let filter = vec![format!("parent_task_id.equals('{parent}')")];
    let query = ListQuery { limit: 500, filter, order: Some("asc".into()), ..ListQuery::default() };
    Ok(cx.client.list::<Tasks>(&query).await?.data)
}

fn row(child: &Task) -> Vec<String> {
    let told: Option<AutoRepaired> = child.result.clone().and_then(|it| serde_json::from_value(it).ok());
    let codes = |codes: fn(&AutoRepaired) -> &Vec<String>| {
        text::or_dash(told.as_ref().map(|it| text::line(&codes(it).join(", "))).filter(|it| !it.is_empty()))
    };
    vec![
        text::or_dash(child.obj_name.as_deref().map(text::line)),
        told.as_ref().map_or_else(|| child.state.to_string(), |it| it.end.to_string()),
        codes(|it| &it.found),
        codes(|it| &it.fixed),
        text::or_dash(told.as_ref().and_then(|it| it.boot_seconds).map(|seconds| format!("{seconds:.1}s"))),
        text::or_dash(child.cause.as_deref().map(text::line)),
    ]
}
