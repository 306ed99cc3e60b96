//! Users, projects, roles and policies: who may do what.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use types::id::{PolicyId, ProjectId, RoleId};
use types::status::Scope;
use types::{Secret, UserId};

use crate::action::{Action, Invalid, NoExtra, Resource};

#[derive(Debug)]
pub enum Users {}
impl Resource for Users {
    const WORD: &'static str = "user";
    const PLURAL: &'static str = "users";
    type View = User;
}

#[derive(Debug)]
pub enum Projects {}
impl Resource for Projects {
    const WORD: &'static str = "project";
    const PLURAL: &'static str = "projects";
    type View = Project;
}

#[derive(Debug)]
pub enum Roles {}
impl Resource for Roles {
    const WORD: &'static str = "role";
    const PLURAL: &'static str = "roles";
    type View = Role;
}

#[derive(Debug)]
pub enum Policies {}
impl Resource for Policies {
    const WORD: &'static str = "policy";
    const PLURAL: &'static str = "policies";
    type View = Policy;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    pub id: UserId,
    pub name: String,
    pub domain: String,
    #[serde(default)]
    pub description: String,
    pub enabled: bool,
    pub projects: Vec<Membership>,
    pub created_at: DateTime<Utc>,
    pub update_version: i64,
}

/// A role in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Membership {
    pub project: String,
    pub role: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Project {
    pub id: ProjectId,
    pub name: String,
    pub domain: String,
    pub description: String,
    pub created_at: DateTime<Utc>,
    pub update_version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Role {
    pub id: RoleId,
    pub name: String,
    pub description: String,
    /// Part of the program: can't be changed.
    #[serde(default)]
    pub built_in: bool,
    pub created_at: DateTime<Utc>,
    pub update_version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Policy {
    pub id: PolicyId,
    pub name: String,
    pub scope: Scope,
    /// Names of the roles it is for.
    pub roles: Vec<String>,
    /// A tree: service, resource, action, extra; each leaf `allow` or `deny`, `*` for all that is not named.
    pub rules: Value,
    pub enabled: bool,
    /// Part of the program: can't be changed.
    #[serde(default)]
    pub built_in: bool,
    pub description: String,
    pub created_at: DateTime<Utc>,
    pub update_version: i64,
}

/// `POST /users`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserCreate {
    pub name: String,
    /// 8 to 256 characters.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub password: Secret,
    /// Absent: the caller's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    #[serde(default)]
    pub description: String,
}

/// `PUT /users/{id}`: what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct UserUpdate {
    /// Another name
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who it is
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// `POST /projects`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct ProjectCreate {
    /// Its name, which stays
    pub name: String,
    /// The domain it belongs to; absent: the caller's own
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// What it is for
    #[cfg_attr(feature = "clap", arg(long, default_value = ""))]
    #[serde(default)]
    pub description: String,
}

/// `PUT /projects/{id}` and `PUT /roles/{id}`: what is absent stays. Names stay too, because servers and policies refer to them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Described {
    /// What it is for
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// `POST /roles`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct RoleCreate {
    /// Its name, which stays
    pub name: String,
    /// What it is for
    #[cfg_attr(feature = "clap", arg(long, default_value = ""))]
    #[serde(default)]
    pub description: String,
}

/// `POST /policies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyCreate {
    pub name: String,
    pub scope: Scope,
    pub roles: Vec<String>,
    pub rules: Value,
    #[serde(default)]
    pub description: String,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// `PUT /policies/{id}`: what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What every installation begins with.
pub const DEFAULT_DOMAIN: &str = "Default";

/// Checks a password that is to be set.
///
/// # Errors
/// [`Invalid`]; the password is not repeated in it.
pub fn check_password(password: &Secret) -> Result<(), Invalid> {
    let length = password.expose().chars().count();
    if (8..=256).contains(&length) { Ok(()) } else { Err(Invalid::new("password", "8 to 256 characters are wanted")) }
}

/// A verb that deletes at once.
macro_rules! delete {
    ($($(#[$meta:meta])* $name:ident on $resource:ty: $summary:literal;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "clap", derive(clap::Args))]
        pub struct $name {}
        impl Action for $name {
            type On = $resource;
            type Extra = NoExtra;
            const NAME: &'static str = "delete";
            const SUMMARY: &'static str = $summary;
        }
    )+};
}

delete! {
    /// `DELETE /users/{id}`.
    DeleteUser on Users: "Delete a user; its tokens end";
    /// `DELETE /projects/{id}`.
    DeleteProject on Projects: "Delete a project that owns no server";
    /// `DELETE /roles/{id}`.
    DeleteRole on Roles: "Delete a role, and take it from whoever has it";
    /// `DELETE /policies/{id}`.
    DeletePolicy on Policies: "Delete a policy";
}

/// `POST /users/{id}/set-password`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SetPassword {
    /// 8 to 256 characters.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub password: Secret,
}
impl Action for SetPassword {
    type On = Users;
    type Extra = NoExtra;
    const NAME: &'static str = "set-password";
    const SUMMARY: &'static str = "Set a user's password; tokens issued before end";
    fn check(&self) -> Result<(), Invalid> {
        check_password(&self.password)
    }
}

/// `POST /users/{id}/enable`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct EnableUser {}
impl Action for EnableUser {
    type On = Users;
    type Extra = NoExtra;
    const NAME: &'static str = "enable";
    const SUMMARY: &'static str = "Let a user log in";
}

/// `POST /users/{id}/disable`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct DisableUser {}
impl Action for DisableUser {
    type On = Users;
    type Extra = NoExtra;
    const NAME: &'static str = "disable";
    const SUMMARY: &'static str = "Shut a user out; its tokens end";
}

/// `POST /projects/{id}/join`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct JoinProject {
    /// A user, by id or name; may be repeated
    #[cfg_attr(feature = "clap", arg(long = "user", required = true))]
    pub users: Vec<String>,
    /// A role, by name; may be repeated
    #[cfg_attr(feature = "clap", arg(long = "role", required = true))]
    pub roles: Vec<String>,
}
impl Action for JoinProject {
    type On = Projects;
    type Extra = NoExtra;
    const NAME: &'static str = "join";
    const SUMMARY: &'static str = "Give users roles in a project";
    fn check(&self) -> Result<(), Invalid> {
        members(&self.users, &self.roles)
    }
}

/// `POST /projects/{id}/leave`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct LeaveProject {
    /// A user, by id or name; may be repeated
    #[cfg_attr(feature = "clap", arg(long = "user", required = true))]
    pub users: Vec<String>,
    /// A role, by name; may be repeated
    #[cfg_attr(feature = "clap", arg(long = "role", required = true))]
    pub roles: Vec<String>,
}
impl Action for LeaveProject {
    type On = Projects;
    type Extra = NoExtra;
    const NAME: &'static str = "leave";
    const SUMMARY: &'static str = "Take roles in a project from users";
    fn check(&self) -> Result<(), Invalid> {
        members(&self.users, &self.roles)
    }
}

fn members(users: &[String], roles: &[String]) -> Result<(), Invalid> {
    for (field, list) in [("users", users), ("roles", roles)] {
        if list.is_empty() || list.len() > 100 {
            return Err(Invalid::new(field, "1 to 100 are wanted"));
        }
    }
    Ok(())
}
