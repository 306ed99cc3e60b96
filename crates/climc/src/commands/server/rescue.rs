//! `server-start-rescue`: keys from files, and the password that is shown once.

use api::server::{RescueAccess, Servers, StartRescue};
use api::{Action, Invalid};

use super::refuse;
use crate::batch::{self, Cx, Receipt, Verb};
use crate::exit::Exit;
use crate::lang::say;
use crate::output::Format;

pub async fn start(cx: &Cx, verb: Verb<StartRescue>) -> Result<(), Exit> {
    let mut action = verb.action;
    action.ssh_keys = keys(action.ssh_keys).map_err(|e| refuse(&e))?;
    action.check().map_err(|e| refuse(&e))?;
    if cx.format == Format::Table && verb.wait.wait && action.ssh_keys.is_empty() && action.password.is_none() {
        eprintln!(
            "climc: {}",
            say!("neither --ssh-key nor --password: the rescue system will let nobody log in over the network")
        );
    }
    batch::run::<Servers>(cx, StartRescue::NAME, &verb.many.ids, verb.many.parallel, &verb.wait, async |id| {
        Ok(Receipt::accepted(cx.client.perform(id, &action).await?, access))
    })
    .await
}

/// The generated password stands on stdout, once, under a name that says what it is.
fn access(extra: &RescueAccess) -> Vec<(&'static str, String)> {
    let Some(session) = &extra.rescue_session else { return Vec::new() };
    let mut rows = vec![("rescue_session", session.id.to_string())];
    match &session.password {
        Some(password) => rows.push(("rescue_password (shown once)", password.expose().to_owned())),
        None if session.password_shown => rows.push((
            "rescue_password (shown once)",
            say!("was in an answer that got lost; for another: stop-rescue, then start-rescue"),
        )),
        None => {}
    }
    rows
}

/// A key as it is, or those of a `.pub` file.
pub fn keys(given: Vec<String>) -> Result<Vec<String>, Invalid> {
    let mut keys = Vec::new();
    for key in given {
        let text = key.trim();
        if text.contains(' ') {
            keys.push(text.to_owned());
            continue;
        }
        let unusable = |why: &str| Invalid::new("ssh_keys", format!("'{text}': {why}"));
        let file = std::fs::read_to_string(text.strip_prefix('@').unwrap_or(text))
            .map_err(|e| unusable(&say!("neither a public key nor a file that can be read ({error})", error = e)))?;
        if file.contains("PRIVATE KEY") {
            return Err(unusable(&say!(
                "this is the private key, which must stay where it is: give the .pub file beside it"
            )));
        }
        keys.extend(file.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn keys_come_as_text_or_as_files_but_never_private() {
        let mut public = tempfile::NamedTempFile::new().unwrap();
        writeln!(public, "# mine\nssh-ed25519 AAAA me\n\nssh-rsa AAAB you").unwrap();
        let path = public.path().display().to_string();
        let given = vec!["ssh-ed25519 AAAC text".to_owned(), path.clone(), format!("@{path}")];
        let mine = ["ssh-ed25519 AAAA me", "ssh-rsa AAAB you"];
        let expected: Vec<&str> = ["ssh-ed25519 AAAC text"].into_iter().chain(mine).chain(mine).collect();
        assert_eq!(keys(given).unwrap(), expected);

        let mut private = tempfile::NamedTempFile::new().unwrap();
        writeln!(private, "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0").unwrap();
        let error = keys(vec![private.path().display().to_string()]).unwrap_err().to_string();
        assert!(error.contains(".pub") && !error.contains("c2VjcmV0"), "{error}");
        assert!(keys(vec!["/nowhere".into()]).is_err());
    }
}
