//! `POST /hosts/{id}/enable` and `/disable`: whether new work is placed on a host.

use api::Action;
use api::host::{DisableHost, EnableHost};
use db::host::Host;

use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;

impl Perform<EnableHost> for Host {
    async fn perform(self, _: EnableHost, cx: &mut Cx<'_>) -> Result<Done<EnableHost>> {
        set(&self, true, EnableHost::NAME, cx).await?;
        Ok(Done::nothing())
    }
}

impl Perform<DisableHost> for Host {
    async fn perform(self, _: DisableHost, cx: &mut Cx<'_>) -> Result<Done<DisableHost>> {
        set(&self, false, DisableHost::NAME, cx).await?;
        Ok(Done::nothing())
    }
}

async fn set(host: &Host, enabled: bool, action: &str, cx: &mut Cx<'_>) -> Result<()> {
    db::host::set_enabled(cx.conn, host.id, enabled).await?;
    cx.event(Note {
        obj_type: super::OBJECT,
        obj_id: host.id.uuid(),
        obj_name: &host.name,
        action,
        success: true,
        notes: String::new(),
        status: None,
        task: None,
    })
    .await
}
