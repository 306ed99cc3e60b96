//! What changed, in an order in which nothing is passed over. The migration `changes` says how.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{Conn, QueryResult};

/// A place in the order of changes: the transaction, and the number within. As text `xid.seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub xid: i64,
    pub seq: i64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.xid, self.seq)
    }
}

impl std::str::FromStr for Position {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (xid, seq) = text.split_once('.').ok_or(())?;
        let number = |text: &str| text.parse::<i64>().ok().filter(|n| *n >= 0).ok_or(());
        Ok(Self { xid: number(xid)?, seq: number(seq)? })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub xid: i64,
    pub seq: i64,
    /// `tasks`, `servers`, `events`.
    pub kind: String,
    /// The task, the server; what the event is about.
    pub id: Uuid,
    /// The event.
    pub event: Option<i64>,
}

impl Change {
    #[must_use]
    pub fn position(&self) -> Position {
        Position { xid: self.xid, seq: self.seq }
    }
}

/// Where the order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Bounds {
    /// Changes of transactions before this one are gone.
    #[diesel(sql_type = BigInt)]
    pub floor: i64,
    /// All transactions before this one have ended.
    #[diesel(sql_type = BigInt)]
    pub horizon: i64,
    /// The first that has not begun.
    #[diesel(sql_type = BigInt)]
    pub next: i64,
}

impl Bounds {
    /// Whether all that came after a position is still there.
    #[must_use]
    pub fn reach(&self, from: Position) -> bool {
        (self.floor..=self.next).contains(&from.xid)
    }
}

pub async fn bounds(conn: &mut Conn) -> QueryResult<Bounds> {
    // After a crash of the server the floor is gone with the changes: the new one is the present.
    let floor = "insert into changes_floor (xid) select pg_current_xact_id()
        where not exists (select from changes_floor) on conflict do nothing";
    diesel::sql_query(floor).execute(conn).await?;
    let sql = "select f.xid::text::bigint as floor, pg_snapshot_xmin(s)::text::bigint as horizon, pg_snapshot_xmax(s)::text::bigint as next
        from changes_floor f, pg_current_snapshot() s";
    diesel::sql_query(sql).get_result(conn).await
}

/// The changes after `from`, up to and with `to` where one is given, that are safe to pass on; at most `limit`. And the position after which
/// to go on.
pub async fn after(
    conn: &mut Conn,
    from: Position,
    to: Option<Position>,
    limit: i64,
) -> QueryResult<(Vec<Change>, Position)> {
    // Without a change one row stands there all the same, for the horizon.
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        horizon: i64,
        #[diesel(sql_type = Nullable<BigInt>)]
        xid: Option<i64>,
        #[diesel(sql_type = Nullable<BigInt>)]
        seq: Option<i64>,
        #[diesel(sql_type = Nullable<Text>)]
        kind: Option<String>,
        #[diesel(sql_type = Nullable<SqlUuid>)]
        id: Option<Uuid>,
        #[diesel(sql_type = Nullable<BigInt>)]
        event: Option<i64>,
    }
    let to = to.unwrap_or(Position { xid: i64::MAX, seq: i64::MAX });
    let sql = "select h.horizon, c.* from (select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as horizon) h left join lateral (
            select xid::text::bigint as xid, seq, kind, id, event from changes
            where (xid, seq) > ($1::text::xid8, $2) and (xid, seq) <= ($3::text::xid8, $4)
                and xid < pg_snapshot_xmin(pg_current_snapshot())
            order by changes.xid, changes.seq limit $5) c on true
        order by c.xid, c.seq";
    let rows: Vec<Row> = diesel::sql_query(sql)
        .bind::<Text, _>(from.xid.to_string())
        .bind::<BigInt, _>(from.seq)
        .bind::<Text, _>(to.xid.to_string())
        .bind::<BigInt, _>(to.seq)
        .bind::<BigInt, _>(limit)
        .load(conn)
        .await?;
    let horizon = rows.as_slice().first().map_or(from.xid, |row| row.horizon);
    let change =
        |row: Row| Some(Change { xid: row.xid?, seq: row.seq?, kind: row.kind?, id: row.id?, event: row.event });
    let changes: Vec<Change> = rows.into_iter().filter_map(change).collect();
    let next = match changes.as_slice().last() {
        Some(last) if changes.len() as i64 >= limit => last.position(),
        // All that ended before the horizon has been seen.
        _ => Position { xid: horizon, seq: 0 }.max(from),
    };
    Ok((changes, next))
}

/// Forgets changes older than `keep`, at most `limit`. Returns how many.
pub async fn prune(conn: &mut Conn, keep: Duration, limit: i64) -> QueryResult<usize> {
    let sql = "with bound as (
            select xid from (select xid, at from changes order by xid, seq limit $2) oldest
            where at < now() - $1 * interval '1 s' order by xid desc limit 1
        ), floor as (
            update changes_floor f set xid = greatest(f.xid, least(b.xid, pg_snapshot_xmin(pg_current_snapshot()))) from bound b
            returning f.xid
        )
        delete from changes c using floor where c.xid < floor.xid";
    diesel::sql_query(sql).bind::<Double, _>(keep.as_secs_f64()).bind::<BigInt, _>(limit).execute(conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_ordered_and_survive_a_round_trip() {
        let at = |xid, seq| Position { xid, seq };
        assert!(at(1, 9) < at(2, 1) && at(2, 1) < at(2, 2));
        assert_eq!("77.3".parse(), Ok(at(77, 3)));
        assert_eq!(at(77, 3).to_string(), "77.3");
        for bad in ["", "7", "7.", ".7", "-1.2", "1.2.3", "x.y"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
