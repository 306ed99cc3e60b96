//! The engine's statements. Each is one file of SQL that takes one jsonb value, here called its input, so that one
//! prepared statement serves any number of rows.
//!
//! `insert` starts a task, `claim` takes due ones, `save` writes what came of a step, `lease` keeps claims alive or
//! gives them back, `report` stores outcomes, `admin` is for people.

pub(crate) mod admin;
pub(crate) mod claim;
pub(crate) mod lease;
pub(crate) mod report;
pub(crate) mod save;

use std::marker::PhantomData;
use std::time::Duration;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Jsonb;
use diesel_async::methods::LoadQuery;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;

/// The channel on which engines hear that there is work.
pub(crate) const WAKE: &str = "task_engine_wake";
/// The channel on which they hear that somebody asked to cancel.
pub(crate) const CANCEL: &str = "task_engine_cancel";

/// Sends a coalesced wake-up when the transaction commits: several in one transaction are one.
pub(crate) async fn notify(conn: &mut AsyncPgConnection, channel: &'static str) -> QueryResult<()> {
    run::<Notify, _, String>(conn, &channel).await.map(drop)
}

struct Notify;
impl Statement for Notify {
    const SQL: &'static str = "SELECT coalesce(pg_notify(p #>> '{}', '')::text, '') FROM input";
    type Row = diesel::sql_types::Text;
}

/// A statement and the SQL type of the rows it returns. The text follows `WITH input(p) AS (...)`.
pub(crate) trait Statement: 'static {
    const SQL: &'static str;
    type Row;
}

/// Runs `S` on `input` and returns all rows. Boxed, as diesel's own future is too entangled for the compiler to see
/// that it may be sent.
pub(crate) fn run<'c, S, I, R>(conn: &'c mut AsyncPgConnection, input: &I) -> BoxFuture<'c, QueryResult<Vec<R>>>
where
    S: Statement + Send + Sync,
    Ready<S>: for<'q> LoadQuery<'q, AsyncPgConnection, R>,
    R: Send + 'static,
    I: Serialize,
{
    let ready = Ready::<S>::new(input);
    Box::pin(async move { ready?.load(conn).await })
}

/// Runs `S` on `input` and returns the first row.
pub(crate) async fn one<S, R>(conn: &mut AsyncPgConnection, input: &(impl Serialize + Sync)) -> QueryResult<Option<R>>
where
    S: Statement + Send + Sync,
    Ready<S>: for<'q> LoadQuery<'q, AsyncPgConnection, R>,
    R: Send + 'static,
{
    Ok(run::<S, _, R>(conn, input).await?.into_iter().next())
}

/// A statement with its input.
pub(crate) struct Ready<S> {
    input: Value,
    statement: PhantomData<S>,
}

impl<S> Ready<S> {
    fn new(input: &impl Serialize) -> QueryResult<Self> {
        let input =
            serde_json::to_value(input).map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
        Ok(Self { input, statement: PhantomData })
    }
}

// The id is what lets diesel keep the prepared statement.
impl<S: Statement> QueryId for Ready<S> {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S: Statement> Query for Ready<S> {
    type SqlType = S::Row;
}

impl<S: Statement> QueryFragment<Pg> for Ready<S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH input(p) AS (SELECT ");
        out.push_bind_param::<Jsonb, Value>(&self.input)?;
        out.push_sql("::jsonb) ");
        out.push_sql(S::SQL);
        Ok(())
    }
}

/// A time for SQL. Centuries are cut off: Postgres could not add them to a date.
pub(crate) fn millis(time: Duration) -> i64 {
    const CENTURY: i64 = 100 * 365 * 24 * 3600 * 1000;
    i64::try_from(time.as_millis()).unwrap_or(CENTURY).min(CENTURY)
}
