//! Taking due tasks: `FOR UPDATE SKIP LOCKED` finds them, the lease and a raised generation make them ours.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::Statement;
use super::save::{Change, Saved};
use crate::row::{Failure, LastError};

/// A claimed task: what the engine needs to know for its steps.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct Job {
    pub id: Uuid,
    pub name: String,
    pub data: Value,
    pub stage: Value,
    pub stage_name: String,
    pub stage_started: DateTime<Utc>,
    pub stage_deadline: DateTime<Utc>,
    /// Until the deadline, by the database's clock when it was claimed; negative when it has passed.
    pub left_ms: i64,
    pub attempts: i32,
    pub last_error: Option<Value>,
    pub obj_type: Option<String>,
    pub obj_id: Option<Uuid>,
    pub parent_id: Option<Uuid>,
    pub request_id: Option<String>,
    pub created_by: Option<Value>,
    pub operation: Uuid,
    pub sequence: i64,
    pub outcome: Option<Value>,
    pub generation: i64,
    pub cause: Option<Value>,
    pub failing: Option<Value>,
    pub cancel_requested: bool,
    /// Stages that failed for good so far.
    pub failures: i64,
    pub created_at: DateTime<Utc>,
    /// Where in a trace the task was started.
    pub traceparent: Option<String>,
}

impl Job {
    /// Transient errors in a row.
    pub(crate) fn errors(&self) -> Option<LastError> {
        self.last_error.as_ref().and_then(|last| serde_json::from_value(last.clone()).ok())
    }

    pub(crate) fn cause(&self) -> Option<Failure> {
        self.cause.as_ref().and_then(|cause| serde_json::from_value(cause.clone()).ok())
    }

    /// The failure for which `failed` is to be called.
    pub(crate) fn failing(&self) -> Option<Failure> {
        self.failing.as_ref().and_then(|failing| serde_json::from_value(failing.clone()).ok())
    }

    /// The row after a save that kept the claim.
    pub(crate) fn advance(&mut self, change: Change, saved: &Saved) {
        let encode = |failure: Failure| serde_json::to_value(failure).expect("a failure is plain data");
        if change.failing.is_some() && change.closes {
            self.failures += 1;
        }
        self.stage = change.stage;
        self.stage_name = change.stage_name;
        self.stage_started = saved.stage_started;
        self.stage_deadline = saved.stage_deadline;
        self.left_ms = (saved.stage_deadline - saved.stage_started).num_milliseconds();
        self.attempts = 1;
        self.last_error = None;
        if let Some(operation) = change.new_operation {
            self.operation = operation;
            self.outcome = None;
        }
        self.sequence = saved.sequence;
        self.cause = self.cause.take().or_else(|| change.cause.map(encode));
        self.failing = change.failing.map(encode);
        self.cancel_requested = saved.cancel_requested;
    }
}

#[derive(Serialize)]
pub(crate) struct Claim<'a> {
    pub names: &'a [&'static str],
    pub limit: usize,
    pub lease_ms: i64,
    pub worker: &'a str,
}

impl Statement for Claim<'static> {
    const SQL: &'static str = include_str!("claim.sql");
    type Row = (
        SqlUuid,
        Text,
        Jsonb,
        Jsonb,
        Text,
        Timestamptz,
        Timestamptz,
        BigInt,
        Integer,
        Nullable<Jsonb>,
        Nullable<Text>,
        Nullable<SqlUuid>,
        Nullable<SqlUuid>,
        Nullable<Text>,
        Nullable<Jsonb>,
        SqlUuid,
        BigInt,
        Nullable<Jsonb>,
        BigInt,
        Nullable<Jsonb>,
        Nullable<Jsonb>,
        Bool,
        BigInt,
        Timestamptz,
        Nullable<Text>,
    );
}

/// Claims up to `limit` due tasks with one of `names`, those due the longest first.
pub(crate) async fn claim(
    conn: &mut AsyncPgConnection,
    names: &[&'static str],
    limit: usize,
    lease: Duration,
    worker: &str,
) -> QueryResult<Vec<Job>> {
    super::run::<Claim<'static>, _, Job>(conn, &Claim { names, limit, lease_ms: super::millis(lease), worker }).await
}
