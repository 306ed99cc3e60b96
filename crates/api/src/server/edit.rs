//! What people call a server, and what they remember with it: changes that no host needs to know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Servers, check_metadata, check_name};
use crate::action::{Action, Invalid, NoExtra};

/// `PUT` or `PATCH /servers/{id}`: what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerUpdate {
    /// A new name: 1 to 63 letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At most 1024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// All metadata anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
}

impl ServerUpdate {
    /// Checks what the types can't.
    ///
    /// # Errors
    /// [`Invalid`] names the field.
    pub fn check(&self) -> Result<(), Invalid> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        if let Some(description) = &self.description {
            check_description(description)?;
        }
        self.metadata.as_ref().map_or(Ok(()), check_metadata)
    }
}

pub(crate) fn check_description(description: &str) -> Result<(), Invalid> {
    if description.len() > 1024 {
        return Err(Invalid::new("description", "at most 1024 bytes are allowed"));
    }
    Ok(())
}

/// `POST /servers/{id}/metadata`: the body's keys are set and the others stay; an empty value removes its key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddMetadata(pub BTreeMap<String, String>);
impl Action for AddMetadata {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "metadata";
    const SUMMARY: &'static str = "Set some of a server's metadata; an empty value removes its key";
    fn check(&self) -> Result<(), Invalid> {
        if self.0.is_empty() {
            return Err(Invalid::new("metadata", "at least one key is wanted"));
        }
        check_metadata(&self.0)
    }
}

/// `POST /servers/{id}/set-metadata`: all metadata anew.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SetMetadata(pub BTreeMap<String, String>);
impl Action for SetMetadata {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "set-metadata";
    const SUMMARY: &'static str = "Replace all of a server's metadata";
    fn check(&self) -> Result<(), Invalid> {
        check_metadata(&self.0)
    }
}
