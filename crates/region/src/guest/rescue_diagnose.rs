//! `POST /servers/{id}/rescue-diagnose`: what keeps the server from booting, looked for from inside its rescue system. Read-only; the
//! server stays in rescue.

use std::time::Duration;

use api::server::RescueDiagnose;
use db::examination::Kind;
use db::guest::Guest;
use serde::{Deserialize, Serialize};
use task_engine::{StepError, TaskCx};
use types::GuestStatus;
use types::diagnosis::Diagnosis;
use types::operation::Outcome;
use types::verb::Verb;

use crate::app::App;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;
use crate::guest::one_call::{self, On, OneCall, Settled};
use crate::guest::rescue_verb::{self, Asked};
use crate::host_client::Call;

impl Perform<RescueDiagnose> for Guest {
    const FROM: &'static [GuestStatus] = &[GuestStatus::Rescue];

    async fn perform(self, _: RescueDiagnose, cx: &mut Cx<'_>) -> Result<Done<RescueDiagnose>> {
        let session = rescue_verb::proven(&self, cx).await?;
        let verb = ServerDiagnose { asked: Asked::of(&self, &session) };
        Ok(Done::task(one_call::begin(verb, &self, "requested".into(), cx).await?))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerDiagnose {
    asked: Asked,
}

impl OneCall for ServerDiagnose {
    const TASK: &'static str = "RescueDiagnoseTask";
    /// Under emulation, with several file systems to check.
    const LIMIT: Duration = Duration::from_secs(300);

    fn on(&self) -> On {
        self.asked.on
    }
    fn action(&self) -> &'static str {
        "rescue_diagnose"
    }
    fn during(&self) -> Option<GuestStatus> {
        None
    }
    fn failed(&self) -> Option<GuestStatus> {
        None
    }
    fn call(&self) -> Call {
        // The host adds what the server's own system printed last.
        self.asked.call(&Verb::Diagnose { serial_log: String::new() }, Self::LIMIT)
    }
    fn done(&self, outcome: Outcome, cx: &mut TaskCx<'_, App>) -> Result<Settled, StepError> {
        let diagnosis: Diagnosis = self.asked.keep(outcome, Kind::Diagnosis, cx)?;
        let codes: Vec<&str> = diagnosis.findings.iter().map(|finding| finding.code.as_str()).take(10).collect();
        let notes = match codes.as_slice() {
            [] => "nothing was found that keeps it from booting".to_owned(),
            codes => format!("found: {}", codes.join(", ")),
        };
        Ok(Settled { to: self.asked.on.from, power: None, notes })
    }
}
