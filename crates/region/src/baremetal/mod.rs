//! Baremetal agents: shown, enabled, disabled. They register themselves (`upcall`).

mod enable;

use api::baremetal::{BaremetalAgents, DisableAgent, EnableAgent};
use db::Conn;
use db::agent::BaremetalAgent;
use db::filter::{Column, Page};

use crate::app::App;
use crate::dispatch::{List, Model, Registry};
use crate::error::{Error, Result};
use crate::host::reachability;

pub const OBJECT: &str = "baremetalagent";

pub fn register(registry: &mut Registry) {
    registry.resource::<BaremetalAgent>().verb::<EnableAgent>().verb::<DisableAgent>();
}

impl Model for BaremetalAgent {
    type Api = BaremetalAgents;

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        db::agent::find(conn, ident).await?.ok_or_else(|| Error::not_found("baremetal agent", ident))
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, app: &App, _: &mut Conn) -> Result<api::baremetal::BaremetalAgent> {
        Ok(view(self, app))
    }
    crate::dispatch::model::known_by_columns!();
}

impl List for BaremetalAgent {
    const COLUMNS: &'static [Column] = db::agent::COLUMNS;
    const SEARCH: &'static [&'static str] = &["name", "id"];
    const ORDER: (&'static str, bool) = ("name", false);

    async fn page(page: &Page, app: &App, conn: &mut Conn) -> Result<(Vec<api::baremetal::BaremetalAgent>, i64)> {
        let (rows, total) = db::agent::list(conn, page).await?;
        Ok((rows.into_iter().map(|agent| view(agent, app)).collect(), total))
    }
}

fn view(agent: BaremetalAgent, app: &App) -> api::baremetal::BaremetalAgent {
    api::baremetal::BaremetalAgent {
        status: reachability(agent.last_heartbeat, app),
        images: agent.images().into_iter().map(|i| format!("{} {}", i.name, i.version)).collect(),
        id: agent.id,
        name: agent.name,
        zone: agent.zone,
        enabled: agent.enabled,
        draining: agent.draining,
        transfers: u32::try_from(agent.transfers).unwrap_or(0),
        version: agent.version,
        manager_uri: agent.http_endpoint,
        tftp_endpoint: agent.tftp_endpoint,
        last_heartbeat: agent.last_heartbeat,
        created_at: agent.created_at,
    }
}
