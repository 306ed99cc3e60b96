//! The policies of the built-in roles. They can't be changed or deleted; an administrator's own policies stand beside them.

use serde_json::{Value, json};
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
        name: "domainadmin",
        about: "Everything that belongs to a domain's projects",
        scope: Scope::Domain,
        rules: || json!({"compute": "allow", "log": {"*": {"list": "allow", "get": "allow"}}}),
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

/// Names and descriptions.
pub fn roles() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROLES.iter().map(|role| (role.name, role.about))
}

#[must_use]
pub fn is_role(name: &str) -> bool {
    ROLES.iter().any(|role| role.name == name)
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
