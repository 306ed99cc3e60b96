//! `scope=` of a list: less than the caller may see, never more.

use api::{ErrorClass, Resource};
use db::Conn;
use db::filter::{Clause, Op, Values};
use types::status::Scope;

use crate::auth::Caller;
use crate::dispatch::model::List;
use crate::dispatch::query::{Query, short};
use crate::error::{Error, Result};
use crate::policy::Access;

/// What is left of the access, and a condition on whose the rows are.
///
/// # Errors
/// 400 for a scope that the resource does not have; 403 for one that is wider than the caller's permission.
pub async fn narrow<M: List>(
    query: &Query,
    caller: &Caller,
    access: Access,
    conn: &mut Conn,
) -> Result<(Access, Option<Clause>)> {
    let Some(text) = query.one("scope") else { return Ok((access, None)) };
    let plural = <M::Api as Resource>::PLURAL;
    let scope: Scope = text
        .parse()
        .map_err(|_| Error::input(format!("scope: '{}': allowed are {}", short(text), Scope::WORDS.join(", "))))?;
    if scope != Scope::System && M::PROJECT.is_none() {
        return Err(Error::input(format!("scope: {plural} belong to no project: only system is allowed")));
    }
    let wanted = match scope {
        Scope::System => Access::Everything,
        Scope::Domain => Access::domain(conn, caller).await?,
        Scope::Project => Access::Projects(caller.project.iter().cloned().collect()),
        Scope::User => {
            let column = M::USER.ok_or_else(|| {
                Error::input(format!("scope: {plural} belong to projects, not to users: project, domain, system"))
            })?;
            let own = Clause { column, op: Op::In, values: Values::Text(vec![caller.user.clone()]) };
            return Ok((access, Some(own)));
        }
    };
    if !covers(&access, &wanted) {
        let details =
            format!("scope: {scope} is wider than your permission on {plural}: leave it out, or ask for less");
        return Err(Error::new(ErrorClass::Forbidden, details));
    }
    Ok((wanted, None))
}

fn covers(access: &Access, wanted: &Access) -> bool {
    match (access, wanted) {
        (Access::Everything, _) => true,
        (Access::Projects(_), Access::Everything) => false,
        (Access::Projects(mine), Access::Projects(wanted)) => wanted.iter().all(|project| mine.contains(project)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_never_widens() {
        let projects = |names: &[&str]| Access::Projects(names.iter().map(|n| (*n).to_owned()).collect());
        for (access, wanted, covered) in [
            (Access::Everything, Access::Everything, true),
            (Access::Everything, projects(&["a"]), true),
            (projects(&["a"]), Access::Everything, false),
            (projects(&["a", "b"]), projects(&["a"]), true),
            (projects(&["a"]), projects(&["a", "b"]), false),
            (projects(&[]), projects(&["a"]), false),
        ] {
            assert_eq!(covers(&access, &wanted), covered, "{access:?} {wanted:?}");
        }
    }
}
