//! The whole command line: groups of commands, options for all of them, help.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::batch::Cx;
use crate::commands::{
    agent, completion, disk, domain, event, host, image, login, man, permission, policy, profile, project, recording,
    rescue, role, server, task, user, watch,
};
use crate::connect::Connection;
use crate::exit::{self, Exit};
use crate::lang::{self, Lang};
use crate::output::Format;
use crate::traced::Traced;

#[derive(Debug, Parser)]
#[command(
    name = "climc",
    version,
    about = "Drives Lifeboat: servers, their rescue, and what is behind them",
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
    /// How data is printed on stdout
    #[arg(short, long, global = true, value_enum, default_value_t, help_heading = "Output", value_name = "FORMAT")]
    output_format: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Server(server::Command),
    #[command(flatten)]
    Rescue(rescue::Command),
    #[command(flatten)]
    Disk(disk::Command),
    #[command(flatten)]
    Task(task::Command),
    #[command(flatten)]
    Event(event::Command),
    #[command(flatten)]
    Host(host::Command),
    #[command(flatten)]
    Agent(agent::Command),
    #[command(flatten)]
    Domain(domain::Command),
    #[command(flatten)]
    User(user::Command),
    #[command(flatten)]
    Project(project::Command),
    #[command(flatten)]
    Role(role::Command),
    #[command(flatten)]
    Policy(policy::Command),
    #[command(flatten)]
    Permission(permission::Command),
    #[command(flatten)]
    Image(image::Command),
    #[command(flatten)]
    Recording(recording::Command),
    #[command(flatten)]
    Watch(watch::Command),
    #[command(flatten)]
    Login(login::Command),
    #[command(flatten)]
    Profile(profile::Command),
    #[command(flatten)]
    Completion(completion::Command),
    #[command(flatten)]
    Man(man::Command),
}

/// In the order of the help: a heading, and whose commands stand below it.
type Augment = fn(clap::Command) -> clap::Command;
const GROUPS: &[(&str, &[Augment])] = &[
    ("Servers", &[server::Command::augment_subcommands]),
    ("Disks", &[disk::Command::augment_subcommands]),
    (
        "Rescue sessions, images and recordings",
        &[
            rescue::Command::augment_subcommands,
            image::Command::augment_subcommands,
            recording::Command::augment_subcommands,
        ],
    ),
    (
        "Tasks and events",
        &[watch::Command::augment_subcommands, task::Command::augment_subcommands, event::Command::augment_subcommands],
    ),
    ("Hosts and baremetal agents", &[host::Command::augment_subcommands, agent::Command::augment_subcommands]),
    (
        "Who may do what",
        &[
            domain::Command::augment_subcommands,
            user::Command::augment_subcommands,
            project::Command::augment_subcommands,
            role::Command::augment_subcommands,
            policy::Command::augment_subcommands,
            permission::Command::augment_subcommands,
        ],
    ),
    (
        "This program",
        &[
            login::Command::augment_subcommands,
            profile::Command::augment_subcommands,
            completion::Command::augment_subcommands,
            man::Command::augment_subcommands,
        ],
    ),
];

/// Lists whose rows belong to no object: the filters by object are not theirs.
const PLAIN_LISTS: &[&str] =
    &["server-list", "server-snapshot-list", "disk-list", "host-list", "agent-list", "rescue-image-list"];
const OBJECT_FILTERS: &[&str] = &["obj_type", "obj_id", "task_name", "is_complete", "since", "until"];
const ACCOUNT_FILTERS: &[&str] = &["obj_type", "obj_id", "task_name", "is_complete", "status", "since", "until"];
const TASK_FILTERS: &[(&str, &[&str])] = &[
    ("domain-list", ACCOUNT_FILTERS),
    ("user-list", ACCOUNT_FILTERS),
    ("project-list", ACCOUNT_FILTERS),
    ("role-list", ACCOUNT_FILTERS),
    ("policy-list", ACCOUNT_FILTERS),
    ("event-list", &["task_name", "is_complete", "status", "name"]),
    ("action-list", &["task_name", "is_complete", "status", "name"]),
    ("rescue-session-list", &["task_name", "is_complete", "obj_type", "name"]),
    ("consolerecording-list", &["task_name", "is_complete", "obj_type", "obj_id", "name", "status"]),
];

/// The command line as clap knows it.
pub fn command() -> clap::Command {
    let hide = |command: clap::Command, name: &'static str, filters: &'static [&str]| {
        command.mut_subcommand(name, |list| {
            filters.iter().fold(list, |list, filter| list.mut_arg(filter, |arg| arg.hide(true)))
        })
    };
    let command = PLAIN_LISTS.iter().fold(Cli::command(), |c, list| hide(c, list, OBJECT_FILTERS));
    let command = TASK_FILTERS.iter().fold(command, |c, (list, filters)| hide(c, list, filters));
    let groups = groups();
    command
        .help_template("{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}{all-args}{after-help}")
        .override_usage("climc [OPTIONS] COMMAND\n       climc help COMMAND")
        .before_help(groups)
        .after_help(exit::TABLE)
}

/// The same in the language of this process.
pub fn shown() -> clap::Command {
    match Lang::current() {
        Lang::English => command(),
        Lang::Chinese => lang::help::translate(command()),
    }
}

/// The same for parsing: the groups stand in for clap's own list of commands.
fn parser(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |sub| sub.hide(true)))
}

fn groups() -> String {
    let mut text = String::new();
    for (heading, members) in GROUPS {
        text.push_str(&format!("{heading}:\n"));
        for augment in *members {
            for command in augment(clap::Command::new("group")).get_subcommands() {
                let about = command.get_about().map(ToString::to_string).unwrap_or_default();
                text.push_str(&format!("  {:<23} {about}\n", command.get_name()));
            }
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// Parses, runs, tells what went wrong. Answers the exit code.
pub async fn run(args: impl IntoIterator<Item = OsString>) -> i32 {
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = parser(command()).try_get_matches_from(&args).and_then(|matches| {
        let name = matches.subcommand_name().unwrap_or_default().to_owned();
        Ok((name, Cli::from_arg_matches(&matches)?))
    });
    let (name, cli) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return usage(error, &args),
    };
    let traced = Traced::begin(&name);
    let code = match Box::pin(act(cli)).await {
        Ok(()) => exit::OK,
        Err(exit) => {
            exit.tell();
            exit.code
        }
    };
    if let Some(traced) = traced {
        traced.end(code).await;
    }
    code
}

async fn act(cli: Cli) -> Result<(), Exit> {
    let cx = || Ok::<_, Exit>(Cx { client: cli.connection.client()?, format: cli.output_format });
    match cli.command {
        Command::Server(command) => server::run(&cx()?, command).await,
        Command::Disk(command) => disk::run(&cx()?, command).await,
        Command::Rescue(command) => rescue::run(&cx()?, command).await,
        Command::Task(command) => task::run(&cx()?, command).await,
        Command::Event(command) => event::run(&cx()?, command).await,
        Command::Host(command) => host::run(&cx()?, command).await,
        Command::Agent(command) => agent::run(&cx()?, command).await,
        Command::Domain(command) => domain::run(&cx()?, command).await,
        Command::User(command) => user::run(&cx()?, command).await,
        Command::Project(command) => project::run(&cx()?, command).await,
        Command::Role(command) => role::run(&cx()?, command).await,
        Command::Policy(command) => policy::run(&cx()?, command).await,
        Command::Permission(command) => permission::run(&cx()?, command).await,
        Command::Image(command) => image::run(&cx()?, command).await,
        Command::Recording(command) => recording::run(&cx()?, command).await,
        Command::Watch(watch::Command::Watch(args)) => watch::run(&cx()?, &args).await,
        Command::Login(login::Command::Login) => login::run(&cli.connection, cli.output_format).await,
        Command::Profile(profile::Command::ProfileList) => profile::run(&cli.connection, cli.output_format),
        Command::Completion(completion::Command::Completion { shell }) => completion::run(&shell),
        Command::Man(man::Command::Man(args)) => man::run(&args),
    }
}

/// Help and version go to stdout with 0, mistakes to stderr with 2. A mistyped password is not repeated.
fn usage(mut error: clap::Error, args: &[OsString]) -> i32 {
    if Lang::current() == Lang::Chinese && !error.use_stderr() {
        // The same again, where the help is Chinese: built only for those who read it.
        error = parser(shown()).try_get_matches_from(args).err().unwrap_or(error);
    }
    if error.kind() == ErrorKind::ValueValidation
        && let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg)
        && option.starts_with("--password")
    {
        error.insert(ContextKind::InvalidValue, ContextValue::String("(not shown)".into()));
    }
    if Lang::current() == Lang::Chinese
        && let Some(told) = lang::help::mistake(&error)
    {
        eprintln!("climc: {}", crate::text::plain(&told));
        return error.exit_code();
    }
    // Whoever went away (`climc help | head`) needs no message.
    let _ = error.print();
    error.exit_code()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_command_has_a_group_and_an_example() {
        let listed = groups();
        for sub in command().get_subcommands() {
            let name = sub.get_name();
            assert!(listed.contains(&format!("  {name} ")), "{name} is in no group");
            assert!(
                sub.get_after_help().is_some_and(|help| help.to_string().contains("climc ")),
                "{name} has no example"
            );
        }
    }

    #[test]
    fn a_mistyped_password_is_not_repeated() {
        let args = ["climc", "server-start-rescue", "web1", "--password", "hunter2"];
        let mut error = command().try_get_matches_from(args).unwrap_err();
        assert!(error.to_string().contains("hunter2"), "clap no longer repeats values: this test proves nothing");
        if let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) {
            assert!(option.starts_with("--password"));
        }
        error.insert(ContextKind::InvalidValue, ContextValue::String("(not shown)".into()));
        assert!(!error.to_string().contains("hunter2"));
    }

    /// All help, as checked in, in both languages. After a change on purpose: `UPDATE_HELP=1 cargo test -p climc help_is_as_checked_in`.
    #[test]
    fn help_is_as_checked_in() {
        for (file, command) in [("help.txt", command()), ("help.zh.txt", lang::help::translate(command()))] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let text = all_help(command);
            if std::env::var_os("UPDATE_HELP").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(text, kept, "the help changed: UPDATE_HELP=1 cargo test -p climc help_is_as_checked_in");
        }
    }

    fn all_help(command: clap::Command) -> String {
        let mut root = parser(command).term_width(100);
        root.build();
        let mut text = format!("$ climc help\n{}", root.render_help());
        for name in groups().lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()) {
            let mut sub = root.find_subcommand(name).unwrap().clone();
            // Options for all commands stand once, above.
            let global: Vec<clap::Id> =
                sub.get_arguments().filter(|a| a.is_global_set()).map(|a| a.get_id().clone()).collect();
            for id in global {
                sub = sub.mut_arg(id, |arg| arg.hide(true));
            }
            text.push_str(&format!("\n\n$ climc {name} --help\n{}", sub.render_help()));
        }
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// Every verb of the service has its command: `verbs.txt` is checked against region.
    #[test]
    fn every_verb_has_a_command() {
        /// Where a command is not called by resource and verb.
        const OTHERS: &[(&str, &str)] = &[
            ("server_perform_create_snapshot", "server-snapshot-create"),
            ("server_perform_revert_snapshot", "server-snapshot-revert"),
            ("server_perform_console_ticket", "server-console-ticket"),
            ("server_get_console", "server-console"),
            ("snapshot_list", "server-snapshot-list"),
            ("snapshot_get", "server-snapshot-show"),
            ("snapshot_delete", "server-snapshot-delete"),
            ("project_perform_join", "project-add-user"),
            ("project_perform_leave", "project-remove-user"),
        ];
        let command = command();
        let known = |name: &str| command.get_subcommands().any(|sub| sub.get_name() == name);
        let prefix = |resource: &str| match resource {
            "baremetalagent" => "agent".to_owned(),
            "rescuesession" => "rescue-session".into(),
            "rescueimage" => "rescue-image".into(),
            "task" => "region-task".into(),
            "archivedtask" => "archived-task".into(),
            other => other.to_owned(),
        };
        let verbs = include_str!("../../region/verbs.txt");
        let mut seen = 0;
        for rule in verbs.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(' ').next()) {
            let (resource, verb) = rule.split_once('_').unwrap();
            let verb = match verb.strip_prefix("perform_").unwrap_or(verb) {
                "get" => "show".to_owned(),
                verb => verb.replace('_', "-"),
            };
            let usual = format!("{}-{verb}", prefix(resource));
            let name = OTHERS.iter().find(|(other, _)| *other == rule).map_or(usual.as_str(), |(_, name)| name);
            assert!(known(name), "{rule} has no command {name}");
            seen += 1;
        }
        assert!(seen > 80, "{seen}");
    }
}
