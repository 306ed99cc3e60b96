//! `completion`: what a shell needs to complete commands, options, and the names of what there is.
//!
//! The script that a shell loads asks this program at each Tab ([`answer`]); names of servers and the like come from the service, within a
//! second or not at all.

use std::ffi::OsStr;
use std::time::Duration;

use api::{ListQuery, Resource};
use clap::{FromArgMatches, Subcommand};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use serde_json::Value;

use crate::connect::Connection;
use crate::exit::Exit;
use crate::lang::say;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a completion script for a shell
    #[command(after_help = "Examples:\n  climc completion bash > /etc/bash_completion.d/climc\n  \
        climc completion zsh > ~/.zfunc/_climc\n  climc completion fish > ~/.config/fish/completions/climc.fish")]
    Completion {
        /// The shell
        #[arg(value_parser = ["bash", "zsh", "fish", "elvish", "powershell"])]
        shell: String,
    },
}

/// What the script sets when it asks.
const VARIABLE: &str = "CLIMC_COMPLETE";
/// A shell stands still meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);
const MOST: i64 = 500;
/// A file of zsh's function path is loaded by the first Tab, which is to complete too.
const ZSH_FIRST_TAB: &str = "[[ ${funcstack[1]} != _climc ]] || _clap_dynamic_completer_climc \"$@\"\n";

pub fn run(shell: &str) -> Result<(), Exit> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let completer = shells
        .completer(shell)
        .ok_or_else(|| Exit::usage(say!("there is no completion for {shell}", shell = shell)))?;
    completer.write_registration(VARIABLE, "climc", "climc", "climc", &mut script)?;
    if shell == "zsh" {
        script.extend_from_slice(ZSH_FIRST_TAB.as_bytes());
    }
    Ok(std::io::Write::write_all(&mut std::io::stdout(), &script)?)
}

/// Answers a shell that asks; `false`: none does.
pub fn answer() -> bool {
    if std::env::var_os(VARIABLE).is_none() {
        return false;
    }
    let folder = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(factory).var(VARIABLE).try_complete(std::env::args_os(), folder.as_deref());
    // Whatever goes wrong: a shell that completes nothing is better than one that shows an error at each Tab.
    asked.unwrap_or(true)
}

/// The command line, whose ids know what there is.
fn factory() -> clap::Command {
    let command = crate::cli::shown();
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| {
        let Some(plural) = resource(&name) else { return command };
        command.mut_subcommand(name, |sub| {
            sub.mut_args(|arg| match arg.get_id().as_str() {
                "id" | "ids" | "server" => {
                    arg.add(ArgValueCompleter::new(move |typed: &OsStr| names_of(plural, typed)))
                }
                _ => arg,
            })
        })
    })
}

/// What the ids of a command name.
fn resource(command: &str) -> Option<&'static str> {
    use api::{account, baremetal, disk, host, recording, rescue, server, task};
    let prefixes = [
        ("server-snapshot-", None),
        ("server-", Some(server::Servers::PLURAL)),
        ("watch", Some(server::Servers::PLURAL)),
        ("event-verify", Some(server::Servers::PLURAL)),
        ("host-", Some(host::Hosts::PLURAL)),
        ("agent-", Some(baremetal::BaremetalAgents::PLURAL)),
        ("disk-", Some(disk::Disks::PLURAL)),
        ("region-task-", Some(task::Tasks::PLURAL)),
        ("rescue-image-", Some(rescue::RescueImages::PLURAL)),
        ("consolerecording-", Some(recording::ConsoleRecordings::PLURAL)),
        ("user-", Some(account::Users::PLURAL)),
        ("project-", Some(account::Projects::PLURAL)),
        ("role-", Some(account::Roles::PLURAL)),
        ("policy-", Some(account::Policies::PLURAL)),
    ];
    let create = |prefix: &str| command == "server-snapshot-create" && prefix == "server-snapshot-";
    prefixes.iter().find(|(prefix, _)| command.starts_with(prefix) && !create(prefix)).and_then(|(_, plural)| *plural)
}

fn names_of(plural: &'static str, typed: &OsStr) -> Vec<CompletionCandidate> {
    let (Some(typed), Ok(runtime)) =
        (typed.to_str(), tokio::runtime::Builder::new_current_thread().enable_all().build())
    else {
        return Vec::new();
    };
    // The words of the command line so far stand behind `--`: which service is meant is among them.
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let matches = crate::cli::command().ignore_errors(true).try_get_matches_from(words);
    let connection = matches.ok().and_then(|matches| Connection::from_arg_matches(&matches).ok()).unwrap_or_default();
    let Ok(client) = connection.client() else { return Vec::new() };
    let query = ListQuery {
        limit: MOST,
        search: Some(typed.to_owned()).filter(|typed| !typed.is_empty()),
        ..ListQuery::default()
    };
    let asked = async { tokio::time::timeout(PATIENCE, client.rows(plural, &query)).await };
    let Ok(Ok(rows)) = runtime.block_on(asked) else { return Vec::new() };
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
    rows.iter()
        .filter_map(|row| {
            let name = text(row, "name").or_else(|| text(row, "id"))?;
            let help = text(row, "status").or_else(|| text(row, "task_name"));
            // A name that could steer a terminal is none.
            let plain = name.starts_with(typed) && !name.chars().any(char::is_control);
            plain.then(|| CompletionCandidate::new(name).help(help.map(Into::into)))
        })
        .collect()
}
