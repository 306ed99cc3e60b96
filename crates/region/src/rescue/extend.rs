//! `POST /rescuesessions/{id}/extend`: another end.

use std::time::Duration;

use api::rescue::Extend;
use chrono::Utc;
use db::session::RescueSession;

use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest;

impl Perform<Extend> for RescueSession {
    async fn perform(self, action: Extend, cx: &mut Cx<'_>) -> Result<Done<Extend>> {
        let until = Utc::now() + Duration::from_secs(action.ttl.into());
        if !db::session::set_expiry(cx.conn, self.id, until).await? {
            return Err(Error::status(format!("rescue session {} has ended: start another", self.id)));
        }
        let name =
            db::guest::names(cx.conn, vec![self.guest_id]).await?.pop().map(|(_, name)| name).unwrap_or_default();
        cx.event(Note {
            obj_type: guest::OBJECT,
            obj_id: self.guest_id.uuid(),
            obj_name: &name,
            action: "extend_rescue",
            success: true,
            notes: format!("the rescue session ends at {}", until.to_rfc3339()),
            status: None,
            task: None,
        })
        .await?;
        Ok(Done::nothing())
    }
}
