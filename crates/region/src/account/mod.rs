//! Domains, users, projects, roles, policies. Changes take effect at once in this process, and within seconds in the others.
//!
//! Users and projects belong to a domain. Whoever administers one domain sees and changes what is in it, and nothing else: [`domain_of`]
//! says where something new goes, [`no_wider`] that nobody hands out, or takes over, a reach wider than their own.

mod domain;
pub mod permissions;
mod policy;
mod project;
mod role;
mod user;

use api::ErrorClass;
use types::status::Scope;

use crate::dispatch::Cx;
use crate::dispatch::Registry;
use crate::dispatch::perform::Note;
use crate::error::{Error, Result};
use crate::policy::{Access, Rule, reach};

pub use policy::check_yaml;

pub fn register(registry: &mut Registry) {
    domain::register(registry);
    user::register(registry);
    project::register(registry);
    role::register(registry);
    policy::register(registry);
    registry.merge(permissions::routes());
}

/// The rule of a verb of this service.
const fn rule(resource: &'static str, word: &'static str, action: &'static str, extra: Option<&'static str>) -> Rule {
    Rule { service: "identity", resource, word, action, extra }
}

/// How far the caller's permission reaches.
async fn access(rule: &Rule, cx: &mut Cx<'_>) -> Result<Access> {
    let app = cx.app;
    app.policies.require(cx.conn, cx.caller, rule).await
}

/// The domain that something new goes to: the one that was asked for, else the caller's own.
async fn domain_of(asked: Option<String>, rule: &Rule, cx: &mut Cx<'_>) -> Result<String> {
    let own = || cx.caller.domain.clone().unwrap_or_else(|| api::account::DEFAULT_DOMAIN.into());
    let ident = asked.unwrap_or_else(own);
    let missing = || Error::not_found("domain", &ident);
    let domain = db::domain::find(cx.conn, &ident).await?.ok_or_else(missing)?;
    if !access(rule, cx).await?.reaches(Some(&db::identity::place(&domain.name))) {
        return Err(missing());
    }
    Ok(domain.name)
}

/// Nobody hands out, or takes over, roles that reach further than their own permission.
async fn no_wider(access: &Access, roles: &[String], cx: &mut Cx<'_>) -> Result<()> {
    if *access == Access::Everything {
        return Ok(());
    }
    let app = cx.app;
    let policies = app.policies.policies(cx.conn).await?;
    let wide = |role: &&String| match reach(&policies, std::slice::from_ref(*role)) {
        None | Some(Scope::Project | Scope::User) => false,
        Some(Scope::System) => true,
        Some(Scope::Domain) => {
            let own = db::identity::place(cx.caller.domain.as_deref().unwrap_or_default());
            !access.reaches(Some(&own))
        }
    };
    match roles.iter().find(wide) {
        None => Ok(()),
        Some(role) => Err(Error::new(
            ErrorClass::Forbidden,
            format!("not allowed: role '{role}' reaches further than your own permission"),
        )),
    }
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

/// The one that was found.
fn single<T>(word: &str, ident: &str, mut found: Vec<T>) -> Result<T> {
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => Err(Error::not_found(word, ident)),
        (Some(_), false) => Err(Error::new(
            ErrorClass::DuplicateResource,
            format!("several domains have a {word} named '{ident}': give the id, or DOMAIN/NAME"),
        )),
    }
}

/// What is part of the program.
fn built_in(word: &str, name: &str) -> Error {
    Error::new(ErrorClass::Conflict, format!("{word} '{name}' is built in: make one of your own beside it"))
}

fn check_name(name: &str) -> Result<()> {
    if api::server::is_name(name) {
        return Ok(());
    }
    Err(Error::input("name: 1 to 63 letters, digits, '-', '_' and '.' are wanted, beginning with a letter or digit"))
}

fn check_description(description: &str) -> Result<()> {
    if description.chars().count() <= 1000 {
        return Ok(());
    }
    Err(Error::input("description: at most 1000 characters are allowed"))
}
