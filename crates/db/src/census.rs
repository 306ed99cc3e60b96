//! How many there are of what, for metrics: one look at the whole service.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Double, Text};
use diesel_async::RunQueryDsl;

use crate::{Conn, QueryResult};

/// `many` things of a `kind`, in a `place` (a zone; empty where there are none), in a `state`.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Count {
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub place: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = BigInt)]
    pub many: i64,
}

/// Kinds: `host` and `agent` (enabled ones, `online` if heard within `silent_after` seconds, else `offline`), `task` (that have not ended),
/// `session` (that are open), `overdue` (open sessions past their expiry).
///
/// # Errors
/// As Postgres reports them.
pub async fn counts(conn: &mut Conn, silent_after: u32) -> QueryResult<Vec<Count>> {
    diesel::sql_query(
        "with heard as (
             select 'host' as kind, zone as place, last_heartbeat from hosts where enabled
             union all
             select 'agent', zone, last_heartbeat from baremetal_agents where enabled
         )
         select kind, place,
                case when last_heartbeat >= now() - make_interval(secs => $1) then 'online' else 'offline' end as state, count(*) as many
         from heard group by 1, 2, 3
         union all
         select 'task', '', state, count(*) from tasks where ended_at is null group by state
         union all
         select 'session', '', state, count(*) from rescue_sessions where ended_at is null group by state
         union all
         select 'overdue', '', '', count(*) from rescue_sessions where ended_at is null and expires_at < now()",
    )
    .bind::<Double, _>(f64::from(silent_after))
    .load(conn)
    .await
}

/// Seconds for which the live task that stands still longest has been past the deadline of its stage; 0 if none is. Parents that wait for
/// their children have no deadline of their own.
///
/// # Errors
/// As Postgres reports them.
pub async fn stalled_seconds(conn: &mut Conn) -> QueryResult<f64> {
    #[derive(QueryableByName)]
    struct Longest {
        #[diesel(sql_type = Double)]
        seconds: f64,
    }
    let longest: Longest = diesel::sql_query(
        "select coalesce(greatest(extract(epoch from now() - min(stage_deadline)), 0), 0)::float8 as seconds
         from tasks where ended_at is null and open_children = 0",
    )
    .get_result(conn)
    .await?;
    Ok(longest.seconds)
}
