//! Users, projects, roles, policies. Changes take effect at once in this process, and within seconds in the others.

pub mod permissions;
mod policy;
mod project;
mod role;
mod user;

use api::ErrorClass;

use crate::dispatch::Cx;
use crate::dispatch::Registry;
use crate::dispatch::perform::Note;
use crate::error::{Error, Result};

pub fn register(registry: &mut Registry) {
    user::register(registry);
    project::register(registry);
    role::register(registry);
    policy::register(registry);
    registry.merge(permissions::routes());
}

/// An event about an account of any kind.
async fn log(kind: &str, id: uuid::Uuid, name: &str, action: &str, notes: String, cx: &mut Cx<'_>) -> Result<()> {
    cx.event(Note {
        obj_type: kind,
        obj_id: id,
        obj_name: name,
        action,
        success: true,
        notes,
        status: None,
        task: None,
    })
    .await
}

/// A name that is taken, as 409.
fn taken(word: &str, name: &str, error: diesel::result::Error) -> Error {
    match error {
        diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _) => Error::new(
            ErrorClass::DuplicateResource,
            format!("a {word} named '{name}' exists already: choose another name"),
        ),
        other => other.into(),
    }
}

fn check_name(name: &str) -> Result<()> {
    if api::server::is_name(name) {
        return Ok(());
    }
    Err(Error::input("name: 1 to 63 letters, digits, '-', '_' and '.' are wanted, beginning with a letter or digit"))
}
