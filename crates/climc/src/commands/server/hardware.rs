//! What servers are made of.

use api::server::{
    AttachDisk, AttachNetwork, ChangeConfig, DetachDisk, DetachNetwork, EjectIso, InsertIso, ResizeDisk,
};
use clap::Subcommand;

use super::perform;
use crate::batch::{self, Cx, Many, Verb, Wait};
use crate::commands::spec::Net;
use crate::exit::Exit;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// Give servers other processors or memory (while they are off), another screen or QEMU
    #[command(after_help = "Examples:\n  climc server-change-config web1 --ncpu 4 --mem 2048 --wait\n  \
        climc server-change-config web1 --vnc true")]
    ServerChangeConfig(Verb<ChangeConfig>),
    /// Give a server a detached disk, or a new one
    #[command(after_help = "Examples:\n  climc server-attach-disk web1 --disk-id 9f3a... --wait\n  \
        climc server-attach-disk web1 --size 10240 --wait\n\nDetached disks: climc disk-list --status ready")]
    ServerAttachDisk(Verb<AttachDisk>),
    /// Take a disk from a server; what is on it stays
    #[command(after_help = "Example:\n  climc server-detach-disk web1 --disk-id 9f3a... --wait")]
    ServerDetachDisk(Verb<DetachDisk>),
    /// Make one of a server's disks larger
    #[command(after_help = "Example:\n  climc server-resize-disk web1 --disk-id 9f3a... --size 20480 --wait")]
    ServerResizeDisk(Verb<ResizeDisk>),
    /// Give servers another network card
    #[command(after_help = "Example:\n  climc server-attach-network web1 --net hostfwd=8080:80 --wait")]
    ServerAttachNetwork(Attach),
    /// Take a network card from servers
    #[command(after_help = "Example:\n  climc server-detach-network web1 --index 1 --wait")]
    ServerDetachNetwork(Verb<DetachNetwork>),
    /// Put an ISO image into servers' drive
    #[command(after_help = "Example:\n  climc server-insert-iso web1 --iso debian.iso --wait")]
    ServerInsertIso(Verb<InsertIso>),
    /// Take the ISO image out of servers' drive
    #[command(after_help = "Example:\n  climc server-eject-iso web1 --wait")]
    ServerEjectIso(Verb<EjectIso>),
}

#[derive(Debug, clap::Args)]
pub struct Attach {
    #[command(flatten)]
    many: Many,
    /// hostfwd=HOSTPORT:GUESTPORT,model=virtio|e1000,mac=MAC; `user` alone for the defaults
    #[arg(long, value_name = "SPEC", default_value = "user")]
    net: Net,
    #[command(flatten)]
    wait: Wait,
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::ServerChangeConfig(verb) => perform(cx, verb).await,
        Command::ServerAttachDisk(verb) => perform(cx, verb).await,
        Command::ServerDetachDisk(verb) => perform(cx, verb).await,
        Command::ServerResizeDisk(verb) => perform(cx, verb).await,
        Command::ServerAttachNetwork(args) => {
            let net = args.net.0;
            let action = AttachNetwork { mac: net.mac, model: net.model, forwards: net.forwards };
            batch::perform(cx, &args.many, &action, &args.wait).await
        }
        Command::ServerDetachNetwork(verb) => perform(cx, verb).await,
        Command::ServerInsertIso(verb) => perform(cx, verb).await,
        Command::ServerEjectIso(verb) => perform(cx, verb).await,
    }
}
