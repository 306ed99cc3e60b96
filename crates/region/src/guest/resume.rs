//! `POST /servers/{id}/resume`: a suspended server goes on where it stood.

use api::server::Resume;
use db::guest::Guest;
use serde::{Deserialize, Serialize};
use task_engine::{StepError, TaskCx};
use types::operation::Outcome;
use types::{GuestStatus, PowerState};

use crate::app::App;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;
use crate::guest::one_call::{self, On, OneCall, Settled};
use crate::host_client::{Call, unexpected};

impl Perform<Resume> for Guest {
    const FROM: &'static [GuestStatus] =
        &[GuestStatus::Suspended, GuestStatus::SuspendFailed, GuestStatus::ResumeFailed];

    async fn perform(self, _: Resume, cx: &mut Cx<'_>) -> Result<Done<Resume>> {
        let verb = ServerResume { on: On::of(&self) };
        Ok(Done::task(one_call::begin(verb, &self, "requested".into(), cx).await?))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerResume {
    on: On,
}

impl OneCall for ServerResume {
    const TASK: &'static str = "ServerResumeTask";

    fn on(&self) -> On {
        self.on
    }
    fn action(&self) -> &'static str {
        "resume"
    }
    fn during(&self) -> Option<GuestStatus> {
        Some(GuestStatus::Resuming)
    }
    fn failed(&self) -> Option<GuestStatus> {
        Some(GuestStatus::ResumeFailed)
    }
    fn call(&self) -> Call {
        Call::Resume
    }
    fn done(&self, outcome: Outcome, _: &mut TaskCx<'_, App>) -> Result<Settled, StepError> {
        match outcome {
            Outcome::Resumed => {
                let (to, power) = (GuestStatus::Running, Some(PowerState::Running));
                Ok(Settled { to, power, notes: "its processors go on".into() })
            }
            other => Err(unexpected(&other)),
        }
    }
}
