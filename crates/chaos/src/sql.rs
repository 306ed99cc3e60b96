//! Looks into the database, past region: what is said there is what region will remember.

use std::time::Duration;

use anyhow::{Context, Result};
use diesel::sql_types::Text;
use diesel_async::{AsyncConnection, RunQueryDsl};
use serde_json::Value;

/// A database that is away says so at once; one that stands still does not.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(diesel::QueryableByName)]
struct Json {
    #[diesel(sql_type = Text)]
    json: String,
}

/// The rows of a query, each as an object.
///
/// # Errors
/// The database is away, or does not understand.
pub async fn rows(url: &str, query: &str) -> Result<Vec<Value>> {
    let asked = async {
        let mut conn = db::Conn::establish(url).await.context("no connection to the database")?;
        let all = format!("select coalesce(json_agg(t), '[]')::text as json from ({query}) t");
        let found: Json = diesel::sql_query(all).get_result(&mut conn).await.with_context(|| query.to_owned())?;
        anyhow::Ok(serde_json::from_str(&found.json)?)
    };
    tokio::time::timeout(LIMIT, asked).await.context("the database does not answer")?
}

/// What a query counts: its only column is called `n`.
///
/// # Errors
/// As [`rows`].
pub async fn count(url: &str, query: &str) -> Result<i64> {
    let rows = rows(url, query).await?;
    rows.as_slice().first().and_then(|row| row["n"].as_i64()).context("a number")
}
