//! `GET /rescuesessions/{id}/diagnosis`: what the rescue system found, what was repaired since, and what came of trying it.

use api::rescue::{Examined, Repaired, Tried};
use db::examination::{Examination, Kind};
use db::session::RescueSession;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::Result;

pub async fn diagnosis(app: App, session: RescueSession) -> Result<Value> {
    let mut conn = app.pool.get().await?;
    let latest = db::examination::diagnosis(&mut conn, session.id).await?;
    let repairs = db::examination::all(&mut conn, session.id, Kind::Repair).await?;
    let trials = db::examination::all(&mut conn, session.id, Kind::Trial).await?;
    let repaired = |Examination { at, user_name: user, task_id, report, .. }| {
        Ok(Repaired { at, user, task_id, report: serde_json::from_value(report)? })
    };
    let tried = |Examination { at, user_name: user, task_id, report, .. }| {
        Ok(Tried { at, user, task_id, report: serde_json::from_value(report)? })
    };
    let examined = Examined {
        diagnosed_at: latest.as_ref().map(|row| row.at),
        diagnosis: latest.map(|row| serde_json::from_value(row.report)).transpose()?,
        repairs: repairs.into_iter().map(repaired).collect::<Result<_>>()?,
        trials: trials.into_iter().map(tried).collect::<Result<_>>()?,
    };
    Ok(json!(examined))
}
