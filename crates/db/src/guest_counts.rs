//! How many live guests there are, without counting them: triggers keep the sums.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;

use crate::filter::{Op, Page, Values};
use crate::schema::guest_counts;
use crate::{Conn, QueryResult};

/// What a page without filters shows one part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole<'a> {
    All,
    OfProjects(&'a [String]),
}

impl<'a> Whole<'a> {
    /// `None`: the page depends on more than the projects, and must be counted.
    #[must_use]
    pub fn of(page: &'a Page) -> Option<Self> {
        if !page.filter.clauses.is_empty() {
            return None;
        }
        match page.base.clauses.as_slice() {
            [] => Some(Self::All),
            [only] if only.column.sql == "guests.project" && only.op == Op::In => match &only.values {
                Values::Text(projects) => Some(Self::OfProjects(projects)),
                _ => None,
            },
            _ => None,
        }
    }
}

pub async fn sum(conn: &mut Conn, whole: Whole<'_>) -> QueryResult<i64> {
    let n = diesel::dsl::sql::<BigInt>("coalesce(sum(n), 0)::bigint");
    match whole {
        Whole::All => guest_counts::table.select(n).get_result(conn).await,
        Whole::OfProjects(projects) => {
            guest_counts::table.filter(guest_counts::project.eq_any(projects)).select(n).get_result(conn).await
        }
    }
}
