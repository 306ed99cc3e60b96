//! `POST /servers/{id}/reset`: the reset button. A server in rescue stays in rescue, and its rescue system has to prove itself again.

use api::server::Reset;
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

impl Perform<Reset> for Guest {
    const FROM: &'static [GuestStatus] = &[GuestStatus::Running, GuestStatus::Rescue];

    async fn perform(self, _: Reset, cx: &mut Cx<'_>) -> Result<Done<Reset>> {
        let verb = ServerReset { on: On::of(&self) };
        Ok(Done::task(one_call::begin(verb, &self, "requested".into(), cx).await?))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerReset {
    on: On,
}

impl OneCall for ServerReset {
    const TASK: &'static str = "ServerResetTask";

    fn on(&self) -> On {
        self.on
    }
    fn action(&self) -> &'static str {
        "reset"
    }
    fn during(&self) -> Option<GuestStatus> {
        None
    }
    fn failed(&self) -> Option<GuestStatus> {
        None
    }
    fn call(&self) -> Call {
        Call::Reset
    }
    fn done(&self, outcome: Outcome, cx: &mut TaskCx<'_, App>) -> Result<Settled, StepError> {
        if outcome != Outcome::ResetDone {
            return Err(unexpected(&outcome));
        }
        let mut notes = "reset".to_owned();
        if self.on.from == GuestStatus::Rescue {
            notes.push_str("; the rescue system boots again, and is not ready until it has proven itself");
            let id = self.on.guest;
            cx.on_save(async move |conn| Ok(db::session::set_rebooting(conn, id).await?));
        }
        Ok(Settled { to: self.on.from, power: Some(PowerState::Running), notes })
    }
}
