//! Conditions that a caller has chosen, as SQL. Columns come from a table of ours and stand in the statement; values are always bound.

use chrono::{DateTime, Utc};
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, SqlLiteral, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Double, Text, Timestamptz, Untyped, Uuid as SqlUuid};
use uuid::Uuid;

/// A column that a list may be filtered and ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// As the API names it.
    pub name: &'static str,
    /// As SQL names it, table included.
    pub sql: &'static str,
    pub kind: Kind,
    /// The only values there are; empty: any.
    pub words: &'static [&'static str],
}

impl Column {
    #[must_use]
    pub const fn new(name: &'static str, sql: &'static str, kind: Kind) -> Self {
        Self { name, sql, kind, words: &[] }
    }
    #[must_use]
    pub const fn words(name: &'static str, sql: &'static str, words: &'static [&'static str]) -> Self {
        Self { name, sql, kind: Kind::Text, words }
    }
}

/// How values of a column are written and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Float,
    Boolean,
    /// RFC 3339, or `2026-11-23 10:00:00` in UTC.
    Time,
    Id,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    In,
    NotIn,
    Equals,
    NotEquals,
    Contains,
    StartsWith,
    EndsWith,
    /// `%` stands for any text, `_` for any character.
    Like,
    Gt,
    Ge,
    Lt,
    Le,
    Between,
    IsNull,
    IsNotNull,
}

/// Values of one clause, all of the column's kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    Text(Vec<String>),
    Integer(Vec<i64>),
    Float(Vec<f64>),
    Boolean(Vec<bool>),
    Time(Vec<DateTime<Utc>>),
    Id(Vec<Uuid>),
}

/// One condition on one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    pub column: Column,
    pub op: Op,
    pub values: Values,
}

/// Conditions, all of which (or, with `any`, one of which) must hold. Without any it holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Where {
    pub clauses: Vec<Clause>,
    pub any: bool,
}

impl Where {
    #[must_use]
    pub fn all(clauses: Vec<Clause>) -> Self {
        Self { clauses, any: false }
    }
}

impl Expression for Where {
    type SqlType = Bool;
}
impl<QS> AppearsOnTable<QS> for Where {}
impl<QS> SelectableExpression<QS> for Where {}
impl<GB> ValidGrouping<GB> for Where {
    type IsAggregate = is_aggregate::Never;
}
impl QueryId for Where {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for Where {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> diesel::QueryResult<()> {
        // The text of the statement depends on the clauses.
        out.unsafe_to_cache_prepared();
        if self.clauses.is_empty() {
            out.push_sql("TRUE");
            return Ok(());
        }
        out.push_sql("(");
        for (n, clause) in self.clauses.iter().enumerate() {
            if n > 0 {
                out.push_sql(if self.any { " OR " } else { " AND " });
            }
            clause.walk(out.reborrow())?;
        }
        out.push_sql(")");
        Ok(())
    }
}

impl Clause {
    fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> diesel::QueryResult<()> {
        let column = self.column.sql;
        match self.op {
            Op::IsNull | Op::IsNotNull => {
                out.push_sql(column);
                out.push_sql(if self.op == Op::IsNull { " IS NULL" } else { " IS NOT NULL" });
                Ok(())
            }
            Op::In | Op::Equals => {
                out.push_sql(column);
                out.push_sql(" = ANY(");
                self.bind_all(out.reborrow())?;
                out.push_sql(")");
                Ok(())
            }
            Op::NotIn | Op::NotEquals => {
                out.push_sql("(");
                out.push_sql(column);
                out.push_sql(" IS NULL OR ");
                out.push_sql(column);
                out.push_sql(" <> ALL(");
                self.bind_all(out.reborrow())?;
                out.push_sql("))");
                Ok(())
            }
            // The values of these are patterns already.
            Op::Contains | Op::StartsWith | Op::EndsWith | Op::Like => {
                out.push_sql(column);
                out.push_sql(if self.op == Op::Like { " LIKE ANY(" } else { " ILIKE ANY(" });
                self.bind_all(out.reborrow())?;
                out.push_sql(")");
                Ok(())
            }
            Op::Gt | Op::Ge | Op::Lt | Op::Le => {
                out.push_sql(column);
                out.push_sql(match self.op {
                    Op::Gt => " > ",
                    Op::Ge => " >= ",
                    Op::Lt => " < ",
                    _ => " <= ",
                });
                self.bind_one(0, out)
            }
            Op::Between => {
                out.push_sql(column);
                out.push_sql(" BETWEEN ");
                self.bind_one(0, out.reborrow())?;
                out.push_sql(" AND ");
                self.bind_one(1, out)
            }
        }
    }

    fn bind_all<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> diesel::QueryResult<()> {
        match &self.values {
            Values::Text(v) => out.push_bind_param::<Array<Text>, _>(v),
            Values::Integer(v) => out.push_bind_param::<Array<BigInt>, _>(v),
            Values::Float(v) => out.push_bind_param::<Array<Double>, _>(v),
            Values::Boolean(v) => out.push_bind_param::<Array<Bool>, _>(v),
            Values::Time(v) => out.push_bind_param::<Array<Timestamptz>, _>(v),
            Values::Id(v) => out.push_bind_param::<Array<SqlUuid>, _>(v),
        }
    }

    fn bind_one<'b>(&'b self, n: usize, out: AstPass<'_, 'b, Pg>) -> diesel::QueryResult<()> {
        self.values.bind_one(n, out)
    }
}

impl Values {
    fn bind_one<'b>(&'b self, n: usize, mut out: AstPass<'_, 'b, Pg>) -> diesel::QueryResult<()> {
        let missing = || diesel::result::Error::QueryBuilderError("a clause has too few values".into());
        match self {
            Self::Text(v) => out.push_bind_param::<Text, _>(v.get(n).ok_or_else(missing)?),
            Self::Integer(v) => out.push_bind_param::<BigInt, _>(v.get(n).ok_or_else(missing)?),
            Self::Float(v) => out.push_bind_param::<Double, _>(v.get(n).ok_or_else(missing)?),
            Self::Boolean(v) => out.push_bind_param::<Bool, _>(v.get(n).ok_or_else(missing)?),
            Self::Time(v) => out.push_bind_param::<Timestamptz, _>(v.get(n).ok_or_else(missing)?),
            Self::Id(v) => out.push_bind_param::<SqlUuid, _>(v.get(n).ok_or_else(missing)?),
        }
    }
}

/// The rows behind a marker: those that come after the row it names, in the order of the list. What was inserted meanwhile moves nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Marker {
    /// The columns of the order, the last of them unique, with the values of the row.
    pub columns: Vec<(&'static str, Values)>,
    pub descending: bool,
}

/// The condition of a marker; without one it holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct After(pub Option<Marker>);

impl Expression for After {
    type SqlType = Bool;
}
impl<QS> AppearsOnTable<QS> for After {}
impl<QS> SelectableExpression<QS> for After {}
impl<GB> ValidGrouping<GB> for After {
    type IsAggregate = is_aggregate::Never;
}
impl QueryId for After {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for After {
    /// A comparison of rows, which one index serves: `(a, b) < ($1, $2)`.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> diesel::QueryResult<()> {
        out.unsafe_to_cache_prepared();
        let Some(marker) = &self.0 else {
            out.push_sql("TRUE");
            return Ok(());
        };
        let columns: Vec<&str> = marker.columns.iter().map(|(column, _)| *column).collect();
        out.push_sql("(");
        out.push_sql(&columns.join(", "));
        out.push_sql(if marker.descending { ") < (" } else { ") > (" });
        for (n, (_, value)) in marker.columns.iter().enumerate() {
            if n > 0 {
                out.push_sql(", ");
            }
            value.bind_one(0, out.reborrow())?;
        }
        out.push_sql(")");
        Ok(())
    }
}

/// What a list asks for: conditions, order, page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// What the caller may see at all, and the plain parameters.
    pub base: Where,
    /// The `filter` parameters.
    pub filter: Where,
    /// The rows of the page only, not the total.
    pub after: After,
    /// How many rows match, where that is known already and need not be counted.
    pub known_total: Option<i64>,
    pub order: Vec<(Column, bool)>,
    pub limit: i64,
    pub offset: i64,
}

impl Page {
    /// How many rows match: what is known, or else what `count` finds.
    pub async fn total<F>(&self, count: F) -> diesel::QueryResult<i64>
    where
        F: Future<Output = diesel::QueryResult<i64>>,
    {
        match self.known_total {
            Some(total) => Ok(total),
            None => count.await,
        }
    }

    /// For `ORDER BY`, with a unique column at the end so that pages never overlap.
    pub fn order_by(&self, unique: &str) -> SqlLiteral<Untyped> {
        let mut sql = String::new();
        for (column, descending) in &self.order {
            sql.push_str(column.sql);
            sql.push_str(if *descending { " DESC, " } else { " ASC, " });
        }
        let descending = self.order.last().is_none_or(|(_, descending)| *descending);
        sql.push_str(unique);
        sql.push_str(if descending { " DESC" } else { " ASC" });
        diesel::dsl::sql(&sql)
    }
}
