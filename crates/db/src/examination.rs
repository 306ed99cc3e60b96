//! What rescue systems answered: diagnoses, and reports of repairs. They go with their session.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use types::{SessionId, TaskId};
use uuid::Uuid;

use crate::schema::rescue_examinations as examinations;
use crate::{Conn, QueryResult};

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Diagnosis,
    Repair,
    Trial,
}

impl Kind {
    /// As the column has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Diagnosis => "diagnosis",
            Self::Repair => "repair",
            Self::Trial => "trial",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = examinations, check_for_backend(Pg))]
pub struct Examination {
    pub id: Uuid,
    pub session_id: SessionId,
    pub kind: String,
    pub user_name: String,
    pub task_id: TaskId,
    pub at: DateTime<Utc>,
    /// [`types::diagnosis::Diagnosis`], [`types::diagnosis::RepairReport`] or [`types::diagnosis::Trial`].
    pub report: Value,
}

/// Once: what was saved under this id stays.
pub async fn insert(conn: &mut Conn, examination: &Examination) -> QueryResult<()> {
    diesel::insert_into(examinations::table).values(examination).on_conflict_do_nothing().execute(conn).await.map(drop)
}

/// The latest diagnosis of a session.
pub async fn diagnosis(conn: &mut Conn, session: SessionId) -> QueryResult<Option<Examination>> {
    examinations::table
        .filter(examinations::session_id.eq(session))
        .filter(examinations::kind.eq(Kind::Diagnosis.as_str()))
        .order((examinations::at.desc(), examinations::id.desc()))
        .select(Examination::as_select())
        .first(conn)
        .await
        .optional()
}

/// Those of a kind in a session, the oldest first; the last hundred.
pub async fn all(conn: &mut Conn, session: SessionId, kind: Kind) -> QueryResult<Vec<Examination>> {
    let mut rows: Vec<Examination> = examinations::table
        .filter(examinations::session_id.eq(session))
        .filter(examinations::kind.eq(kind.as_str()))
        .order((examinations::at.desc(), examinations::id.desc()))
        .select(Examination::as_select())
        .limit(100)
        .load(conn)
        .await?;
    rows.reverse();
    Ok(rows)
}
