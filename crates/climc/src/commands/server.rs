//! Servers: `server-*`. Here: those that exist from the first to the last day of a server, and its rescue; the others by ability: [`power`],
//! [`words`], [`hardware`], [`snapshot`]. [`diagnosis`]: what its rescue system finds. [`ssh`], [`vnc`]: ways in. [`shown`]: what a server looks like when printed.

mod diagnosis;
mod hardware;
mod power;
mod repair;
mod rescue;
mod shown;
mod snapshot;
mod ssh;
mod vnc;
mod words;

use api::event::Events;
use api::rescue::Extend;
use api::server::{ConsoleTicket, RescueDiagnose, Servers, Start, StartRescue, Stop, StopRescue, TicketAccess};
use api::task::Tasks;
use api::{Action, ListQuery};
use clap::Subcommand;
use types::status::ConsoleKind;

use super::{Page, create, list, of, refuse, show};
use crate::batch::{self, Cx, Many, QuickVerb, Receipt, Verb, Wait};
use crate::console;
use crate::exit::Exit;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List servers
    #[command(after_help = "Examples:\n  climc server-list --status rescue --status start_rescue_failed\n  \
        climc server-list --search web --output-format json")]
    ServerList(Box<ListQuery>),
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
    #[command(flatten)]
    Power(power::Command),
    #[command(flatten)]
    Words(words::Command),
    #[command(flatten)]
    Hardware(hardware::Command),
    #[command(flatten)]
    Snapshot(snapshot::Command),
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
    /// Give servers in rescue more time, or less
    #[command(after_help = "Example:\n  climc server-rescue-extend web1 --ttl 7200")]
    ServerRescueExtend(QuickVerb<Extend>),
    /// Explain a server's rescue: what happened, at which stage, what was seen, what to do next
    #[command(after_help = "Example:\n  climc server-rescue-explain web1")]
    ServerRescueExplain {
        /// Id or name
        id: String,
    },
    /// Look, from inside the rescue system and read-only, for what keeps servers from booting
    #[command(after_help = "Example:\n  climc server-rescue-diagnose web1 --wait")]
    ServerRescueDiagnose(Verb<RescueDiagnose>),
    /// Repair servers from inside the rescue system, beside their disks; stop-rescue, or auto, commits or discards
    #[command(after_help = "Examples:\n  climc server-rescue-repair web1 --auto --wait\n  \
        climc server-rescue-repair --auto --filter \"name.startswith('web')\" --max-parallel 20 --abort-on-failures 5 --wait\n  \
        climc server-start-rescue web1 --disk-mode overlay --wait\n  \
        climc server-rescue-repair web1 --fix fstab_comment_out --dry-run --wait\n  \
        climc server-rescue-repair web1 --fix fstab_comment_out --wait\n  \
        climc server-stop-rescue web1 --overlay commit --wait\n\n\
        Codes are told by: climc server-rescue-findings web1")]
    ServerRescueRepair(Box<repair::Repair>),
    /// Show what the rescue system found wrong with a server, and what was repaired
    #[command(after_help = "Example:\n  climc server-rescue-findings web1 -o json")]
    ServerRescueFindings {
        /// Id or name
        id: String,
    },
    /// Log in to a server's rescue system by ssh, which checks its published host key
    #[command(name = "server-ssh-rescue", after_help = ssh::HELP)]
    ServerSshRescue(ssh::Args),
    /// Open a server's serial console; Ctrl-] leaves it
    #[command(after_help = console::HELP)]
    ServerConsole(console::Args),
    /// Get a ticket that opens a server's console once, within a minute; for programs that can send no token
    #[command(after_help = "Example:\n  climc server-console-ticket web1 --kind vnc -o json")]
    ServerConsoleTicket {
        /// Id or name
        id: String,
        /// The serial line or the screen
        #[arg(long, default_value = "console", value_parser = ["console", "vnc"])]
        kind: String,
    },
    /// Let VNC viewers see a server's screen, through a port of this machine
    #[command(after_help = vnc::HELP)]
    ServerVnc(vnc::Args),
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
        Command::Power(command) => power::run(cx, command).await,
        Command::Words(command) => words::run(cx, command).await,
        Command::Hardware(command) => hardware::run(cx, command).await,
        Command::Snapshot(command) => snapshot::run(cx, command).await,
        Command::ServerStartRescue(verb) => rescue::start(cx, *verb).await,
        Command::ServerStopRescue(verb) => perform(cx, verb).await,
        Command::ServerRescueShow { id } => super::rescue::of_server(cx, &id).await,
        Command::ServerRescueExtend(verb) => super::rescue::extend_of_servers(cx, verb).await,
        Command::ServerRescueExplain { id } => super::rescue::explain_of_server(cx, &id).await,
        Command::ServerRescueDiagnose(verb) => diagnosis::diagnose(cx, verb).await,
        Command::ServerRescueRepair(asked) => repair::run(cx, *asked).await,
        Command::ServerRescueFindings { id } => diagnosis::findings(cx, &id).await,
        Command::ServerSshRescue(args) => ssh::run(cx, &args).await,
        Command::ServerConsole(args) => console::run(&cx.client, &args).await,
        Command::ServerConsoleTicket { id, kind } => ticket(cx, &id, &kind).await,
        Command::ServerVnc(args) => vnc::run(cx, &args).await,
        Command::ServerTasks { id, page } => list::<Tasks>(cx, &of("server", &id, page.into())).await,
        Command::ServerEvent { id, page } => list::<Events>(cx, &of("server", &id, page.into())).await,
    }
}

async fn perform<A: Action<On = Servers> + clap::Args>(cx: &Cx, verb: Verb<A>) -> Result<(), Exit> {
    verb.action.check().map_err(|e| refuse(&e))?;
    batch::perform(cx, &verb.many, &verb.action, &verb.wait).await
}

async fn ticket(cx: &Cx, id: &str, kind: &str) -> Result<(), Exit> {
    let kind = if kind == "vnc" { ConsoleKind::Vnc } else { ConsoleKind::Console };
    let notes = |access: &TicketAccess| {
        let shown = access.console.as_ref();
        shown
            .map(|ticket| {
                vec![
                    ("ticket (shown once)", ticket.ticket.expose().to_owned()),
                    ("path", ticket.path.expose().to_owned()),
                    ("expires_at", crate::text::time(ticket.expires_at)),
                    ("recording", crate::text::yes_no(ticket.recording)),
                ]
            })
            .unwrap_or_default()
    };
    batch::run::<Servers>(cx, ConsoleTicket::NAME, &[id.to_owned()], 1, &Wait::default(), async |id| {
        Ok(Receipt::accepted(cx.client.perform(id, &ConsoleTicket { kind }).await?, notes))
    })
    .await
}
