//! `PUT` and `PATCH /servers/{id}`: name, description, metadata. Its host need not know; in any status, also while a task is at work.

use api::ErrorClass;
use api::server::ServerUpdate;
use db::guest::Guest;

use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Update};
use crate::error::{Error, Result};
use crate::guest::OBJECT;

impl Update for Guest {
    type Body = ServerUpdate;

    async fn update(mut self, body: ServerUpdate, cx: &mut Cx<'_>) -> Result<()> {
        body.check()?;
        let mut changed = Vec::new();
        if let Some(name) = body.name.filter(|name| *name != self.name) {
            changed.push(format!("name '{}' to '{name}'", self.name));
            self.name = name;
        }
        if let Some(description) = body.description.filter(|text| *text != self.description) {
            changed.push("description".into());
            self.description = description;
        }
        if let Some(metadata) = body.metadata {
            let metadata = serde_json::to_value(metadata)?;
            if metadata != self.metadata {
                changed.push("metadata".into());
                self.metadata = metadata;
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        save(&self, "update", changed.join(", "), cx).await
    }
}

/// Writes the words of a guest, and the event.
///
/// # Errors
/// 409 where another server of the project has the name.
pub async fn save(guest: &Guest, action: &'static str, notes: String, cx: &mut Cx<'_>) -> Result<()> {
    db::guest::set_words(cx.conn, guest).await.map_err(|e| taken(&guest.name, e))?;
    cx.event(Note {
        obj_type: OBJECT,
        obj_id: guest.id.uuid(),
        obj_name: &guest.name,
        action,
        success: true,
        notes,
        status: None,
        task: None,
    })
    .await
}

/// A name that is not free.
pub fn taken(name: &str, error: diesel::result::Error) -> Error {
    match error {
        diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _) => Error::new(
            ErrorClass::DuplicateResource,
            format!("a server named '{name}' exists already: choose another name"),
        ),
        other => other.into(),
    }
}
