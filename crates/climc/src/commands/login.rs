//! `login`: a fresh token, kept for the commands that follow. Asks for the password where there is none.

use std::io::{BufRead, IsTerminal, Write};

use clap::Subcommand;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use types::Secret;

use crate::connect::Connection;
use crate::exit::Exit;
use crate::lang::{self, say};
use crate::output::{self, Format};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Log in and keep the token; asks for the password where there is none
    #[command(after_help = "Examples:\n  climc login --os-auth-url http://127.0.0.1:8080/v3 --os-username admin\n  \
        climc login --rc ~/lifeboat/rc")]
    Login,
}

pub async fn run(connection: &Connection, format: Format) -> Result<(), Exit> {
    let settings = connection.settings()?;
    let needed = settings.password.is_none() && settings.token.is_none() && settings.user.is_some();
    let password =
        if needed && std::io::stdin().is_terminal() { Some(ask(lang::text("Password: ")).await?) } else { None };
    let login = settings.client(password)?.login().await?;
    if format != Format::Table {
        return Ok(output::data(format, &login)?);
    }
    Ok(output::sheet(&[
        ("user", login.user),
        ("project", crate::text::or_dash(login.project)),
        ("roles", crate::text::or_dash(Some(login.roles.join(", ")))),
        ("region_url", login.region_url),
        ("expires_at", login.expires_at),
    ])?)
}

/// Reads a line from the terminal that is not shown. Ctrl-C gives the terminal back as it was.
pub(super) async fn ask(prompt: &str) -> Result<Secret, Exit> {
    let terminal = std::io::stdin();
    let before = tcgetattr(&terminal).map_err(std::io::Error::from)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    eprint!("{prompt}");
    std::io::stderr().flush()?;
    tcsetattr(&terminal, OptionalActions::Flush, &hidden).map_err(std::io::Error::from)?;
    let (send, typed) = tokio::sync::oneshot::channel();
    // A thread, because it can't be called back from its read: after Ctrl-C it ends with the program.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let _ = send.send(read.map(|_| line));
    });
    let line = tokio::select! {
        line = typed => line.ok(),
        _ = tokio::signal::ctrl_c() => None,
    };
    tcsetattr(&terminal, OptionalActions::Now, &before).map_err(std::io::Error::from)?;
    eprintln!();
    let Some(line) = line else { return Err(Exit::silent(crate::exit::INTERRUPTED)) };
    match line?.trim_end_matches(['\r', '\n']) {
        "" => Err(Exit::usage(say!("no password was typed"))),
        password => Ok(Secret::new(password)),
    }
}
