//! `POST /servers/{id}/suspend`: the processors stand still; what is in the memory is kept, on the host.

use api::server::Suspend;
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

impl Perform<Suspend> for Guest {
    const FROM: &'static [GuestStatus] = &[GuestStatus::Running, GuestStatus::SuspendFailed];

    async fn perform(self, _: Suspend, cx: &mut Cx<'_>) -> Result<Done<Suspend>> {
        let verb = ServerSuspend { on: On::of(&self) };
        Ok(Done::task(one_call::begin(verb, &self, "requested".into(), cx).await?))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerSuspend {
    on: On,
}

impl OneCall for ServerSuspend {
    const TASK: &'static str = "ServerSuspendTask";

    fn on(&self) -> On {
        self.on
    }
    fn action(&self) -> &'static str {
        "suspend"
    }
    fn during(&self) -> Option<GuestStatus> {
        Some(GuestStatus::Suspending)
    }
    fn failed(&self) -> Option<GuestStatus> {
        Some(GuestStatus::SuspendFailed)
    }
    fn call(&self) -> Call {
        Call::Suspend
    }
    fn done(&self, outcome: Outcome, _: &mut TaskCx<'_, App>) -> Result<Settled, StepError> {
        match outcome {
            Outcome::Suspended => {
                let (to, power) = (GuestStatus::Suspended, Some(PowerState::Paused));
                Ok(Settled { to, power, notes: "its processors stand still".into() })
            }
            other => Err(unexpected(&other)),
        }
    }
}
