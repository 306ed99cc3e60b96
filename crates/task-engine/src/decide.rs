//! What follows from a step: pure, so that every case is a line in a table of tests. Acting is the engine's.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::row::{Failure, LastError, State};
use crate::store::claim::Job;
use crate::store::millis;
use crate::store::save::Change;
use crate::task::Until;
use crate::{ErrorKind, StepError, Tuning};

/// A stage as it is saved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stage {
    pub saved: Value,
    pub name: String,
    pub limit: Duration,
}

/// What a step answered, in the form of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Go(Stage),
    Wait {
        stage: Stage,
        until: Until,
        again: Option<Duration>,
    },
    /// The children are inserted by an effect of the same save.
    Join(Stage),
    Done(Value),
    Failed(StepError),
    /// The saved form does not decode.
    Unreadable(String),
}

/// What the engine knows besides.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances {
    /// The deadline has passed by now.
    pub overdue: bool,
    /// The same worker may go on.
    pub keep: bool,
    /// For the spread of pauses, 0 to 1.
    pub spread: f64,
    /// The id of a new operation, should there be one.
    pub new_operation: Uuid,
}

/// The change of the row that follows from an answer.
pub(crate) fn decide(job: &Job, answer: Answer, tuning: &Tuning, now: &Circumstances) -> Change {
    match answer {
        Answer::Go(stage) => Change { keeps: now.keep, ..begin(job, stage, now) },
        Answer::Join(stage) => Change { state: State::Joining, ..begin(job, stage, now) },
        Answer::Wait { stage, until, again } => {
            let moves = job.failing.is_some() || stage.saved != job.stage;
            if now.overdue && !moves {
                return permanent(job, StepError::deadline_exceeded(&job.stage_name, None), tuning, now);
            }
            let (limit, deadline) = match until {
                Until::Limit(limit) => (Some(limit), None),
                Until::Time(time) => (None, Some(time)),
            };
            wait(job, stage, moves, limit, deadline, again, tuning)
        }
        Answer::Done(result) => {
            let state = match job.cause() {
                None => State::Succeeded,
                Some(cause) if cause.error.is_cancelled() => State::Cancelled,
                Some(_) => State::Failed,
            };
            Change { state, closes: job.failing.is_none(), result: Some(result), failing: None, ..same(job) }
        }
        Answer::Failed(error) if error.kind() == ErrorKind::Transient => {
            if now.overdue {
                let error = StepError::deadline_exceeded(&job.stage_name, Some(&error));
                return permanent(job, error, tuning, now);
            }
            let count = job.errors().map_or(0, |last| last.count).saturating_add(1);
            let delay = error.after().unwrap_or_else(|| tuning.back_off(count, now.spread));
            Change { delay_ms: millis(delay), last_error: Some(LastError { count, error }), ..same(job) }
        }
        Answer::Failed(error) => permanent(job, error, tuning, now),
        Answer::Unreadable(why) => blocked(
            job,
            StepError::permanent(format_args!("the saved task does not decode: {why}")).with_code("unreadable"),
        ),
    }
}

/// Another stage with an operation of its own.
fn begin(job: &Job, stage: Stage, now: &Circumstances) -> Change {
    Change {
        stage: stage.saved,
        stage_name: stage.name,
        // The failed stage went to the history when it failed.
        closes: job.failing.is_none(),
        starts: true,
        new_operation: Some(now.new_operation),
        limit_ms: Some(millis(stage.limit)),
        failing: None,
        ..same(job)
    }
}

/// The operation stays: its outcome is what is waited for.
fn wait(
    job: &Job,
    stage: Stage,
    moves: bool,
    limit: Option<Duration>,
    deadline: Option<DateTime<Utc>>,
    again: Option<Duration>,
    tuning: &Tuning,
) -> Change {
    let attempt = if moves { 1 } else { u32::try_from(job.attempts).unwrap_or(1) };
    Change {
        state: State::Waiting,
        stage: stage.saved,
        stage_name: stage.name,
        closes: moves && job.failing.is_none(),
        starts: moves,
        limit_ms: limit.map(millis),
        deadline,
        delay_ms: millis(again.unwrap_or_else(|| tuning.wait(attempt))),
        failing: None,
        ..same(job)
    }
}

/// The way back begins, or begins again, or is at its end.
fn permanent(job: &Job, error: StepError, tuning: &Tuning, now: &Circumstances) -> Change {
    if job.failing.is_some() {
        // `failed` itself failed. Whatever it was to undo is not undone: a person has to look.
        let told = StepError::permanent(format_args!("the way back from stage {} failed: {error}", job.stage_name));
        return blocked(job, told.with_code("way_back_failed"));
    }
    if job.failures >= i64::from(tuning.failed_calls) {
        let told = format!("the way back failed {} times, last at stage {}: {error}", job.failures, job.stage_name);
        return blocked(job, StepError::permanent(told).with_code("way_back_in_circles"));
    }
    let failure = Failure { at: job.stage.clone(), at_name: job.stage_name.clone(), error };
    Change {
        closes: true,
        starts: true,
        new_operation: Some(now.new_operation),
        limit_ms: Some(millis(tuning.failed_limit)),
        keeps: now.keep,
        cause: Some(failure.clone()),
        failing: Some(failure),
        ..same(job)
    }
}

fn blocked(job: &Job, error: StepError) -> Change {
    Change { state: State::Blocked, last_error: Some(LastError { count: 1, error }), ..same(job) }
}

/// The row as it is, given back and due at once.
fn same(job: &Job) -> Change {
    Change {
        id: job.id,
        generation: job.generation,
        operation: job.operation,
        state: State::Queued,
        stage: job.stage.clone(),
        stage_name: job.stage_name.clone(),
        closes: false,
        starts: false,
        new_operation: None,
        limit_ms: None,
        deadline: None,
        delay_ms: 0,
        keeps: false,
        saw_outcome: job.outcome.is_some(),
        saw_cancel: job.cancel_requested,
        last_error: None,
        cause: None,
        failing: job.failing(),
        result: None,
        parent: job.parent_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn job() -> Job {
        Job {
            id: Uuid::from_u128(1),
            name: "T".into(),
            data: json!({}),
            stage: json!("here"),
            stage_name: "here".into(),
            stage_started: DateTime::UNIX_EPOCH,
            stage_deadline: DateTime::UNIX_EPOCH,
            left_ms: 1000,
            attempts: 1,
            last_error: None,
            obj_type: None,
            obj_id: None,
            parent_id: None,
            request_id: None,
            created_by: None,
            operation: Uuid::from_u128(2),
            sequence: 1,
            outcome: None,
            generation: 1,
            cause: None,
            failing: None,
            cancel_requested: false,
            failures: 0,
            created_at: DateTime::UNIX_EPOCH,
            traceparent: None,
        }
    }

    fn failure(error: StepError) -> Value {
        json!(Failure { at: json!("here"), at_name: "here".into(), error })
    }

    fn stage(name: &str) -> Stage {
        Stage { saved: json!(name), name: name.into(), limit: Duration::from_secs(9) }
    }

    fn wait(name: &str) -> Answer {
        Answer::Wait { stage: stage(name), until: Until::Limit(Duration::from_secs(5)), again: None }
    }

    fn now(overdue: bool) -> Circumstances {
        Circumstances { overdue, keep: true, spread: 0.0, new_operation: Uuid::from_u128(3) }
    }

    fn answers() -> Vec<Answer> {
        vec![
            Answer::Go(stage("next")),
            Answer::Go(stage("here")),
            wait("here"),
            wait("next"),
            Answer::Join(stage("next")),
            Answer::Done(json!(1)),
            Answer::Failed(StepError::transient("t")),
            Answer::Failed(StepError::permanent("p")),
            Answer::Failed(StepError::cancelled()),
            Answer::Unreadable("u".into()),
        ]
    }

    #[test]
    fn what_follows_from_each_answer() {
        use State::{Blocked, Cancelled, Failed, Joining, Queued, Succeeded, Waiting};
        let plain = job();
        let failing = Job {
            failing: Some(failure(StepError::permanent("f"))),
            cause: Some(failure(StepError::permanent("f"))),
            failures: 1,
            ..job()
        };
        let back = Job { cause: Some(failure(StepError::permanent("f"))), failures: 1, ..job() };
        let cancelled = Job { cause: Some(failure(StepError::cancelled())), failures: 1, ..job() };
        type Wanted = (State, bool, bool, bool); // state, another operation, into the history, on to `failed`
        let table: [(&Job, bool, Answer, Wanted); 19] = [
            (&plain, false, Answer::Go(stage("next")), (Queued, true, true, false)),
            (&plain, true, Answer::Go(stage("next")), (Queued, true, true, false)),
            (&plain, false, Answer::Join(stage("next")), (Joining, true, true, false)),
            (&plain, false, wait("here"), (Waiting, false, false, false)),
            (&plain, false, wait("next"), (Waiting, false, true, false)),
            (&plain, true, wait("here"), (Queued, true, true, true)),
            (&plain, false, Answer::Failed(StepError::transient("t")), (Queued, false, false, false)),
            (&plain, true, Answer::Failed(StepError::transient("t")), (Queued, true, true, true)),
            (&plain, false, Answer::Failed(StepError::permanent("p")), (Queued, true, true, true)),
            (&plain, false, Answer::Unreadable("u".into()), (Blocked, false, false, false)),
            (&plain, false, Answer::Done(json!(1)), (Succeeded, false, true, false)),
            (&back, false, Answer::Done(json!(1)), (Failed, false, true, false)),
            (&cancelled, false, Answer::Done(json!(1)), (Cancelled, false, true, false)),
            (&back, false, Answer::Failed(StepError::permanent("p")), (Queued, true, true, true)),
            // In `failed` itself: its stage is in the history already.
            (&failing, false, Answer::Go(stage("back")), (Queued, true, false, false)),
            (&failing, false, Answer::Done(json!(1)), (Failed, false, false, false)),
            (&failing, false, Answer::Failed(StepError::transient("t")), (Queued, false, false, true)),
            (&failing, true, Answer::Failed(StepError::transient("t")), (Blocked, false, false, true)),
            (&failing, false, Answer::Failed(StepError::permanent("p")), (Blocked, false, false, true)),
        ];
        for (n, (job, overdue, answer, wanted)) in table.into_iter().enumerate() {
            let change = decide(job, answer, &Tuning::default(), &now(overdue));
            let found = (change.state, change.new_operation.is_some(), change.closes, change.failing.is_some());
            assert_eq!(found, wanted, "line {n}");
        }
        let circles = Job { failures: 20, ..back };
        let change = decide(&circles, Answer::Failed(StepError::permanent("p")), &Tuning::default(), &now(false));
        assert_eq!(change.state, Blocked);
    }

    #[test]
    fn errors_in_a_row_are_counted_and_slow_down() {
        let mut job = job();
        for (count, delay) in [(1, 250), (2, 500), (3, 1000)] {
            let change = decide(&job, Answer::Failed(StepError::transient("t")), &Tuning::default(), &now(false));
            assert_eq!((change.last_error.as_ref().unwrap().count, change.delay_ms), (count, delay));
            job.last_error = Some(json!(change.last_error));
        }
        let hint = StepError::transient("t").retry_after(Duration::from_secs(7));
        assert_eq!(decide(&job, Answer::Failed(hint), &Tuning::default(), &now(false)).delay_ms, 7000);
    }

    proptest! {
        /// The fence lets a save through once because every save begins a new operation or gives back the claim; and
        /// what has ended or is blocked is not kept.
        #[test]
        fn every_save_moves_the_fence(
            answer in prop::sample::select(answers()), overdue: bool, keep: bool, outcome: bool,
            failing: bool, back: bool, failures in 0i64..25,
        ) {
            let failed = || Some(failure(StepError::permanent("f")));
            let job = Job {
                outcome: outcome.then(|| json!(1)),
                failing: if failing { failed() } else { None },
                cause: if failing || back { failed() } else { None },
                failures,
                ..job()
            };
            let change = decide(&job, answer, &Tuning::default(), &Circumstances { keep, ..now(overdue) });
            prop_assert!(change.new_operation.is_some() || !change.keeps);
            prop_assert!(keep || !change.keeps);
            prop_assert!(change.state == State::Queued || !change.keeps);
            prop_assert_eq!(change.saw_outcome, outcome);
            prop_assert!(change.limit_ms.is_some() || change.deadline.is_some() || !change.starts);
            prop_assert_eq!((change.id, change.generation, change.operation), (job.id, job.generation, job.operation));
        }
    }
}
