//! What a row of a log is about: a list's `obj_id` may also be a name.

use api::ErrorClass;
use db::Conn;
use db::agent::BaremetalAgent;
use db::disk::Disk;
use db::guest::Guest;
use db::host::Host;
use db::identity::{Project, User};
use db::policy::{Policy, Role};
use uuid::Uuid;

use crate::dispatch::query::short;
use crate::dispatch::{Model, Query};
use crate::error::{Error, Result};
use crate::policy::Access;
use crate::{baremetal, guest, host};

/// Every kind of thing that has a name, in the order in which a name is looked for.
pub const KINDS: &[&str] =
    &[guest::OBJECT, host::OBJECT, baremetal::OBJECT, "disk", "project", "user", "role", "policy"];

/// Puts ids where `key` gives names, of things of these kinds that the caller may see.
///
/// # Errors
/// 404 for a name that none of them has; 409 where several of one kind have it.
pub async fn named(query: Query, key: &str, kinds: &[&str], access: &Access, conn: &mut Conn) -> Result<Query> {
    let given: Vec<String> = query.many(key).into_iter().map(str::to_owned).collect();
    if given.iter().all(|ident| ident.parse::<Uuid>().is_ok()) {
        return Ok(query);
    }
    let mut ids = Vec::with_capacity(given.len());
    for ident in given {
        ids.push(match ident.parse::<Uuid>() {
            Ok(_) => ident,
            Err(_) => of_name(&ident, key, kinds, access, conn).await?.to_string(),
        });
    }
    Ok(query.with_all(key, ids))
}

async fn of_name(name: &str, key: &str, kinds: &[&str], access: &Access, conn: &mut Conn) -> Result<Uuid> {
    for kind in kinds {
        let found = match *kind {
            guest::OBJECT => seen::<Guest>(name, access, conn).await?,
            host::OBJECT => seen::<Host>(name, access, conn).await?,
            baremetal::OBJECT => seen::<BaremetalAgent>(name, access, conn).await?,
            "disk" => seen::<Disk>(name, access, conn).await?,
            "project" => seen::<Project>(name, access, conn).await?,
            "user" => seen::<User>(name, access, conn).await?,
            "role" => seen::<Role>(name, access, conn).await?,
            "policy" => seen::<Policy>(name, access, conn).await?,
            _ => None,
        };
        if let Some(id) = found {
            return Ok(id);
        }
    }
    let details =
        format!("{key}: no {} is called '{}': give the id of one that is gone", kinds.join(" or "), short(name));
    Err(Error::new(ErrorClass::ResourceNotFound, details))
}

async fn seen<M: Model>(name: &str, access: &Access, conn: &mut Conn) -> Result<Option<Uuid>> {
    let model = match M::find_within(conn, name, access).await {
        Err(error) if error.class == ErrorClass::ResourceNotFound => return Ok(None),
        found => found?,
    };
    let project = model.project(conn).await?;
    Ok(access.reaches(project.as_deref()).then(|| model.id()))
}
