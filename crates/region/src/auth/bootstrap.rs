//! The first administrator: made when the database knows no user of that name.

use api::account::DEFAULT_DOMAIN;
use chrono::Utc;
use db::Conn;
use db::identity::{Project, User};
use diesel_async::AsyncConnection;
use types::id::ProjectId;
use types::{Secret, UserId};

use crate::auth::password;
use crate::config::Bootstrap;
use crate::error::{Error, Result};
use crate::policy::builtin;

/// The project of administrators.
pub const PROJECT: &str = "system";

/// Writes down what is built in, and makes the administrator. The password comes from the configured file, or is generated and written to it. The file rules: a user who
/// exists already gets the password that stands in it, so that a lost one can be replaced by whoever owns the file.
///
/// # Errors
/// The file can't be read or written, or others can read it; the database's errors.
pub async fn run(conn: &mut Conn, config: &Bootstrap) -> Result<()> {
    db::policy::write_built_in(conn, &builtin::rows()).await?;
    let existing = db::identity::user_named(conn, DEFAULT_DOMAIN, &config.user).await?;
    let password = if config.password_file.exists() {
        Secret::new(service::files::read_secret(&config.password_file).map_err(Error::internal)?)
    } else if existing.is_some() {
        return Ok(());
    } else {
        let password = Secret::new(service::random::password().map_err(Error::internal)?);
        let text = format!("{}\n", password.expose());
        service::files::write_atomic(&config.password_file, text.as_bytes(), 0o600).map_err(Error::internal)?;
        tracing::info!(user = config.user, file = %config.password_file.display(), "made the first administrator");
        password
    };
    if let Some(user) = existing {
        let fits = password::Authority::default().check(user.password_hash, password.clone(), || Ok(())).await?;
        if !fits {
            let hash = password::hash(password).await?;
            db::identity::set_password(conn, user.id, &hash).await?;
            tracing::info!(user = config.user, "took the password from its file");
        }
        return Ok(());
    }
    let user = User {
        id: UserId::generate(),
        name: config.user.clone(),
        domain: DEFAULT_DOMAIN.into(),
        password_hash: password::hash(password).await?,
        enabled: true,
        created_at: Utc::now(),
        update_version: 0,
        description: "The first administrator".into(),
    };
    conn.transaction(async |conn| {
        let project = match db::identity::project_named(conn, DEFAULT_DOMAIN, PROJECT).await? {
            Some(project) => project,
            None => {
                let project = Project {
                    id: ProjectId::generate(),
                    name: PROJECT.into(),
                    domain: DEFAULT_DOMAIN.into(),
                    description: "Administrators' own".into(),
                    created_at: Utc::now(),
                    update_version: 0,
                };
                db::identity::insert_project(conn, &project).await?;
                project
            }
        };
        db::identity::insert_user(conn, &user).await?;
        db::identity::assign(conn, user.id, project.id, "admin").await
    })
    .await
    .or_else(|e: diesel::result::Error| match e {
        // Another replica was quicker.
        diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _) => Ok(()),
        other => Err(other),
    })?;
    Ok(())
}
