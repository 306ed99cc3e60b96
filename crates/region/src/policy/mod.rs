//! Who may do what.
//!
//! * [`Rule`]: what a verb needs: service, resource, action, extra;
//! * [`tree`]: a policy's tree of allow and deny, where the most specific match wins; pure;
//! * [`builtin`]: the policies of the built-in roles;
//! * [`Book`]: all policies, those in the database too;
//! * [`Access`]: how far a caller's permission reaches: what is seen, and the condition that lists get.

pub mod builtin;
pub mod tree;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use api::ErrorClass;
use db::Conn;
use db::filter::{Clause, Column, Op, Values};
use types::status::Scope;

use crate::auth::Caller;
use crate::error::{Error, Result};
use tree::Tree;

/// What a verb needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    pub service: &'static str,
    /// The resource, plural, as policies name it.
    pub resource: &'static str,
    /// The resource, singular, as the console names it.
    pub word: &'static str,
    /// `list`, `get`, `create`, `update`, `delete` or `perform`.
    pub action: &'static str,
    /// The verb of a `perform`.
    pub extra: Option<&'static str>,
}

impl Rule {
    /// As policies are written: service, resource, action, extra.
    #[must_use]
    pub fn path(&self) -> Vec<&'static str> {
        let mut path = vec![self.service, self.resource, self.action];
        path.extend(self.extra);
        path
    }
}

/// As the console knows it: `server_perform_start_rescue`.
impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.word, self.action)?;
        self.extra.map_or(Ok(()), |extra| write!(f, "_{}", extra.replace('-', "_")))
    }
}

/// A policy, read and ready to be asked.
#[derive(Debug, Clone)]
pub struct Policy {
    pub name: String,
    pub scope: Scope,
    pub roles: Vec<String>,
    pub tree: Tree,
}

/// The widest scope that any policy gives to one of these roles.
#[must_use]
pub fn reach(policies: &[Policy], roles: &[String]) -> Option<Scope> {
    Scope::ALL
        .iter()
        .copied()
        .find(|scope| policies.iter().any(|p| p.scope == *scope && p.roles.iter().any(|role| roles.contains(role))))
}

/// The widest scope in which any of the roles may do it. Among the policies of one scope the most specific match wins, and deny where two are
/// equally specific.
#[must_use]
pub fn decide(policies: &[Policy], roles: &[String], rule: &Rule) -> Option<Scope> {
    let path = rule.path();
    Scope::ALL.iter().copied().find(|scope| {
        let mine = policies.iter().filter(|p| p.scope == *scope && p.roles.iter().any(|r| roles.contains(r)));
        let verdict = mine.filter_map(|p| p.tree.ask(&path)).max_by_key(|v| (v.specific, !v.allow));
        verdict.is_some_and(|v| v.allow)
    })
}

/// The roles that may do it, each by itself.
#[must_use]
pub fn able<'p>(policies: &'p [Policy], rule: &Rule) -> Vec<&'p str> {
    let mut able: Vec<&str> = policies
        .iter()
        .flat_map(|p| &p.roles)
        .filter(|role| decide(policies, std::slice::from_ref(*role), rule).is_some())
        .map(String::as_str)
        .collect();
    able.sort_unstable();
    able.dedup();
    able
}

/// Changes in the database are seen after this time at the latest.
const REMEMBERED: Duration = Duration::from_secs(2);

/// All policies, remembered for a moment.
#[derive(Default)]
pub struct Book(Mutex<Option<(Instant, Arc<Vec<Policy>>)>>);

impl Book {
    /// # Errors
    /// As the database reports them.
    pub async fn policies(&self, conn: &mut Conn) -> Result<Arc<Vec<Policy>>> {
        if let Some((at, policies)) = self.lock().as_ref()
            && at.elapsed() < REMEMBERED
        {
            return Ok(policies.clone());
        }
        let mut policies = builtin::policies();
        for row in db::policy::enabled(conn).await? {
            match (Tree::parse(&row.rules), serde_json::from_value(row.roles)) {
                (Ok(tree), Ok(roles)) => policies.push(Policy { name: row.name, scope: row.scope, roles, tree }),
                _ => tracing::error!(policy = row.name, "a stored policy can't be read, and counts for nothing"),
            }
        }
        let policies = Arc::new(policies);
        *self.lock() = Some((Instant::now(), policies.clone()));
        Ok(policies)
    }

    /// After a change made by this process.
    pub fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Arc<Vec<Policy>>)>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// How far the caller's permission reaches; `None`: not at all.
    ///
    /// # Errors
    /// As the database reports them.
    pub async fn access(&self, conn: &mut Conn, caller: &Caller, rule: &Rule) -> Result<Option<Access>> {
        let policies = self.policies(conn).await?;
        Ok(match decide(&policies, &caller.roles, rule) {
            None => None,
            Some(Scope::System) => Some(Access::Everything),
            Some(Scope::Domain) => Some(Access::domain(conn, caller).await?),
            Some(Scope::Project) => Some(Access::Projects(caller.project.iter().cloned().collect())),
            Some(Scope::User) => Some(Access::Projects(Vec::new())),
        })
    }

    /// As [`Book::access`]; without any, the denial is explained.
    ///
    /// # Errors
    /// 403, with what is required and which roles have it.
    pub async fn require(&self, conn: &mut Conn, caller: &Caller, rule: &Rule) -> Result<Access> {
        if let Some(access) = self.access(conn, caller, rule).await? {
            return Ok(access);
        }
        let policies = self.policies(conn).await?;
        let able = able(&policies, rule);
        let mine = if caller.roles.is_empty() { "no role".to_owned() } else { caller.roles.join(", ") };
        Err(Error::new(
            ErrorClass::Forbidden,
            format!(
                "not allowed. require: {rule} ({}); you have: {mine}{}; allow: {}",
                rule.path().join("/"),
                caller.project.as_ref().map(|p| format!(" in project {p}")).unwrap_or_default(),
                able.join(", ")
            ),
        ))
    }
}

/// What a permission reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    Everything,
    /// What belongs to these projects, by key; among them may be the place of a domain, to which its users belong.
    Projects(Vec<String>),
}

impl Access {
    /// The caller's domain: its projects, and the domain itself with its users.
    ///
    /// # Errors
    /// As the database reports them.
    pub async fn domain(conn: &mut Conn, caller: &Caller) -> Result<Self> {
        let domain = caller.domain.as_deref().unwrap_or_default();
        let mut reached = db::identity::projects_of_domain(conn, domain).await?;
        reached.push(db::identity::place(domain));
        Ok(Self::Projects(reached))
    }

    /// The projects it is limited to; `None`: to none.
    #[must_use]
    pub fn projects(&self) -> Option<&[String]> {
        match self {
            Self::Everything => None,
            Self::Projects(mine) => Some(mine),
        }
    }

    /// Whether it reaches what belongs to a project, or (`None`) to no project at all.
    #[must_use]
    pub fn reaches(&self, project: Option<&str>) -> bool {
        match self {
            Self::Everything => true,
            Self::Projects(mine) => project.is_some_and(|p| mine.iter().any(|m| m == p)),
        }
    }

    /// The condition for a list; `column` holds the project. Without such a column it takes everything, or nothing is seen.
    ///
    /// # Errors
    /// 403 where nothing of the resource can be seen.
    pub fn condition(&self, column: Option<Column>, rule: &Rule) -> Result<Option<Clause>> {
        match (self, column) {
            (Self::Everything, _) => Ok(None),
            (Self::Projects(mine), Some(column)) => {
                Ok(Some(Clause { column, op: Op::In, values: Values::Text(mine.clone()) }))
            }
            (Self::Projects(_), None) => Err(Error::new(
                ErrorClass::Forbidden,
                format!("not allowed. require: {rule} in scope system: {} belong to no project", rule.resource),
            )),
        }
    }
}
