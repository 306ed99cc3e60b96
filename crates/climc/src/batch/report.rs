//! Prints what came of a batch: every result on stdout, every failure with its cause and the next step on stderr.

use api::Resource;
use api::task::{Task, TaskState};
use serde_json::{Map, Value, json};

use super::{End, Outcome};
use crate::exit::{self, Exit};
use crate::lang::{self, say};
use crate::output::{self, Format, Shown};
use crate::{text, told};

/// What is said of a resource that is no more.
const GONE: &str = "deleted";

/// The whole report.
///
/// # Errors
/// The exit of a batch that did not go well.
pub fn print<R: Shown>(format: Format, verb: &str, outcomes: &[Outcome<R>]) -> Result<(), Exit> {
    match outcomes {
        [one] => single(format, one)?,
        many => table(format, many)?,
    }
    for outcome in outcomes {
        tell(verb, outcome);
    }
    let code = code(outcomes.iter().map(|o| &o.end));
    if code == exit::OK {
        return Ok(());
    }
    let bad: Vec<&str> = outcomes.iter().filter(|o| code_of(&o.end) != exit::OK).map(|o| o.asked.as_str()).collect();
    if outcomes.len() > 1 {
        let told = say!(
            "{verb}: {bad} of {all} not done: {ids}",
            verb = verb,
            bad = bad.len(),
            all = outcomes.len(),
            ids = text::line(&bad.join(", "))
        );
        eprintln!("climc: {told}");
    }
    Err(Exit::silent(code))
}

fn single<R: Shown>(format: Format, outcome: &Outcome<R>) -> std::io::Result<()> {
    if format != Format::Table {
        return output::data(format, &result(outcome));
    }
    let Some(receipt) = &outcome.receipt else { return Ok(()) };
    let mut rows = R::details(&receipt.view);
    rows.iter_mut().filter(|(name, _)| outcome.gone && *name == "status").for_each(|(_, value)| *value = GONE.into());
    rows.extend(receipt.notes.iter().cloned());
    if let Some(task) = &receipt.task {
        rows.push(("task_id", task.id.to_string()));
    }
    output::sheet(&rows)
}

fn table<R: Shown>(format: Format, outcomes: &[Outcome<R>]) -> std::io::Result<()> {
    if format != Format::Table {
        let results: Vec<Value> = outcomes.iter().map(result).collect();
        return output::data(format, &results);
    }
    let mut notes: Vec<&str> = Vec::new();
    for (name, _) in outcomes.iter().filter_map(|o| o.receipt.as_ref()).flat_map(|r| &r.notes) {
        if !notes.contains(name) {
            notes.push(name);
        }
    }
    let mut head = vec!["Asked", "ID", "Status", "Task", "Result"];
    head.extend(&notes);
    let rows = outcomes.iter().map(|outcome| {
        let receipt = outcome.receipt.as_ref();
        let mut row = vec![
            outcome.asked.clone(),
            text::or_dash(receipt.map(|r| R::id(&r.view))),
            text::or_dash(receipt.map(|r| if outcome.gone { GONE.into() } else { R::status(&r.view) })),
            text::or_dash(receipt.and_then(|r| r.task.as_ref()).map(|t| t.id)),
            word(&outcome.end).to_owned(),
        ];
        row.extend(notes.iter().map(|name| {
            text::or_dash(receipt.and_then(|r| r.notes.iter().find(|(n, _)| n == name)).map(|(_, value)| value))
        }));
        row
    });
    output::rows(&head, rows)
}

/// As the service answered, with the newest that is known of resource and task.
fn body<R: Shown>(outcome: &Outcome<R>) -> Value {
    let Some(receipt) = &outcome.receipt else { return Value::Null };
    let mut body = match &receipt.extra {
        Value::Object(extra) => extra.clone(),
        _ => Map::new(),
    };
    body.insert(<R as Resource>::WORD.into(), serde_json::to_value(&receipt.view).unwrap_or_default());
    if outcome.gone {
        body.insert(GONE.into(), true.into());
    }
    match (&outcome.task, &receipt.task) {
        (Some(task), _) => drop(body.insert("task".into(), serde_json::to_value(task).unwrap_or_default())),
        (None, Some(task)) => drop(body.insert("task".into(), serde_json::to_value(task).unwrap_or_default())),
        (None, None) => {}
    }
    Value::Object(body)
}

/// What was asked for, whether it went well, and the answer or the error: the same for one id as for each of many.
fn result<R: Shown>(outcome: &Outcome<R>) -> Value {
    let mut result =
        json!({"asked": outcome.asked, "ok": code_of(&outcome.end) == exit::OK, "result": word(&outcome.end)});
    if let (Some(fields), Value::Object(body)) = (result.as_object_mut(), body(outcome)) {
        fields.extend(body);
    }
    if let End::Refused(error) | End::Lost(error) = &outcome.end {
        result["error"] = json!({
            "class": match error { client::Error::Api(api) => Some(&api.class), _ => None },
            "code": error.status(),
            "details": error.to_string(),
            "request_id": error.request_id(),
        });
    }
    result
}

fn word(end: &End) -> &'static str {
    match end {
        End::Done => "done",
        End::Accepted => "accepted",
        End::Refused(_) => "refused",
        End::Failed => "failed",
        End::TimedOut => "time-out",
        End::Interrupted => "interrupted",
        End::Lost(_) => "lost",
    }
}

/// Warnings, failures and next steps, on stderr.
fn tell<R: Shown>(verb: &str, outcome: &Outcome<R>) {
    let asked = text::line(&outcome.asked);
    let say = |words: &str| eprintln!("climc: {asked}: {}", text::plain(words));
    let next = |words: &str| eprintln!("{}{}", lang::text("Next: "), text::plain(words));
    if let Some(receipt) = &outcome.receipt
        && !receipt.warnings.is_empty()
    {
        say(&say!("the service did not understand, and ignored: {keys}", keys = receipt.warnings.join(", ")));
    }
    let task = outcome.receipt.as_ref().and_then(|r| r.task.as_ref()).map(|task| task.id.to_string());
    match &outcome.end {
        End::Done => {}
        End::Accepted => {
            if let Some(task) = task
                && std::io::IsTerminal::is_terminal(&std::io::stderr())
            {
                next(&say!("follow it with: climc region-task-show {task} --wait", task = task));
            }
        }
        End::Refused(error) => {
            say(&say!("{verb} refused: {error}", verb = verb, error = told::error(error)));
            told::next_step(error).iter().for_each(|step| next(step));
        }
        End::Failed => {
            for line in outcome.task.iter().flat_map(failure) {
                say(&line);
            }
            outcome.receipt.iter().filter_map(|r| R::way_out(&r.view)).for_each(|step| next(&step));
        }
        End::TimedOut | End::Interrupted | End::Lost(_) => {
            let why = match &outcome.end {
                End::TimedOut => say!("not done in the time given"),
                End::Lost(error) => say!("cannot follow the task any longer: {error}", error = told::error(error)),
                _ => say!("no longer waited for"),
            };
            match task {
                Some(task) => {
                    say(&say!("{verb}: {why}; the task goes on", verb = verb, why = why));
                    next(&follow(&task));
                }
                None => say(&say!(
                    "{verb}: {why}; it may have been carried out: climc server-tasks {asked}",
                    verb = verb,
                    why = why,
                    asked = asked
                )),
            }
        }
    }
}

/// How to go on with a task that nobody waits for any more.
pub fn follow(task: &str) -> String {
    say!("follow it: climc region-task-show {task} --wait; cancel it: climc region-task-cancel {task}", task = task)
}

/// Why a task did not succeed, with what was seen.
pub fn failure(task: &Task) -> Vec<String> {
    let stage = &task.stage;
    let mut lines = vec![match (task.state, &task.cause) {
        (TaskState::Cancelled, _) => say!("{name} was cancelled", name = task.task_name),
        (TaskState::Blocked, _) => {
            say!(
                "{name} can't go on by itself; an administrator must retry or abandon it (stage {stage})",
                name = task.task_name,
                stage = stage
            )
        }
        (_, Some(cause)) => say!("{name} failed: {cause}", name = task.task_name, cause = cause),
        (_, None) => say!("{name} failed at stage {stage}", name = task.task_name, stage = stage),
    }];
    if !task.evidence.is_empty() {
        lines.push(say!("what was seen:"));
        lines.extend(task.evidence.iter().map(|line| format!("    {line}")));
    }
    lines
}

fn code_of(end: &End) -> i32 {
    match end {
        End::Done | End::Accepted => exit::OK,
        End::Refused(error) | End::Lost(error) => exit::code_of(error),
        End::Failed => exit::FAILED,
        End::TimedOut => exit::TIMED_OUT,
        End::Interrupted => exit::INTERRUPTED,
    }
}

/// Of several ends: Ctrl-C and a real failure count most; the rarer codes only where nothing else happened.
fn code<'a>(ends: impl Iterator<Item = &'a End>) -> i32 {
    let codes: Vec<i32> = ends.map(code_of).filter(|code| *code != exit::OK).collect();
    let Some(first) = codes.first() else { return exit::OK };
    if codes.contains(&exit::INTERRUPTED) {
        exit::INTERRUPTED
    } else if codes.iter().all(|code| code == first) {
        *first
    } else if codes.iter().all(|code| matches!(*code, exit::TIMED_OUT | exit::ACCESS)) {
        exit::TIMED_OUT
    } else {
        exit::FAILED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_a_batch() {
        let away = || End::Lost(client::Error::Connect { url: "u".into(), cause: "c".into() });
        for (ends, expected) in [
            (vec![End::Done, End::Accepted], exit::OK),
            (vec![End::Done, End::Failed], exit::FAILED),
            (vec![End::TimedOut, End::Failed], exit::FAILED),
            (vec![End::TimedOut, End::Done], exit::TIMED_OUT),
            (vec![End::TimedOut, away()], exit::TIMED_OUT),
            (vec![away(), away()], exit::ACCESS),
            (vec![End::Failed, End::Interrupted], exit::INTERRUPTED),
        ] {
            assert_eq!(code(ends.iter()), expected);
        }
    }
}
