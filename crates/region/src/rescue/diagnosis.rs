//! `GET /rescuesessions/{id}/diagnosis`: what the rescue system found, and what was repaired since.

use api::rescue::{Examined, Repaired};
use db::session::RescueSession;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::Result;

pub async fn diagnosis(app: App, session: RescueSession) -> Result<Value> {
    let mut conn = app.pool.get().await?;
    let latest = db::examination::diagnosis(&mut conn, session.id).await?;
    let repairs = db::examination::repairs(&mut conn, session.id).await?;
    let repaired = |row: db::examination::Examination| {
        Ok(Repaired {
            at: row.at,
            user: row.user_name,
            task_id: row.task_id,
            report: serde_json::from_value(row.report)?,
        })
    };
    let examined = Examined {
        diagnosed_at: latest.as_ref().map(|row| row.at),
        diagnosis: latest.map(|row| serde_json::from_value(row.report)).transpose()?,
        repairs: repairs.into_iter().map(repaired).collect::<Result<_>>()?,
    };
    Ok(json!(examined))
}
