//! Who may open which console, and keep it open.

use db::Conn;
use db::guest::Guest;
use types::status::ConsoleKind;

use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::Model;
use crate::error::{Error, Result};
use crate::policy::{Access, Rule};

const fn rule(action: &'static str, extra: Option<&'static str>) -> Rule {
    Rule { service: "compute", resource: "servers", word: "server", action, extra }
}

/// What a policy says of opening one: whoever may only look may open none, for it writes.
pub fn opening(kind: ConsoleKind) -> Rule {
    match kind {
        ConsoleKind::Console => rule("perform", Some("console")),
        ConsoleKind::Vnc => rule("perform", Some("vnc")),
    }
}

/// The server, if the caller may open this console of it.
///
/// # Errors
/// 404: the caller may not know of it; 403: not open its console.
pub async fn allowed(app: &App, caller: &Caller, ident: &str, kind: ConsoleKind, conn: &mut Conn) -> Result<Guest> {
    let missing = || Error::not_found("server", ident);
    let seen = app.policies.access(conn, caller, &rule("get", None)).await?.ok_or_else(missing)?;
    let guest = Guest::find_within(conn, ident, &seen).await?;
    let reaches = |access: &Access| access.reaches(Some(&guest.project));
    if !reaches(&seen) {
        return Err(missing());
    }
    let rule = opening(kind);
    let access = app.policies.require(conn, caller, &rule).await?;
    if !reaches(&access) {
        let details = format!("not allowed. require: {rule} in a scope that reaches this server");
        return Err(Error::new(api::ErrorClass::Forbidden, details));
    }
    Ok(guest)
}

/// The same for one that is open: the token must still hold, and the roles of now count.
///
/// # Errors
/// As [`allowed`]; 401: the session has ended.
pub async fn still(app: &App, caller: &Caller, guest: &Guest, kind: ConsoleKind) -> Result<Guest> {
    let mut conn = app.pool.get().await?;
    let caller = caller.again(&mut conn).await?;
    allowed(app, &caller, &guest.id.to_string(), kind, &mut conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_console_has_a_rule_of_its_own() {
        assert_eq!(opening(ConsoleKind::Console).to_string(), "server_perform_console");
        assert_eq!(opening(ConsoleKind::Vnc).to_string(), "server_perform_vnc");
    }
}
