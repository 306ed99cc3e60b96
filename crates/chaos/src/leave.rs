//! Each failed status can be left: the ways out are taken, one after the other, and must work.

use std::time::Duration;

use api::server::Servers;
use api::task::TaskState;
use types::GuestStatus;

use crate::chance::Chance;
use crate::fleet::{Fleet, Member};
use crate::load::{Ask, ask, asks};
use crate::promise::BOUND;
use crate::site::Site;

/// A way out that was taken.
#[derive(Debug, Clone)]
pub struct Left {
    pub from: GuestStatus,
    pub by: Ask,
    /// Why it did not work.
    pub problem: Option<String>,
}

/// Takes a way out for every server in a failed status.
pub async fn leave(site: &Site, fleet: &Fleet, chance: &mut Chance) -> Vec<Left> {
    let mut left = Vec::new();
    for member in &fleet.members {
        match site.client.get::<Servers>(&member.id.to_string()).await {
            Ok(server) if server.status.to_string().ends_with("_failed") => {
                // What only asks again how it is may find that nothing has changed.
                let ways: Vec<_> =
                    asks(server.status).iter().filter(|(_, way)| *way != Ask::SyncStatus).copied().collect();
                if ways.is_empty() {
                    let problem = Some(format!("{}: there is no way out", member.name));
                    left.push(Left { from: server.status, by: Ask::SyncStatus, problem });
                    continue;
                }
                let by = *chance.weighted(&ways);
                let problem = take(site, fleet, member, by, chance).await.err();
                left.push(Left {
                    from: server.status,
                    by,
                    problem: problem.map(|it| format!("{}: {it:#}", member.name)),
                });
            }
            Ok(_) => {}
            Err(error) => left.push(Left {
                from: GuestStatus::Ready,
                by: Ask::SyncStatus,
                problem: Some(format!("{}: {error}", member.name)),
            }),
        }
    }
    left
}

async fn take(site: &Site, fleet: &Fleet, member: &Member, by: Ask, chance: &mut Chance) -> anyhow::Result<()> {
    let task = ask(site, member, by, chance).await?.ok_or_else(|| anyhow::anyhow!("no task"))?;
    fleet.accepted.lock().expect("nobody panics with it").push(task);
    let limit = BOUND + Duration::from_secs(60);
    let task = tokio::time::timeout(limit, site.client.wait_task(task, |_| ())).await??;
    anyhow::ensure!(task.state == TaskState::Succeeded, "{}: {:?} {:?}", task.task_name, task.cause, task.evidence);
    let server = site.client.get::<Servers>(&member.id.to_string()).await?;
    anyhow::ensure!(!server.status.to_string().ends_with("_failed"), "it is in {} afterwards", server.status);
    Ok(())
}
