//! Policies. The built-in ones are listed too, and stay as they are.

use api::account::{self as contract, DeletePolicy, Policies, PolicyCreate, PolicyUpdate};
use api::policy_file::PolicyFile;
use chrono::Utc;
use db::Conn;
use db::filter::{Column, Page};
use db::policy::Policy;
use serde_json::Value;
use types::id::PolicyId;
use types::status::Scope;

use crate::app::App;
use crate::dispatch::{Create, Created, Cx, Done, List, Model, Perform, Registry, Update};
use crate::error::{Error, Result};
use crate::policy::tree::Tree;

const KIND: &str = "policy";

pub fn register(registry: &mut Registry) {
    registry.resource::<Policy>().create().update().delete::<DeletePolicy>();
}

impl Model for Policy {
    type Api = Policies;
    const SERVICE: &'static str = "identity";

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        db::policy::find_policy(conn, ident).await?.ok_or_else(|| Error::not_found(KIND, ident))
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, _: &App, _: &mut Conn) -> Result<contract::Policy> {
        view(self)
    }
    crate::dispatch::model::known_by_columns!(versioned);
}

impl List for Policy {
    const COLUMNS: &'static [Column] = db::policy::POLICY_COLUMNS;
    const SEARCH: &'static [&'static str] = &["name", "id"];
    const ORDER: (&'static str, bool) = ("name", false);

    async fn page(page: &Page, _: &App, conn: &mut Conn) -> Result<(Vec<contract::Policy>, i64)> {
        let (rows, total) = db::policy::list_policies(conn, page).await?;
        Ok((rows.into_iter().map(view).collect::<Result<_>>()?, total))
    }
}

fn view(policy: Policy) -> Result<contract::Policy> {
    Ok(contract::Policy {
        id: policy.id,
        name: policy.name,
        scope: policy.scope,
        roles: serde_json::from_value(policy.roles)?,
        rules: policy.rules,
        enabled: policy.enabled,
        built_in: policy.built_in,
        description: policy.description,
        created_at: policy.created_at,
        update_version: policy.update_version,
    })
}

impl Create for Policy {
    type Body = PolicyCreate;

    async fn create(body: PolicyCreate, cx: &mut Cx<'_>) -> Result<Created<Self>> {
        super::check_name(&body.name)?;
        super::check_description(&body.description)?;
        Tree::parse(&body.rules).map_err(Error::input)?;
        reaching(body.scope)?;
        known_roles(&body.roles, cx).await?;
        let policy = Policy {
            id: PolicyId::generate(),
            name: body.name,
            scope: body.scope,
            roles: body.roles.into(),
            rules: body.rules,
            enabled: body.enabled.unwrap_or(true),
            description: body.description,
            created_at: Utc::now(),
            update_version: 0,
            built_in: false,
        };
        db::policy::insert_policy(cx.conn, &policy).await.map_err(|e| super::taken(KIND, &policy.name, e))?;
        super::log(KIND, policy.id.uuid(), &policy.name, "create", String::new(), cx).await?;
        cx.app.policies.forget();
        Ok(Created { model: policy, task: None })
    }
}

/// Everything belongs to a project or a domain, nothing to a user: such a policy would allow nothing, and look as if it did.
fn reaching(scope: Scope) -> Result<()> {
    match scope {
        Scope::System | Scope::Domain | Scope::Project => Ok(()),
        Scope::User => Err(Error::input("scope: user reaches nothing: allowed are system, domain, project")),
    }
}

/// A policy for roles that nobody can have would be a mistake in a name.
async fn known_roles(roles: &[String], cx: &mut Cx<'_>) -> Result<()> {
    for role in roles {
        if db::policy::find_role(cx.conn, role).await?.is_none_or(|found| found.name != *role) {
            return Err(Error::input(format!("roles: there is no role named '{role}': create it first")));
        }
    }
    Ok(())
}

/// Whether a YAML text is a policy: an error that names the line. What the text leaves out is the request's business.
///
/// # Errors
/// 400.
pub fn check_yaml(text: &str) -> Result<()> {
    yaml_serde::from_str::<PolicyFile>(text)
        .map(drop)
        .map_err(|e| Error::input(format!("the body is not a policy in YAML: {e}")))
}

impl Update for Policy {
    type Body = PolicyUpdate;

    async fn update(mut self, body: PolicyUpdate, cx: &mut Cx<'_>) -> Result<()> {
        if self.built_in {
            return Err(super::built_in(KIND, &self.name));
        }
        if let Some(roles) = &body.roles {
            known_roles(roles, cx).await?;
        }
        if let Some(rules) = body.rules {
            Tree::parse(&rules).map_err(Error::input)?;
            self.rules = rules;
        }
        body.scope.map_or(Ok(()), reaching)?;
        self.scope = body.scope.unwrap_or(self.scope);
        self.roles = body.roles.map_or(self.roles, Value::from);
        self.enabled = body.enabled.unwrap_or(self.enabled);
        self.description = body.description.unwrap_or(self.description);
        super::check_description(&self.description)?;
        db::policy::update_policy(cx.conn, &self).await?;
        super::log(KIND, self.id.uuid(), &self.name, "update", String::new(), cx).await?;
        cx.app.policies.forget();
        Ok(())
    }
}

impl Perform<DeletePolicy> for Policy {
    async fn perform(self, _: DeletePolicy, cx: &mut Cx<'_>) -> Result<Done<DeletePolicy>> {
        if self.built_in {
            return Err(super::built_in(KIND, &self.name));
        }
        super::log(KIND, self.id.uuid(), &self.name, "delete", String::new(), cx).await?;
        db::policy::delete_policy(cx.conn, self.id).await?;
        cx.app.policies.forget();
        Ok(Done::nothing())
    }
}
