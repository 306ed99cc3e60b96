//! What those who are inside a rescue system are told, on all its consoles: that their session ends soon. Begun by reconcile, once for
//! each end that a session is given.

use std::time::Duration;

use chrono::{DateTime, Utc};
use db::guest::Guest;
use db::session::RescueSession;
use serde::{Deserialize, Serialize};
use task_engine::{StepError, TaskCx};
use types::GuestStatus;
use types::operation::Outcome;
use types::verb::Verb;

use crate::app::App;
use crate::dispatch::Cx;
use crate::error::Result;
use crate::guest::one_call::{self, On, OneCall, Settled};
use crate::guest::rescue_verb::Asked;
use crate::host_client::{Call, unexpected};

/// How long before its end a session is announced to be over.
pub const AHEAD: Duration = Duration::from_secs(600);

/// Starts the task, and remembers of which end was told.
///
/// # Errors
/// 409 if another task is at work on the guest.
pub async fn begin(guest: &Guest, session: &RescueSession, cx: &mut Cx<'_>) -> Result<()> {
    let verb = ServerNotice { asked: Asked::of(guest, session), server: guest.name.clone(), ends: session.expires_at };
    db::session::set_noticed(cx.conn, session.id, session.expires_at).await?;
    one_call::begin(verb, guest, format!("the rescue session ends at {}", session.expires_at.to_rfc3339()), cx)
        .await
        .map(drop)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerNotice {
    asked: Asked,
    server: String,
    ends: DateTime<Utc>,
}

impl OneCall for ServerNotice {
    const TASK: &'static str = "RescueNoticeTask";
    const LIMIT: Duration = Duration::from_secs(60);

    fn on(&self) -> On {
        self.asked.on
    }
    fn action(&self) -> &'static str {
        "rescue_notice"
    }
    fn during(&self) -> Option<GuestStatus> {
        None
    }
    fn failed(&self) -> Option<GuestStatus> {
        None
    }
    fn call(&self) -> Call {
        // The same words whenever it is asked: the rescue system shows them once.
        let text = format!(
            "This rescue session ends at {} UTC, and what is open is closed. More time: climc server-rescue-extend {} --ttl 3600",
            self.ends.format("%H:%M"),
            self.server
        );
        self.asked.call(&Verb::Notice { text }, Self::LIMIT)
    }
    fn done(&self, outcome: Outcome, _: &mut TaskCx<'_, App>) -> std::result::Result<Settled, StepError> {
        let Outcome::RescueRan { .. } = outcome else { return Err(unexpected(&outcome)) };
        Ok(Settled { to: self.asked.on.from, power: None, notes: "those inside were told that it ends".into() })
    }
}
