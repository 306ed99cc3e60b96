//! `POST /baremetalagents/{id}/enable` and `/disable`: whether rescues download from an agent.

use api::Action;
use api::baremetal::{DisableAgent, EnableAgent};
use db::agent::BaremetalAgent;

use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;

impl Perform<EnableAgent> for BaremetalAgent {
    async fn perform(self, _: EnableAgent, cx: &mut Cx<'_>) -> Result<Done<EnableAgent>> {
        set(&self, true, EnableAgent::NAME, cx).await?;
        Ok(Done::nothing())
    }
}

impl Perform<DisableAgent> for BaremetalAgent {
    async fn perform(self, _: DisableAgent, cx: &mut Cx<'_>) -> Result<Done<DisableAgent>> {
        set(&self, false, DisableAgent::NAME, cx).await?;
        Ok(Done::nothing())
    }
}

async fn set(agent: &BaremetalAgent, enabled: bool, action: &str, cx: &mut Cx<'_>) -> Result<()> {
    db::agent::set_enabled(cx.conn, agent.id, enabled).await?;
    cx.event(Note {
        obj_type: super::OBJECT,
        obj_id: agent.id.uuid(),
        obj_name: &agent.name,
        action,
        success: true,
        notes: String::new(),
        status: None,
        task: None,
    })
    .await
}
