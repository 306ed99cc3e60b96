//! What `rescue-diagnose` and `rescue-repair` share: one request to the rescue system through its host, whose answer is kept with the
//! session.

use api::ErrorClass;
use chrono::Utc;
use db::examination::{Examination, Kind};
use db::guest::Guest;
use db::session::RescueSession;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use task_engine::{StepError, TaskCx};
use types::operation::Outcome;
use types::verb::Verb;
use types::{SessionId, TaskId};

use crate::app::App;
use crate::dispatch::Cx;
use crate::error::{Error, Result};
use crate::guest::one_call::On;
use crate::host_client::{Call, unexpected};

/// Which rescue system is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub on: On,
    pub session: SessionId,
}

/// The server's session, whose rescue system has proven itself.
///
/// # Errors
/// 409: there is none, or it boots just now.
pub async fn proven(guest: &Guest, cx: &mut Cx<'_>) -> Result<RescueSession> {
    let session = db::session::open_of(cx.conn, guest.id).await?;
    let session = session.ok_or_else(|| Error::status(format!("server '{}' has no rescue session", guest.name)))?;
    if !session.is_ready {
        return Err(Error::new(
            ErrorClass::InvalidStatus,
            format!(
                "the rescue system of server '{}' boots, and has not proven itself yet: try again in a minute",
                guest.name
            ),
        )
        .retry_after(Duration::from_secs(10)));
    }
    Ok(session)
}

impl Asked {
    pub fn of(guest: &Guest, session: &RescueSession) -> Self {
        Self { on: On::of(guest), session: session.id }
    }

    /// `limit`: what the host may take; the rescue system gets a little less.
    pub fn call(&self, verb: &Verb, limit: Duration) -> Call {
        let seconds = limit.saturating_sub(Duration::from_secs(10)).as_secs();
        Call::RunInRescue(pb::RunInRescueRequest {
            operation: None,
            session_id: self.session.to_string(),
            verb_json: serde_json::to_string(verb).unwrap_or_default(),
            timeout_s: u32::try_from(seconds).unwrap_or(u32::MAX),
        })
    }

    /// Reads the answer, and keeps it with the session when the step is saved.
    ///
    /// # Errors
    /// An outcome of another request, or an answer of another kind.
    pub fn keep<T>(&self, outcome: Outcome, kind: Kind, cx: &mut TaskCx<'_, App>) -> Result<T, StepError>
    where
        T: serde::de::DeserializeOwned,
    {
        let Outcome::RescueRan { answer } = outcome else { return Err(unexpected(&outcome)) };
        let unreadable =
            |e: serde_json::Error| StepError::permanent(format!("the rescue system's answer can't be read: {e}"));
        let told: T = serde_json::from_str(&answer).map_err(unreadable)?;
        let user = cx.created_by().and_then(|who| who.get("user")).and_then(Value::as_str).unwrap_or_default();
        let examination = Examination {
            id: cx.operation(),
            session_id: self.session,
            kind: kind.as_str().to_owned(),
            user_name: user.to_owned(),
            task_id: TaskId::from_uuid(cx.id()),
            at: Utc::now(),
            // Postgres keeps no text with U+0000, and nobody can see one.
            report: serde_json::from_str(&answer.replace("\\u0000", "\\ufffd")).map_err(unreadable)?,
        };
        cx.on_save(async move |conn| Ok(db::examination::insert(conn, &examination).await?));
        Ok(told)
    }
}
