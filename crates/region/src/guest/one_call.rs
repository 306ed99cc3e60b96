//! The task of every verb that is one request to the host between two statuses. A verb says what differs: [`OneCall`].
//!
//! Where the request fails, the host is asked how the server is now ([`super::look`]), and that counts: a server whose disk could not be
//! attached is as it was. Only where the host does not say, the server is left in the verb's `_failed` status.

use std::time::Duration;

use db::guest::Guest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use task_engine::{Next, Spawned, StepError, Task, TaskCx};
use types::operation::Outcome;
use types::{GuestId, GuestStatus, HostId, PowerState};

use crate::app::App;
use crate::dispatch::Cx;
use crate::dispatch::perform::Note;
use crate::error::Result;
use crate::guest::look::{self, Asked};
use crate::guest::work::{self, Change};
use crate::guest::{OBJECT, look::see};
use crate::host_client::{Call, ask};

/// The guest it is about, and the status it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct On {
    pub guest: GuestId,
    pub host: HostId,
    pub from: GuestStatus,
}

impl On {
    #[must_use]
    pub fn of(guest: &Guest) -> Self {
        Self { guest: guest.id, host: guest.host_id, from: guest.status }
    }
}

/// What differs from verb to verb. Its fields are the task's saved data.
pub trait OneCall: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Stored data: renaming it orphans the rows of before.
    const TASK: &'static str;
    /// How long the host may take.
    const LIMIT: Duration = Duration::from_secs(120);

    fn on(&self) -> On;
    /// In events.
    fn action(&self) -> &'static str;
    /// While it is at work; `None`: as it came.
    fn during(&self) -> Option<GuestStatus>;
    /// Where nobody can say how far it came; `None`: as it came.
    fn failed(&self) -> Option<GuestStatus>;
    fn call(&self) -> Call;

    /// What the outcome means. May add changes to the step's save.
    ///
    /// # Errors
    /// An outcome of another request.
    fn done(&self, outcome: Outcome, cx: &mut TaskCx<'_, App>) -> Result<Settled, StepError>;

    /// What else is to be taken back. May add changes to the step's save.
    fn undone(&self, why: &str, cx: &mut TaskCx<'_, App>) {
        let _ = (why, cx);
    }
}

/// Where the guest is afterwards.
pub struct Settled {
    pub to: GuestStatus,
    /// Where the outcome tells it.
    pub power: Option<PowerState>,
    pub notes: String,
}

/// Starts the task, moves the status, writes the event.
///
/// # Errors
/// 409 if another task is at work on the guest.
pub async fn begin<V: OneCall>(verb: V, guest: &Guest, notes: String, cx: &mut Cx<'_>) -> Result<Spawned> {
    let (action, during) = (verb.action(), verb.during());
    let spawned = cx.start(&OneCallTask(verb), OBJECT, guest.id.uuid()).await?;
    if let Some(during) = during {
        db::guest::set_status(cx.conn, guest.id, during, None).await?;
    }
    cx.event(Note {
        obj_type: OBJECT,
        obj_id: guest.id.uuid(),
        obj_name: &guest.name,
        action,
        success: true,
        notes,
        status: during.map(|during| (guest.status, during)),
        task: Some(spawned.id),
    })
    .await?;
    Ok(spawned)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct OneCallTask<V: OneCall>(pub V);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    AskHost,
    // The way back.
    LookAgain,
}

impl<V: OneCall> Task for OneCallTask<V> {
    const NAME: &'static str = V::TASK;
    type Env = App;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let on = self.0.on();
        let action = self.0.action();
        match stage {
            Stage::AskHost => {
                let Some(outcome) = ask(cx, on.host, on.guest, self.0.call()).await? else {
                    return Ok(Next::wait(stage, V::LIMIT));
                };
                let Settled { to, power, notes } = self.0.done(outcome, cx)?;
                let change = Change { guest: on.guest, to, power, reason: None, action, success: true, notes };
                work::change(cx, change);
            }
            Stage::LookAgain => {
                let Some(seen) = see(cx, on.host, on.guest).await? else {
                    return Ok(Next::wait(stage, Self::limit(&stage)));
                };
                let why = work::why(cx, &StepError::permanent("the cause was not recorded"));
                let reason = format!("{action} failed, the server is as its host has it: {}", why.cause);
                self.0.undone(&why.cause, cx);
                let asked = Asked { action, success: false, reason: Some(reason), notes: why.cause };
                look::adopt(cx, on.guest, on.from, seen, asked);
            }
        }
        Ok(Next::done(()))
    }

    async fn failed(&self, at: Stage, cause: &StepError, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        match at {
            Stage::AskHost => Ok(Next::go(Stage::LookAgain)),
            Stage::LookAgain => {
                let on = self.0.on();
                let why = work::why(cx, cause);
                let reason = format!("{}; and its host does not say how it is: {}", why.cause, cause.message());
                self.0.undone(&why.cause, cx);
                let to = self.0.failed().unwrap_or(on.from);
                work::change(
                    cx,
                    Change {
                        guest: on.guest,
                        to,
                        power: None,
                        reason: Some(reason),
                        action: self.0.action(),
                        success: false,
                        notes: why.cause,
                    },
                );
                Ok(Next::done(()))
            }
        }
    }

    fn limit(stage: &Stage) -> Duration {
        match stage {
            Stage::AskHost => V::LIMIT,
            Stage::LookAgain => Duration::from_secs(60),
        }
    }
}
