//! What a stack asks of its own region, as its administrator: who has registered, and that servers power off.

use std::time::Duration;

use anyhow::{Result, bail};
use api::ListQuery;
use api::baremetal::BaremetalAgents;
use api::host::{Hosts, Reachability};
use api::server::{Servers, Stop};
use client::{Client, ClientOptions, Credentials, Error};
use tokio::time::{Instant, sleep, timeout};
use types::PowerState;

use crate::rc::Rc;
use crate::state::State;

/// For all servers together.
const POWER_OFF_LIMIT: Duration = Duration::from_secs(90);
/// What each server gets to power off before it is quit, in seconds.
const GENTLE_S: u32 = 20;

/// A client that acts as the administrator.
///
/// # Errors
/// An address that is no URL.
pub fn client(rc: &Rc) -> Result<Client> {
    let credentials = Credentials::Password {
        user: rc.user.clone(),
        domain: "Default".to_owned(),
        password: Some(rc.password.clone()),
        project: Some("system".to_owned()),
    };
    Ok(Client::new(ClientOptions::new(Some(rc.auth_url.clone()), credentials))?)
}

/// Waits until the host and an agent with an image have registered, and so a rescue could begin.
///
/// # Errors
/// Which of them is missing when the limit has passed.
pub async fn wait(rc: &Rc, limit: Duration) -> Result<()> {
    let client = client(rc)?;
    let end = Instant::now() + limit;
    loop {
        let missing = match missing(&client).await {
            Ok(None) => return Ok(()),
            Ok(Some(missing)) => missing.to_owned(),
            Err(error) => error.to_string(),
        };
        if Instant::now() >= end {
            bail!("not everything has registered with region within {} s: {missing}", limit.as_secs());
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn missing(client: &Client) -> Result<Option<&'static str>, Error> {
    let hosts = client.list::<Hosts>(&ListQuery::default()).await?;
    if !hosts.data.iter().any(|host| host.host_status == Reachability::Online) {
        return Ok(Some("no host is online"));
    }
    let agents = client.list::<BaremetalAgents>(&ListQuery::default()).await?;
    let serves = agents.data.iter().any(|agent| agent.status == Reachability::Online && !agent.images.is_empty());
    Ok((!serves).then_some("no baremetal agent with a rescue image is online"))
}

/// Powers off every server that runs and may be powered off. What does not work out is left to whoever ends the processes.
pub async fn power_off_all(state: &State) {
    let asked = timeout(POWER_OFF_LIMIT, async {
        let client = client(&Rc::read(state)?)?;
        let query = ListQuery { limit: api::list::MAX_LIMIT, ..ListQuery::default() };
        let servers = client.list::<Servers>(&query).await?.data;
        let mut tasks = Vec::new();
        for server in servers.iter().filter(|server| server.power_state == PowerState::Running) {
            let stop = Stop { is_force: false, timeout_secs: Some(GENTLE_S) };
            match client.perform(&server.id.to_string(), &stop).await {
                Ok(accepted) => {
                    eprintln!("powering off {}", server.name);
                    tasks.extend(accepted.task);
                }
                Err(error) => eprintln!("{}: {error}", server.name),
            }
        }
        for task in tasks {
            client.wait_task(task.id, |_| ()).await?;
        }
        anyhow::Ok(())
    });
    match asked.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => eprintln!("servers are not asked to power off: {error:#}"),
        Err(_) => eprintln!("not all servers powered off within {} s", POWER_OFF_LIMIT.as_secs()),
    }
}
