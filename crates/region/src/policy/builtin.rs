//! The policies of the built-in roles. They can't be changed or deleted; an administrator's own policies stand beside them.

use chrono::Utc;
use serde_json::{Value, json};
use types::id::{PolicyId, RoleId};
use types::status::Scope;

use super::{Policy, Tree};

/// A built-in role: its name, what it is for, how far it reaches, what it may do.
struct Role {
    name: &'static str,
    about: &'static str,
    scope: Scope,
    rules: fn() -> Value,
}

const ROLES: &[Role] = &[
    Role { name: "admin", about: "Everything, everywhere", scope: Scope::System, rules: || json!("allow") },
    Role {
        name: "auditor",
        about: "Look at everything, recordings of consoles and the log too; change nothing",
        scope: Scope::System,
        rules: || {
            let look = || json!({"list": "allow", "get": "allow"});
            json!({
                "audit": {"*": look()},
                "log": {"*": look()},
                "compute": {"*": look()},
                "identity": {"users": look(), "projects": look(), "domains": look(), "roles": look(), "policies": look()},
            })
        },
    },
    Role {
        name: "domainadmin",
        about: "A domain: its users, its projects, and everything that belongs to them",
        scope: Scope::Domain,
        rules: || {
            json!({
                "compute": "allow",
                "log": {"*": {"list": "allow", "get": "allow"}},
                "identity": {"users": "allow", "projects": "allow", "domains": {"list": "allow", "get": "allow"}},
            })
        },
    },
    Role {
        name: "project_owner",
        about: "Everything in a project",
        scope: Scope::Project,
        rules: || json!({"compute": "allow", "log": {"*": {"list": "allow", "get": "allow"}}}),
    },
    Role {
        name: "project_editor",
        about: "Everything in a project but deleting",
        scope: Scope::Project,
        rules: || {
            json!({
                "compute": {"*": {"*": "allow", "delete": "deny"}},
                "log": {"*": {"list": "allow", "get": "allow"}},
            })
        },
    },
    Role {
        name: "project_viewer",
        about: "Look at a project",
        scope: Scope::Project,
        rules: || {
            json!({
                "compute": {"*": {"list": "allow", "get": "allow"}},
                "log": {"*": {"list": "allow", "get": "allow"}},
            })
        },
    },
];

/// As rows, so that they are listed and shown.
#[must_use]
pub fn rows() -> Vec<(db::policy::Role, db::policy::Policy)> {
    let row = |role: &Role| {
        let kept = db::policy::Role {
            id: RoleId::generate(),
            name: role.name.into(),
            description: role.about.into(),
            created_at: Utc::now(),
            update_version: 0,
            built_in: true,
        };
        let policy = db::policy::Policy {
            id: PolicyId::generate(),
            name: role.name.into(),
            scope: role.scope,
            roles: json!([role.name]),
            rules: (role.rules)(),
            enabled: true,
            description: role.about.into(),
            created_at: kept.created_at,
            update_version: 0,
            built_in: true,
        };
        (kept, policy)
    };
    ROLES.iter().map(row).collect()
}

#[must_use]
pub fn policies() -> Vec<Policy> {
    ROLES
        .iter()
        .map(|role| Policy {
            name: role.name.into(),
            scope: role.scope,
            roles: vec![role.name.into()],
            tree: Tree::parse(&(role.rules)()).expect("the built-in policies are well formed"),
        })
        .collect()
}
