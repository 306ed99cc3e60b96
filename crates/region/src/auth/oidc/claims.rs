//! From a token's claims to a user, a project and roles. Pure.

use serde_json::{Map, Value};

use super::Verified;
use crate::auth::unauthorized;
use crate::config::Issuer;
use crate::error::Result;

/// # Errors
/// 401 for claims that name no user, or for a project that they don't give.
pub fn read(config: &Issuer, claims: &Map<String, Value>, wanted: Option<&str>) -> Result<Verified> {
    let subject = texts(claims, "sub").into_iter().next().unwrap_or_default();
    let user = texts(claims, &config.user_claim).into_iter().next().filter(|user| is_plain(user));
    let user = user.ok_or_else(|| {
        unauthorized("the bearer token names no user: its user claim must hold 1 to 128 characters that can be printed")
    })?;
    let mut given: Vec<(String, Vec<String>)> = Vec::new();
    let mut give = |project: &str, roles: &[String]| match given.iter_mut().find(|(p, _)| p == project) {
        Some((_, have)) => have.extend_from_slice(roles),
        None => given.push((project.to_owned(), roles.to_vec())),
    };
    for mapping in &config.map {
        if mapping.claim.is_empty() || texts(claims, &mapping.claim).contains(&mapping.value) {
            give(&mapping.project, &mapping.roles);
        }
    }
    if !config.project_claim.is_empty() && !config.roles_claim.is_empty() {
        let roles = texts(claims, &config.roles_claim);
        for project in texts(claims, &config.project_claim) {
            give(&project, &roles);
        }
    }
    let (project, mut roles) = match wanted {
        Some(wanted) => given
            .into_iter()
            .find(|(project, _)| project == wanted)
            .map(|(project, roles)| (Some(project), roles))
            .ok_or_else(|| unauthorized("the bearer token gives no role in the project that X-Project names"))?,
        None => given.into_iter().next().map_or((None, Vec::new()), |(project, roles)| (Some(project), roles)),
    };
    roles.sort_unstable();
    roles.dedup();
    let expires_at = claims.get("exp").and_then(Value::as_f64).unwrap_or_default() as i64;
    Ok(Verified { user: format!("{}:{user}", config.name), subject, project, roles, expires_at })
}

fn is_plain(text: &str) -> bool {
    (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// The texts of a claim, which may be one or a list. A name with dots is tried as it is, then as a path: `realm_access.roles`.
fn texts(claims: &Map<String, Value>, name: &str) -> Vec<String> {
    let value = claims.get(name).or_else(|| {
        let mut parts = name.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    });
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mapping;
    use serde_json::json;

    fn config() -> Issuer {
        let map = |claim: &str, value: &str, project: &str, role: &str| Mapping {
            claim: claim.into(),
            value: value.into(),
            project: project.into(),
            roles: vec![role.into()],
        };
        Issuer {
            name: "corp".into(),
            user_claim: "email".into(),
            map: vec![
                map("groups", "ops", "web", "project_owner"),
                map("groups", "all", "web", "project_viewer"),
                map("realm.roles", "root", "system", "admin"),
            ],
            ..Issuer::default()
        }
    }

    fn read_of(claims: Value, wanted: Option<&str>) -> Result<Verified> {
        read(&config(), claims.as_object().unwrap(), wanted)
    }

    #[test]
    fn groups_become_roles_in_a_project() {
        let it = read_of(json!({"sub": "1", "email": "a@b", "groups": ["all", "ops"]}), None).unwrap();
        assert_eq!((it.user.as_str(), it.project.as_deref()), ("corp:a@b", Some("web")));
        assert_eq!(it.roles, ["project_owner", "project_viewer"]);
        let both = json!({"sub": "1", "email": "a@b", "groups": "all", "realm": {"roles": ["root"]}});
        assert_eq!(read_of(both.clone(), None).unwrap().project.as_deref(), Some("web"));
        assert_eq!(read_of(both.clone(), Some("system")).unwrap().roles, ["admin"]);
        assert!(read_of(both, Some("else")).is_err());
        let none = read_of(json!({"sub": "1", "email": "a@b", "groups": ["x"]}), None).unwrap();
        assert_eq!((none.project, none.roles.len()), (None, 0));
    }

    #[test]
    fn without_a_user_nobody_comes_in() {
        for claims in
            [json!({"sub": "1"}), json!({"sub": "1", "email": ""}), json!({"email": "a\nb"}), json!({"email": 7})]
        {
            assert!(read_of(claims.clone(), None).is_err(), "{claims}");
        }
    }
}
