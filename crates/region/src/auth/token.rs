//! Opaque random tokens. The database knows their SHA-256 only.

use chrono::{DateTime, Utc};
use db::Conn;
use db::identity::Holder;
use sha2::{Digest, Sha256};
use types::id::ProjectId;
use types::rescue::hex;
use types::{Secret, UserId};

use crate::error::{Error, Result};
use service::random;

/// A new token for a user in a project, until then.
///
/// # Errors
/// As the database reports them.
pub async fn issue(
    conn: &mut Conn,
    user: UserId,
    project: Option<ProjectId>,
    expires_at: DateTime<Utc>,
) -> Result<Secret> {
    let token = Secret::new(hex(&random::bytes::<32>().map_err(Error::internal)?));
    db::identity::insert_token(conn, &digest(&token), user, project, expires_at).await?;
    Ok(token)
}

/// Who a token speaks for, if it is valid now.
///
/// # Errors
/// As the database reports them.
pub async fn holder(conn: &mut Conn, token: &Secret) -> Result<Option<Holder>> {
    holder_of(conn, &digest(token)).await
}

/// The same by the token's digest.
///
/// # Errors
/// As the database reports them.
pub async fn holder_of(conn: &mut Conn, digest: &[u8]) -> Result<Option<Holder>> {
    Ok(db::identity::holder(conn, digest).await?)
}

/// Ends a token. False: there was none.
///
/// # Errors
/// As the database reports them.
pub async fn revoke(conn: &mut Conn, token: &Secret) -> Result<bool> {
    Ok(db::identity::revoke_token(conn, &digest(token)).await?)
}

/// What the database knows of a token.
#[must_use]
pub fn digest(token: &Secret) -> Vec<u8> {
    Sha256::digest(token.expose().as_bytes()).to_vec()
}
