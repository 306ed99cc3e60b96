//! Servers: `server-*`.

use api::ListQuery;
use api::event::Events;
use api::server::{RescueAccess, Server, Servers, Start, StartRescue, Stop, StopRescue};
use api::task::Tasks;
use api::{Action, Invalid};
use clap::Subcommand;
use types::GuestStatus;

use super::{Page, create, list, of, refuse, rescue, show};
use crate::batch::{self, Cx, Many, Receipt, Verb, Wait};
use crate::console;
use crate::exit::Exit;
use crate::output::{Format, Shown};
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List servers
    #[command(after_help = "Examples:\n  climc server-list --status rescue --status start_rescue_failed\n  \
        climc server-list --search web --output-format json")]
    ServerList(ListQuery),
    /// Show a server
    #[command(after_help = "Example:\n  climc server-show web1")]
    ServerShow {
        /// Id or name
        id: String,
    },
    /// Create a server
    #[command(
        after_help = "Examples:\n  climc server-create web1 --disk image=debian.qcow2 --mem 1G --auto-start --wait\n  \
        climc server-create web1 --disk image=tiny.qcow2,size=10G,driver=virtio --disk size=2G \\\n      \
        --net hostfwd=2222:22,model=virtio --ncpu 2 --metadata owner=me"
    )]
    ServerCreate(Box<create::Args>),
    /// Boot servers from their own disks
    #[command(after_help = "Example:\n  climc server-start web1 web2 web3 --wait --timeout 120")]
    ServerStart(Verb<Start>),
    /// Power servers off, gently unless forced
    #[command(after_help = "Examples:\n  climc server-stop web1 --wait\n  climc server-stop web1 --force")]
    ServerStop(Verb<Stop>),
    /// Delete servers and their disks
    #[command(after_help = "Example:\n  climc server-delete web1 --wait")]
    ServerDelete {
        #[command(flatten)]
        many: Many,
        #[command(flatten)]
        wait: Wait,
    },
    /// Boot servers, with their own disks, into the rescue system
    #[command(after_help = "Examples:\n  climc server-start-rescue web1 --wait --ssh-key ~/.ssh/id_ed25519.pub\n  \
        climc server-start-rescue web1 --wait --password generate --disk-mode ro --reason 'fsck'\n\n\
        How to get in is told by: climc server-rescue-show web1")]
    ServerStartRescue(Box<Verb<StartRescue>>),
    /// Leave rescue: servers go back exactly as they were
    #[command(
        after_help = "Examples:\n  climc server-stop-rescue web1 --wait\n  climc server-stop-rescue web1 --power off"
    )]
    ServerStopRescue(Verb<StopRescue>),
    /// Show a server's rescue: how to get in, its disks, the proof, time left; the last one if it is over
    #[command(after_help = "Example:\n  climc server-rescue-show web1")]
    ServerRescueShow {
        /// Id or name
        id: String,
    },
    /// Open a server's serial console; Ctrl-] leaves it
    #[command(after_help = console::HELP)]
    ServerConsole(console::Args),
    /// List a server's tasks, newest first
    #[command(after_help = "Example:\n  climc server-tasks web1")]
    ServerTasks {
        /// Id or name
        id: String,
        #[command(flatten)]
        page: Page,
    },
    /// List a server's events, newest first
    #[command(visible_alias = "server-events", after_help = "Example:\n  climc server-event web1 --limit 50")]
    ServerEvent {
        /// Id or name
        id: String,
        #[command(flatten)]
        page: Page,
    },
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::ServerList(query) => list::<Servers>(cx, &query).await,
        Command::ServerShow { id } => show::<Servers>(cx, &id).await,
        Command::ServerCreate(args) => create::run(cx, *args).await,
        Command::ServerStart(verb) => perform(cx, verb).await,
        Command::ServerStop(verb) => perform(cx, verb).await,
        Command::ServerDelete { many, wait } => {
            batch::run::<Servers>(cx, "delete", &many.ids, many.parallel, &wait, async |id| {
                Ok(cx.client.delete::<Servers>(id).await?.into())
            })
            .await
        }
        Command::ServerStartRescue(verb) => start_rescue(cx, *verb).await,
        Command::ServerStopRescue(verb) => perform(cx, verb).await,
        Command::ServerRescueShow { id } => rescue::of_server(cx, &id).await,
        Command::ServerConsole(args) => console::run(&cx.client, &args).await,
        Command::ServerTasks { id, page } => list::<Tasks>(cx, &of("server", &id, page.into())).await,
        Command::ServerEvent { id, page } => list::<Events>(cx, &of("server", &id, page.into())).await,
    }
}

async fn perform<A: Action<On = Servers> + clap::Args>(cx: &Cx, verb: Verb<A>) -> Result<(), Exit> {
    verb.action.check().map_err(|e| refuse(&e))?;
    batch::perform(cx, &verb.many, &verb.action, &verb.wait).await
}

async fn start_rescue(cx: &Cx, verb: Verb<StartRescue>) -> Result<(), Exit> {
    let mut action = verb.action;
    action.ssh_keys = keys(action.ssh_keys).map_err(|e| refuse(&e))?;
    action.check().map_err(|e| refuse(&e))?;
    if cx.format == Format::Table && verb.wait.wait && action.ssh_keys.is_empty() && action.password.is_none() {
        eprintln!("climc: neither --ssh-key nor --password: the rescue system will let nobody log in over the network");
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
            "was in an answer that got lost; for another: stop-rescue, then start-rescue".into(),
        )),
        None => {}
    }
    rows
}

/// A key as it is, or those of a `.pub` file.
fn keys(given: Vec<String>) -> Result<Vec<String>, Invalid> {
    let mut keys = Vec::new();
    for key in given {
        let text = key.trim();
        if text.contains(' ') {
            keys.push(text.to_owned());
            continue;
        }
        let unusable = |why: &str| Invalid::new("ssh_keys", format!("'{text}': {why}"));
        let file = std::fs::read_to_string(text.strip_prefix('@').unwrap_or(text))
            .map_err(|e| unusable(&format!("neither a public key nor a file that can be read ({e})")))?;
        if file.contains("PRIVATE KEY") {
            return Err(unusable("this is the private key, which must stay where it is: give the .pub file beside it"));
        }
        keys.extend(file.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned));
    }
    Ok(keys)
}

impl Shown for Servers {
    const COLUMNS: &'static [&'static str] = &["ID", "Name", "Status", "Power", "Host", "vCPU", "Memory", "Task"];

    fn row(view: &Server) -> Vec<String> {
        vec![
            view.id.to_string(),
            view.name.clone(),
            view.status.to_string(),
            view.power_state.to_string(),
            view.host.clone(),
            view.vcpu_count.to_string(),
            text::mib(view.vmem_size),
            text::or_dash(view.task.as_ref().map(|t| format!("{} {}", t.task_name, t.stage))),
        ]
    }

    fn details(view: &Server) -> Vec<(&'static str, String)> {
        let disks = view.disks.iter().map(|d| {
            let size = if d.size == 0 { "as its image".into() } else { text::mib(d.size) };
            let image = d.image.as_ref().map(|i| format!(" from {i}")).unwrap_or_default();
            format!("{}: {size} {} {}{image}, serial {}", d.index, d.driver, d.format, d.serial)
        });
        let nics = view.nics.iter().map(|n| {
            let forwards =
                n.forwards.iter().map(|f| format!(", port {} of its host leads to {}", f.host_port, f.guest_port));
            format!("{}: {} {}{}", n.index, n.model, n.mac, forwards.collect::<String>())
        });
        let metadata = view.metadata.iter().map(|(k, v)| format!("{k}={v}"));
        vec![
            ("id", view.id.to_string()),
            ("name", view.name.clone()),
            ("status", view.status.to_string()),
            ("status_reason", text::or_dash(view.status_reason.as_ref())),
            ("power_state", view.power_state.to_string()),
            ("task", text::or_dash(view.task.as_ref().map(|t| format!("{} {} {}", t.id, t.task_name, t.stage)))),
            ("rescue_session_id", text::or_dash(view.rescue_session_id)),
            ("host", format!("{} ({})", view.host, view.host_id)),
            ("machine", format!("{} {} {} {}", view.hypervisor, view.arch, view.machine, view.firmware)),
            ("vcpu_count", view.vcpu_count.to_string()),
            ("vmem_size", text::mib(view.vmem_size)),
            ("disks", text::or_dash(Some(disks.collect::<Vec<_>>().join("\n")))),
            ("nics", text::or_dash(Some(nics.collect::<Vec<_>>().join("\n")))),
            ("metadata", text::or_dash(Some(metadata.collect::<Vec<_>>().join("\n")))),
            ("created_at", text::time(view.created_at)),
            ("updated_at", text::time(view.updated_at)),
        ]
    }

    fn id(view: &Server) -> String {
        view.id.to_string()
    }
    fn name(view: &Server) -> String {
        view.name.clone()
    }
    fn status(view: &Server) -> String {
        view.status.to_string()
    }
    fn way_out(view: &Server) -> Option<String> {
        let name = &view.name;
        let commands = |verbs: &[&str]| {
            let commands: Vec<String> = verbs.iter().map(|verb| format!("climc server-{verb} {name}")).collect();
            Some(format!("{name} is {}; from there: {}", view.status, commands.join(" | ")))
        };
        match view.status {
            GuestStatus::Ready => Some(format!(
                "{name} is off, as a machine that can be started; what happened: climc server-event {name}"
            )),
            GuestStatus::Running => {
                Some(format!("{name} runs from its own disks; what happened: climc server-event {name}"))
            }
            GuestStatus::Rescue => commands(&["rescue-show", "stop-rescue"]),
            GuestStatus::CreateFailed => commands(&["delete"]),
            GuestStatus::StartFailed => commands(&["start", "stop", "delete"]),
            GuestStatus::StopFailed => commands(&["stop --force", "start", "delete"]),
            GuestStatus::StartRescueFailed => commands(&["start-rescue", "stop-rescue", "start", "stop"]),
            GuestStatus::StopRescueFailed => commands(&["stop-rescue", "start-rescue", "stop"]),
            GuestStatus::DeleteFailed => commands(&["delete"]),
            GuestStatus::Suspended => commands(&["resume", "stop"]),
            GuestStatus::SuspendFailed | GuestStatus::ResumeFailed => commands(&["syncstatus", "resume", "stop"]),
            GuestStatus::ChangeConfigFailed
            | GuestStatus::AttachDiskFailed
            | GuestStatus::DetachDiskFailed
            | GuestStatus::DiskResizeFailed
            | GuestStatus::SnapshotFailed
            | GuestStatus::DiskResetFailed => commands(&["syncstatus", "delete"]),
            GuestStatus::Creating
            | GuestStatus::Starting
            | GuestStatus::Stopping
            | GuestStatus::Restarting
            | GuestStatus::Suspending
            | GuestStatus::Resuming
            | GuestStatus::ChangeConfig
            | GuestStatus::AttachDisk
            | GuestStatus::DetachDisk
            | GuestStatus::DiskResize
            | GuestStatus::Snapshot
            | GuestStatus::SnapshotDelete
            | GuestStatus::DiskReset
            | GuestStatus::StartRescue
            | GuestStatus::StopRescue
            | GuestStatus::Deleting => commands(&["show", "tasks"]),
        }
    }
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
