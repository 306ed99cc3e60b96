//! From which baremetal agents a host is to fetch a rescue image: all of its zone that serve it now, in the order to try.

use db::agent::{BaremetalAgent, RescueImage};
use task_engine::StepError;
use types::{HostId, SessionId};

use crate::app::App;

/// Agents whose transfers differ by less are equally busy: what they said is some seconds old.
const ALIKE: i32 = 8;

/// Base URLs.
///
/// # Errors
/// Transient: none is online.
pub async fn endpoints(
    app: &App,
    host: HostId,
    image: &RescueImage,
    session: SessionId,
) -> Result<Vec<String>, StepError> {
    let mut conn = app.pool.get().await?;
    let zone = db::host::get(&mut conn, host).await?.map(|h| h.zone).unwrap_or_default();
    let mut agents = db::agent::usable(&mut conn, &zone, app.heard_since()).await?;
    agents.retain(|a| a.images().iter().any(|i| i.kernel == image.kernel && i.initramfs == image.initramfs));
    if agents.is_empty() {
        return Err(StepError::transient(format!(
            "no baremetal agent of zone '{zone}' that serves image {} {} is online",
            image.name, image.version
        )));
    }
    order(&mut agents, session);
    Ok(agents.into_iter().map(|a| a.http_endpoint).collect())
}

/// The least busy first; among those alike each session begins with another.
fn order(agents: &mut [BaremetalAgent], session: SessionId) {
    const MIX: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    agents.sort_by_cached_key(|agent| {
        let mixed = (agent.id.uuid().as_u128() ^ session.uuid().as_u128()).wrapping_mul(MIX);
        (agent.transfers / ALIKE, mixed >> 64)
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::Utc;
    use types::AgentId;

    use super::*;

    fn agent(name: &str, transfers: i32) -> BaremetalAgent {
        BaremetalAgent {
            id: AgentId::generate(),
            name: name.into(),
            zone: "z".into(),
            http_endpoint: format!("http://{name}"),
            tftp_endpoint: String::new(),
            version: String::new(),
            images: serde_json::Value::Null,
            enabled: true,
            draining: false,
            transfers,
            last_heartbeat: Utc::now(),
            created_at: Utc::now(),
        }
    }

    #[test]
    fn busy_agents_come_last_and_the_others_share_the_sessions() {
        let agents = [agent("busy", 100), agent("a", 0), agent("b", 3), agent("c", 7), agent("less", 40)];
        let mut firsts = BTreeMap::<String, u32>::new();
        for _ in 0..3000 {
            let (mut ordered, session) = (agents.to_vec(), SessionId::generate());
            order(&mut ordered, session);
            let mut again = agents.to_vec();
            again.reverse();
            order(&mut again, session);
            assert_eq!(ordered, again, "a repeated stage asks in the same order");
            assert_eq!([&*ordered[3].name, &*ordered[4].name], ["less", "busy"]);
            *firsts.entry(ordered[0].name.clone()).or_default() += 1;
        }
        assert!(firsts.len() == 3 && firsts.values().all(|n| *n > 700), "{firsts:?}");
    }
}
