//! A task as REST shows it.

use api::task::{Task, TaskChild, TaskProgress, TaskStage, TaskState};
use chrono::Utc;
use db::Conn;
use db::progress::Progress;
use serde_json::Value;
use task_engine::TaskRow;
use types::{GuestId, TaskId};

use crate::error::Result;

/// Of so many children a detail tells; lists have them all.
const CHILDREN: i64 = 200;

/// One task with its children.
///
/// # Errors
/// As the database reports them.
pub async fn whole(row: TaskRow, conn: &mut Conn) -> Result<Task> {
    let (children, total) = db::task::children(conn, row.id, CHILDREN).await?;
    let mut tasks = many(std::iter::once(row).chain(children).collect(), conn).await?.into_iter();
    let task = tasks.next().ok_or_else(|| crate::error::Error::not_found("task", ""))?;
    Ok(Task { children: tasks.map(child).collect(), children_total: total, ..task })
}

fn child(task: Task) -> TaskChild {
    TaskChild {
        id: task.id,
        task_name: task.task_name,
        state: task.state,
        stage: task.stage,
        obj_type: task.obj_type,
        obj_id: task.obj_id,
        obj_name: task.obj_name,
        cause: task.cause,
        result: task.result,
    }
}

/// Rows with the names of what they are about.
///
/// # Errors
/// As the database reports them.
pub async fn many(rows: Vec<TaskRow>, conn: &mut Conn) -> Result<Vec<Task>> {
    let ids = rows.iter().filter_map(|row| row.obj_id.map(GuestId::from_uuid)).collect();
    let names: std::collections::HashMap<_, _> = db::guest::names(conn, ids).await?.into_iter().collect();
    let name = |row: &TaskRow| names.get(&GuestId::from_uuid(row.obj_id?)).cloned();
    let at_work: Vec<_> = rows.iter().filter(|row| row.ended_at.is_none()).map(|row| row.id).collect();
    let mut told = db::progress::of(conn, &at_work).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let name = name(&row);
            let progress = told.iter().position(|told| told.task_id == row.id && told.operation == row.operation);
            let progress = progress.map(|at| told.swap_remove(at));
            Task { progress: progress.map(shown), ..one(row, name) }
        })
        .collect())
}

fn shown(progress: Progress) -> TaskProgress {
    let number = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
    let (bytes, bytes_total) = (number(progress.bytes), number(progress.bytes_total));
    TaskProgress { text: progress.text, bytes, bytes_total, at: progress.at }
}

fn one(row: TaskRow, obj_name: Option<String>) -> Task {
    let cause = row.cause();
    let evidence = cause
        .as_ref()
        .and_then(|c| c.error.detail()?.get("evidence")?.as_array().cloned())
        .unwrap_or_default()
        .iter()
        .filter_map(|line| line.as_str().map(str::to_owned))
        .collect();
    let mut stages: Vec<TaskStage> = row
        .history()
        .into_iter()
        .map(|past| TaskStage {
            stage: past.stage,
            started_at: past.started,
            ended_at: Some(past.ended),
            attempts: u32::try_from(past.attempts).unwrap_or(0),
            error: past.error.map(|e| e.message().to_owned()),
            way_back: past.way_back,
        })
        .collect();
    if row.ended_at.is_none() {
        stages.push(TaskStage {
            stage: row.stage_name.clone(),
            started_at: row.stage_started,
            ended_at: None,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            error: row.last_error().map(|e| e.error.message().to_owned()),
            way_back: cause.is_some(),
        });
    }
    let state = row.state();
    let last_error = match row.ended_at {
        None => row.last_error().map(|e| e.error.message().to_owned()),
        Some(_) => None,
    };
    Task {
        id: TaskId::from_uuid(row.id),
        task_name: row.name,
        state: state.as_str().parse().unwrap_or(TaskState::Blocked),
        is_complete: state.is_ended(),
        stage: row.stage_name,
        way_back: cause.is_some(),
        obj_type: row.obj_type,
        obj_id: row.obj_id,
        obj_name,
        parent_task_id: row.parent_id.map(TaskId::from_uuid),
        request_id: row.request_id,
        user: row.created_by.as_ref().and_then(|w| w.get("user")).and_then(Value::as_str).map(str::to_owned),
        last_error,
        progress: None,
        cancel_requested: row.cancel_requested,
        stage_deadline: row.ended_at.is_none().then_some(row.stage_deadline),
        result: row.result.filter(|result| !result.is_null()),
        children: Vec::new(),
        children_total: 0,
        cause: cause.map(|c| format!("{}: {}", c.at_name, c.error.message())),
        evidence,
        stages,
        created_at: row.created_at,
        updated_at: row.ended_at.unwrap_or_else(|| row.stage_started.min(Utc::now())),
        ended_at: row.ended_at,
    }
}
