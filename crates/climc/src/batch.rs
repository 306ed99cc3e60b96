//! A verb on one id or on many: sent in parallel with a limit, waited for if wanted, told one by one.
//!
//! Whatever the service said is printed, also after a time-out or Ctrl-C: a generated password is shown once and never again.

pub mod report;

use std::time::{Duration, Instant};

use api::task::{Task, TaskBrief, TaskState};
use api::{Accepted, Action};
use client::{Client, Created, Error};
use futures::future::join_all;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use types::TaskId;

use crate::exit::Exit;
use crate::output::{Format, Shown};
use crate::progress::{Line, Progress};

/// What every command needs.
pub struct Cx {
    pub client: Client,
    pub format: Format,
}

#[derive(Debug, clap::Args)]
pub struct Many {
    /// Ids or names
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// With several ids: at most so many requests at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallel: u16,
}

#[derive(Debug, Default, clap::Args)]
pub struct Wait {
    /// Wait until the task has ended, and show its stages on stderr
    #[arg(long)]
    pub wait: bool,
    /// Wait at most so many seconds; the task goes on, and the exit code is 3
    #[arg(long, value_name = "SECONDS", requires = "wait", value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: Option<u32>,
}

/// A verb with its ids and options.
#[derive(Debug, clap::Args)]
pub struct Verb<A: clap::Args> {
    #[command(flatten)]
    pub many: Many,
    #[command(flatten)]
    pub action: A,
    #[command(flatten)]
    pub wait: Wait,
}

/// A verb that has no task of its own.
#[derive(Debug, clap::Args)]
pub struct QuickVerb<A: clap::Args> {
    #[command(flatten)]
    pub many: Many,
    #[command(flatten)]
    pub action: A,
}

/// What the service answered to one request.
pub struct Receipt<V> {
    pub view: V,
    pub task: Option<TaskBrief>,
    pub warnings: Vec<String>,
    /// Further keys of the answer, for json and yaml.
    pub extra: Value,
    /// The same for tables.
    pub notes: Vec<(&'static str, String)>,
}

impl<V> From<Created<V>> for Receipt<V> {
    fn from(created: Created<V>) -> Self {
        let Created { resource, task, warnings } = created;
        Self { view: resource, task, warnings, extra: Value::Null, notes: Vec::new() }
    }
}

impl<V> Receipt<V> {
    /// `notes`: what of the answer's extra a table shows.
    pub fn accepted<A: Action>(answer: Accepted<A>, notes: impl Fn(&A::Extra) -> Vec<(&'static str, String)>) -> Self
    where
        A::On: api::Resource<View = V>,
    {
        Self {
            view: answer.resource,
            task: answer.task,
            warnings: answer.warnings,
            notes: notes(&answer.extra),
            extra: serde_json::to_value(answer.extra).unwrap_or_default(),
        }
    }
}

/// How one request ended.
pub enum End {
    /// Nothing is at work any more, and it went well.
    Done,
    /// A task is at work, and nobody waits for it.
    Accepted,
    /// The service said no, or can't be reached.
    Refused(Error),
    /// The task failed.
    Failed,
    /// While waiting: the task goes on.
    TimedOut,
    Interrupted,
    /// While waiting, the service was lost: the task goes on.
    Lost(Error),
}

pub struct Outcome<R: Shown> {
    /// As it was asked for.
    pub asked: String,
    pub receipt: Option<Receipt<R::View>>,
    /// As it ended.
    pub task: Option<Task>,
    /// The resource is no more; what is known of it is from before.
    pub gone: bool,
    pub end: End,
}

/// Performs a verb whose answer holds nothing beside resource and task.
pub async fn perform<A: Action>(cx: &Cx, many: &Many, action: &A, wait: &Wait) -> Result<(), Exit>
where
    A::On: Shown,
{
    run::<A::On>(cx, A::NAME, &many.ids, many.parallel, wait, async |id| {
        Ok(Receipt::accepted(cx.client.perform(id, action).await?, |_| Vec::new()))
    })
    .await
}

/// Sends, waits, prints. `verb` is for messages.
///
/// # Errors
/// An exit that says how many failed, and which.
pub async fn run<R: Shown>(
    cx: &Cx,
    verb: &str,
    ids: &[String],
    parallel: u16,
    wait: &Wait,
    ask: impl AsyncFn(&str) -> Result<Receipt<R::View>, Error>,
) -> Result<(), Exit> {
    let mut asked: Vec<&str> = Vec::new();
    for id in ids {
        if !asked.contains(&id.as_str()) {
            asked.push(id);
        }
    }
    let follow = Follow::new(wait);
    let progress = Progress::new(asked.len() > 1);
    let permits = Semaphore::new(usize::from(parallel));
    let all = join_all(asked.iter().map(async |id| {
        let answer = {
            let _permit = permits.acquire().await;
            tokio::select! {
                answer = ask(id) => answer,
                () = follow.interrupted() => return Outcome::<R> { asked: (*id).into(), receipt: None, task: None, gone: false, end: End::Interrupted },
            }
        };
        match answer {
            Ok(receipt) => finish::<R>(cx, id, receipt, wait, &follow, &progress).await,
            Err(error) => Outcome { asked: (*id).into(), receipt: None, task: None, gone: false, end: End::Refused(error) },
        }
    }));
    let outcomes = follow.listening(all).await;
    drop(progress);
    report::print(cx.format, verb, &outcomes)
}

/// From the answer to the end of its task.
async fn finish<R: Shown>(
    cx: &Cx,
    asked: &str,
    mut receipt: Receipt<R::View>,
    wait: &Wait,
    follow: &Follow,
    progress: &Progress,
) -> Outcome<R> {
    let outcome =
        |receipt, task, end| Outcome { asked: asked.to_owned(), receipt: Some(receipt), task, gone: false, end };
    let Some(id) = receipt.task.as_ref().map(|task| task.id) else { return outcome(receipt, None, End::Done) };
    if !wait.wait {
        return outcome(receipt, None, End::Accepted);
    }
    let name = R::name(&receipt.view);
    match follow.task(&cx.client, id, progress.line(&name)).await {
        Followed::Ended(task) => {
            let end = if task.state == TaskState::Succeeded { End::Done } else { End::Failed };
            let gone = match cx.client.get::<R>(&R::id(&receipt.view)).await {
                Ok(view) => {
                    receipt.view = view;
                    false
                }
                // Where it can't be read for another reason, the last that was said of it stands.
                Err(error) => error.is_not_found(),
            };
            Outcome { gone, ..outcome(receipt, Some(*task), end) }
        }
        Followed::TimedOut => outcome(receipt, None, End::TimedOut),
        Followed::Interrupted => outcome(receipt, None, End::Interrupted),
        Followed::Lost(error) => outcome(receipt, None, End::Lost(error)),
    }
}

/// How the wait for a task ended.
pub enum Followed {
    Ended(Box<Task>),
    TimedOut,
    Interrupted,
    Lost(Error),
}

/// The limits of all waits of one command: a deadline, and Ctrl-C.
pub struct Follow {
    deadline: Option<Instant>,
    heed: bool,
    interrupt: watch::Sender<bool>,
}

impl Follow {
    pub fn new(wait: &Wait) -> Self {
        let deadline = wait.timeout.map(|s| Instant::now() + Duration::from_secs(s.into()));
        Self { deadline, heed: wait.wait, interrupt: watch::Sender::new(false) }
    }

    /// Runs to the end, but hears Ctrl-C meanwhile (only where it is waited: else Ctrl-C ends the program as ever).
    pub async fn listening<T>(&self, work: impl Future<Output = T>) -> T {
        let listen = async {
            if self.heed && tokio::signal::ctrl_c().await.is_ok() {
                self.interrupt.send_replace(true);
            }
            std::future::pending().await
        };
        tokio::select! { done = work => done, () = listen => unreachable!("listen never ends") }
    }

    async fn interrupted(&self) {
        // The sender lives as long as `self`: the wait can't fail.
        let _ = self.interrupt.subscribe().wait_for(|stop| *stop).await;
    }

    /// Waits for a task within the limits.
    pub async fn task(&self, client: &Client, id: TaskId, mut line: Line) -> Followed {
        let deadline = async {
            match self.deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = client.wait_task(id, |watch| line.watch(&watch)) => match ended {
                Ok(task) => Followed::Ended(Box::new(task)),
                Err(error) => Followed::Lost(error),
            },
            () = deadline => Followed::TimedOut,
            () = self.interrupted() => Followed::Interrupted,
        }
    }
}
