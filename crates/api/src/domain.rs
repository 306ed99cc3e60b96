//! Domains: what users and projects belong to. Names of users and projects are unique within one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::id::DomainId;

use crate::action::{Action, NoExtra, Resource};

#[derive(Debug)]
pub enum Domains {}
impl Resource for Domains {
    const WORD: &'static str = "domain";
    const PLURAL: &'static str = "domains";
    type View = Domain;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Domain {
    pub id: DomainId,
    pub name: String,
    pub description: String,
    /// Of a disabled one nobody can log in, and no token works.
    pub enabled: bool,
    pub created_at: DateTime<Utc>,
    pub update_version: i64,
}

/// `POST /domains`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct DomainCreate {
    /// Its name, which stays
    pub name: String,
    /// What it is for
    #[cfg_attr(feature = "clap", arg(long, default_value = ""))]
    #[serde(default)]
    pub description: String,
}

/// `PUT /domains/{id}`: what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct DomainUpdate {
    /// What it is for
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// false: nobody of it can log in, and no token works
    #[cfg_attr(feature = "clap", arg(long, value_name = "true|false"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// `DELETE /domains/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct DeleteDomain {}
impl Action for DeleteDomain {
    type On = Domains;
    type Extra = NoExtra;
    const NAME: &'static str = "delete";
    const SUMMARY: &'static str = "Delete a domain that has neither users nor projects";
}
