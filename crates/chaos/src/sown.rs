//! Whether the looks of [`crate::promise`] can find anything: at a campaign's end each promise is broken by hand, and must be said to be.

use anyhow::{Context, Result};
use diesel_async::{AsyncConnection, SimpleAsyncConnection};

use crate::fleet::{Fleet, Member, Place};
use crate::promise::{Chains, NEVER, check};
use crate::site::Site;
use crate::sql;

/// Each breaks one or more of [`NEVER`]. Triggers and foreign keys are off meanwhile.
const ROWS: &[&str] = &[
    "update rescue_sessions set credentials = '\\x00' where id = (select min(id::text)::uuid from rescue_sessions where ended_at is not null)",
    "update rescue_sessions set ended_at = null, credentials = null where id = (select max(s.id::text)::uuid from rescue_sessions s \
     join guests g on g.id = s.guest_id where s.ended_at is not null and g.status in ('ready', 'running'))",
    "update guests set status = 'rescue' where name = 'light0'",
    "update rescue_sessions set state = 'closed' where guest_id = (select id from guests where name = 'light0') and state = 'active'",
    "update guests set status = 'starting' where name = 'light1'",
    "delete from events where task_id = (select max(id::text)::uuid from tasks where name = 'StartRescueTask' and state = 'succeeded' \
     and parent_id is null)",
    "update tasks set state = 'failed', cause = null where id = (select min(id::text)::uuid from tasks where name = 'ServerCreateTask' \
     and state = 'succeeded')",
];

/// Breaks every promise of which only a look can tell; what was not noticed. Nothing can be done with the site afterwards.
///
/// # Errors
/// It can't be broken.
pub async fn sow(site: &Site, fleet: &Fleet) -> Result<Vec<String>> {
    let mut chains = Chains::default();
    anyhow::ensure!(check(site, fleet, &mut chains, true).await.is_empty(), "something was broken before");
    // What a host says next would put right what is sown.
    site.simulated.iter().for_each(|(host, _)| host.set_mute(true));
    let mut conn = db::Conn::establish(&site.postgres.url).await?;
    conn.batch_execute("set session_replication_role = replica").await?;
    for statement in ROWS {
        conn.batch_execute(statement).await.with_context(|| (*statement).to_owned())?;
    }
    fleet.accepted.lock().expect("nobody panics with it").push(types::TaskId::generate());
    let mut wanted: Vec<String> = NEVER.iter().map(|(what, _)| (*what).to_owned()).collect();
    wanted.extend(
        ["was promised, and is not there", "events of ", "its host says", "in rescue without"].map(str::to_owned),
    );
    conn.batch_execute("update guests set power_state = 'paused' where name = 'light2'").await?;
    let out =
        sql::rows(&site.postgres.url, "select id::text as id from guests where status in ('ready', 'running')").await?;
    let is_out = |member: &Member| out.iter().any(|row| row["id"] == member.id.to_string());
    let on_processes = fleet.members.iter().find_map(|member| match member.place {
        Place::Node(node) if is_out(member) => Some(member.folder(site, node)),
        _ => None,
    });
    if let Some(folder) = on_processes {
        std::fs::write(folder.join("source-sown"), "{}")?;
        std::fs::write(folder.join("desc"), "{}")?;
        wanted.extend(["left of a session that has ended", "its desc is not the one of before"].map(str::to_owned));
    }
    let noticed = check(site, fleet, &mut chains, true).await;
    Ok(wanted.into_iter().filter(|what| !noticed.iter().any(|it| it.contains(what.as_str()))).collect())
}
