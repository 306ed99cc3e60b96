//! What must hold once everything is healed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::Result;
use api::ListQuery;
use api::event::{Event, Events};
use api::event_chain::{Head, verify};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, Member, Place};
use crate::site::Site;
use crate::sql;
use crate::watch::machines;

/// From the moment everything is healed.
pub const BOUND: Duration = Duration::from_secs(180);

/// Ends of the chains as they were seen last: an end that is cut off is noticed only so.
#[derive(Default)]
pub struct Chains(HashMap<String, Head>);

/// Until no task is alive, and every server's power is known. What is left when the bound has passed; how long it took.
pub async fn calm(site: &Site) -> (Duration, Vec<String>) {
    let began = Instant::now();
    loop {
        // As whatever keeps services alive does.
        for program in site.programs() {
            let _ = program.launch();
        }
        let left = unrest(site).await.unwrap_or_else(|error| vec![format!("{error:#}")]);
        if left.is_empty() || began.elapsed() > BOUND {
            let late = |what| format!("not within {} s after healing: {what}", BOUND.as_secs());
            return (began.elapsed(), left.into_iter().map(late).collect());
        }
        sleep(Duration::from_millis(200)).await;
    }
}

async fn unrest(site: &Site) -> Result<Vec<String>> {
    let url = &site.postgres.url;
    let tasks = "select t.id, t.name, t.stage_name, t.state, t.last_error, g.name as server from tasks t \
                 left join guests g on g.id = t.obj_id where t.ended_at is null";
    let alive = sql::rows(url, tasks).await?.into_iter().map(|row| format!("task {row}"));
    let unknown = "select name, status, power_state from guests where deleted_at is null and (power_state = 'unknown' \
                   or (status = 'running' and power_state = 'shutoff') or (status = 'ready' and power_state <> 'shutoff'))";
    let unknown = sql::rows(url, unknown).await?.into_iter().map(|row| format!("power {row}"));
    Ok(alive.chain(unknown).collect())
}

/// All promises; what is broken.
pub async fn check(site: &Site, fleet: &Fleet, chains: &mut Chains, whole: bool) -> Vec<String> {
    let mut broken = Vec::new();
    match database(site, fleet).await {
        Ok(found) => broken.extend(found),
        Err(error) => broken.push(format!("the database can't be looked at: {error:#}")),
    }
    match servers(site, fleet).await {
        Ok(found) => broken.extend(found),
        Err(error) => broken.push(format!("the servers can't be looked at: {error:#}")),
    }
    let some = fleet.members.iter().filter(|member| whole || matches!(member.place, Place::Node(_)));
    for member in some {
        if let Err(error) = chain(site, member, chains).await {
            broken.push(format!("events of {}: {error:#}", member.name));
        }
    }
    broken
}

/// What no row may say.
pub const NEVER: &[(&str, &str)] = &[
    (
        "a session has ended and keeps credentials",
        "select id from rescue_sessions where ended_at is not null and credentials is not null",
    ),
    (
        "an open session has no credentials",
        "select id from rescue_sessions where ended_at is null and credentials is null",
    ),
    (
        "a session's state does not say whether it has ended",
        "select id, state from rescue_sessions where (ended_at is null) <> (state in ('starting', 'active', 'confirming', 'stopping'))",
    ),
    (
        "a session is open though its server is not in rescue",
        "select s.id, g.name, g.status from rescue_sessions s join guests g on g.id = s.guest_id where s.ended_at is null \
         and g.status not in ('rescue', 'stop_rescue_failed', 'start_rescue_failed')",
    ),
    (
        "a server is in rescue without a session",
        "select name from guests g where status = 'rescue' and not exists \
         (select from rescue_sessions s where s.guest_id = g.id and s.state = 'active')",
    ),
    (
        "a server is on its way though no task is",
        "select name, status from guests where deleted_at is null and status not in ('ready', 'running', 'suspend', 'rescue') \
         and status not like '%_failed'",
    ),
    (
        "a task left no event",
        "select t.id, t.name, t.state from tasks t where t.obj_type = 'server' and t.parent_id is null \
         and not exists (select from events e where e.task_id = t.id)",
    ),
    (
        "a task changed a server and no event says to what",
        "select t.id, t.name from tasks t where t.obj_type = 'server' and t.state = 'succeeded' \
         and t.name in ('ServerStartTask', 'ServerStopTask', 'ServerRestartTask', 'ServerSuspendTask', 'ServerResumeTask', \
         'RescueRestartTask', 'StartRescueTask', 'StopRescueTask') and not exists (select from events e where e.task_id = t.id \
         and e.success and e.new_status in ('ready', 'running', 'suspend', 'rescue'))",
    ),
    (
        "a task failed and no event says so",
        "select t.id, t.name from tasks t where t.obj_type = 'server' and t.state = 'failed' and t.parent_id is null \
         and not exists (select from events e where e.task_id = t.id and not e.success)",
    ),
    (
        "a failed task does not say why",
        "select id, name from tasks where state = 'failed' and coalesce(cause::text, '') in ('', 'null', '{}', '\"\"')",
    ),
];

async fn database(site: &Site, fleet: &Fleet) -> Result<Vec<String>> {
    let url = &site.postgres.url;
    let mut broken = Vec::new();
    for (what, query) in NEVER {
        for row in sql::rows(url, query).await?.into_iter().take(5) {
            broken.push(format!("{what}: {row}"));
        }
    }
    // Every task that was promised exists: nothing that was answered with 202 is forgotten.
    let accepted = fleet.accepted.lock().expect("nobody panics with it").clone();
    let known: Vec<Value> =
        sql::rows(url, "select id::text as id from tasks union all select id::text from tasks_archive").await?;
    let known: std::collections::HashSet<&str> = known.iter().filter_map(|row| row["id"].as_str()).collect();
    for task in accepted.iter().map(ToString::to_string).filter(|id| !known.contains(id.as_str())) {
        broken.push(format!("task {task} was promised, and is not there"));
    }
    Ok(broken)
}

async fn servers(site: &Site, fleet: &Fleet) -> Result<Vec<String>> {
    let rows = sql::rows(
        &site.postgres.url,
        "select g.id::text as id, g.status, g.power_state as power, s.state as session, s.prior_status as prior, \
         s.start_task_id::text as start, t.state as task, s.stop_task_id::text as stop, u.state as left, \
         (select id::text from tasks where obj_id = g.id order by created_at desc limit 1) as last \
         from guests g left join lateral (select * from rescue_sessions s where s.guest_id = g.id order by started_at desc limit 1) s on true \
         left join tasks t on t.id = s.start_task_id left join tasks u on u.id = s.stop_task_id \
         where g.deleted_at is null",
    )
    .await?;
    let rows: BTreeMap<&str, &Value> = rows.iter().filter_map(|row| Some((row["id"].as_str()?, row))).collect();
    let running = machines(site.state.root());
    let mut broken = Vec::new();
    for member in &fleet.members {
        let id = member.id.to_string();
        let Some(row) = rows.get(id.as_str()) else {
            broken.push(format!("{} is gone", member.name));
            continue;
        };
        let (status, power) = (row["status"].as_str().unwrap_or_default(), row["power"].as_str().unwrap_or_default());
        let mut wrong = |what: String| broken.push(format!("{} ({status}, {power}): {what}", member.name));
        let rescue = status == "rescue" || status.ends_with("rescue_failed");
        // After a way into rescue that failed, and after a way out: it is as it was before, unless its power was cut meanwhile.
        let rolled_back = row["task"] == "failed" && row["start"] == row["last"] && !status.ends_with("_failed");
        let left = row["left"] == "succeeded" && row["stop"] == row["last"];
        let struck = fleet.was_struck(member.id, row["last"].as_str());
        let other = row["prior"].as_str().is_some_and(|prior| differs(prior, status));
        if (rolled_back || left) && other && !struck {
            wrong(format!("its rescue {}, and it was {} before", if left { "ended" } else { "failed" }, row["prior"]));
        }
        match member.desc_now(site) {
            Ok(now) if !rescue && now != member.desc => wrong("its desc is not the one of before".into()),
            Ok(_) => {}
            Err(error) => wrong(format!("its desc can't be read: {error:#}")),
        }
        if let Place::Node(node) = member.place {
            let machines: Vec<_> = running.iter().filter(|machine| machine.server == id).collect();
            let wanted = usize::from(power == "running" || power == "paused");
            if machines.len() != wanted {
                wrong(format!("{} QEMU run, {wanted} is true", machines.len()));
            }
            if machines.iter().any(|machine| machine.rescue != rescue) && !status.ends_with("_failed") {
                wrong(format!("another system runs than its status says: rescue is {}", !rescue));
            }
            if !rescue {
                for left in left_over(&member.folder(site, node)) {
                    wrong(format!("left of a session that has ended: {left}"));
                }
            }
        } else if let Place::Simulated(node) = member.place
            && let Some(guest) = site.simulated[node].0.guest(member.id)
            && guest.power.to_string() != power
        {
            wrong(format!("its host says {}", guest.power));
        }
    }
    Ok(broken)
}

/// Whether a server that was so before its rescue is another now. From a failed status, or a paused machine, the way back leads elsewhere.
fn differs(prior: &str, status: &str) -> bool {
    matches!(prior, "ready" | "running") && prior != status
}

/// Credentials, and the desc of before, stay as long as their session.
fn left_over(folder: &std::path::Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let secrets = folder.join("rescue/secrets.json").exists().then(|| "rescue/secrets.json".to_owned());
    names.filter(|name| name.starts_with("source-")).chain(secrets).collect()
}

async fn chain(site: &Site, member: &Member, chains: &mut Chains) -> Result<()> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let query = ListQuery {
            limit: 1000,
            offset: i64::try_from(events.len())?,
            obj_type: Some("server".into()),
            obj_id: Some(member.id.to_string()),
            ..ListQuery::default()
        };
        let page = site.client.list::<Events>(&query).await?.data;
        let last = page.len() < 1000;
        events.extend(page);
        if last {
            break;
        }
    }
    let head = verify(&events, chains.0.get(&member.name))?;
    anyhow::ensure!(head.is_some(), "there are none");
    if let Some(head) = head {
        chains.0.insert(member.name.clone(), head);
    }
    Ok(())
}
