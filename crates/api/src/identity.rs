//! `POST /v3/auth/tokens`, in the shape that upstream's command line sends.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use types::Secret;

/// The header of the answer that holds the token.
pub const SUBJECT_TOKEN: &str = "x-subject-token";
/// The header of a request that holds the token.
pub const AUTH_TOKEN: &str = "x-auth-token";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthRequest {
    pub auth: Auth,
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    pub identity: Identity,
    /// Absent: the first project that the user has a role in.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "scope")]
    pub scope: Option<Scope>,
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `password` or `token`.
    pub methods: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordIdentity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenIdentity>,
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordIdentity {
    pub user: UserPassword,
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPassword {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Named>,
    #[serde(default)]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub password: Secret,
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenIdentity {
    pub id: Secret,
}
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Named {
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub name: String,
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ScopeProject>,
    /// No project, and so no role. On the wire also the word `"unscoped"` in place of the object.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unscoped: bool,
}

fn scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Scope>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Wire {
        Word(String),
        Object(Object),
    }
    #[derive(Deserialize)]
    struct Object {
        project: Option<ScopeProject>,
        unscoped: Option<serde_json::Value>,
    }
    let project = |project, unscoped| Some(Scope { project, unscoped });
    match Option::<Wire>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Wire::Word(word)) if word == "unscoped" => Ok(project(None, true)),
        Some(Wire::Object(Object { project: None, unscoped: Some(it) })) if it != false => Ok(project(None, true)),
        Some(Wire::Object(object)) => Ok(project(object.project, false)),
        Some(Wire::Word(_)) => Err(D::Error::custom("allowed are {\"project\": ...} and \"unscoped\"")),
    }
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeProject {
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Named>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthAnswer {
    pub token: TokenView,
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    pub methods: Vec<String>,
    /// RFC 3339, `Z`.
    pub issued_at: String,
    pub expires_at: String,
    pub user: InDomain,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<InDomain>,
    pub roles: Vec<Named>,
    pub catalog: Vec<CatalogEntry>,
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InDomain {
    pub id: String,
    pub name: String,
    pub domain: Named,
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogEntry {
    pub id: String,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub endpoints: Vec<CatalogEndpoint>,
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogEndpoint {
    pub id: String,
    pub interface: String,
    pub region: String,
    pub region_id: String,
    pub url: String,
    pub name: String,
}
