//! Servers: `server-*`. Here: those that exist from the first to the last day of a server, and its rescue; the others by ability: [`power`],
//! [`words`], [`hardware`], [`snapshot`]. [`shown`]: what a server looks like when printed.

mod hardware;
mod power;
mod rescue;
mod shown;
mod snapshot;
mod vnc;
mod words;

use api::event::Events;
use api::server::{Servers, Start, StartRescue, Stop, StopRescue};
use api::task::Tasks;
use api::{Action, ListQuery};
use clap::Subcommand;

use super::{Page, create, list, of, refuse, show};
use crate::batch::{self, Cx, Many, Verb, Wait};
use crate::console;
use crate::exit::Exit;

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
    /// Open a server's serial console; Ctrl-] leaves it
    #[command(after_help = console::HELP)]
    ServerConsole(console::Args),
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
        Command::ServerConsole(args) => console::run(&cx.client, &args).await,
        Command::ServerVnc(args) => vnc::run(&cx.client, &args).await,
        Command::ServerTasks { id, page } => list::<Tasks>(cx, &of("server", &id, page.into())).await,
        Command::ServerEvent { id, page } => list::<Events>(cx, &of("server", &id, page.into())).await,
    }
}

async fn perform<A: Action<On = Servers> + clap::Args>(cx: &Cx, verb: Verb<A>) -> Result<(), Exit> {
    verb.action.check().map_err(|e| refuse(&e))?;
    batch::perform(cx, &verb.many, &verb.action, &verb.wait).await
}
