//! On, off, asleep.

use api::server::{Reset, Restart, Resume, Suspend, SyncStatus};
use clap::Subcommand;

use super::perform;
use crate::batch::{Cx, Verb};
use crate::exit::Exit;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// Power servers off, gently unless forced, and boot them again; in rescue: the rescue system
    #[command(after_help = "Examples:\n  climc server-restart web1 --wait\n  climc server-restart web1 --force")]
    ServerRestart(Verb<Restart>),
    /// Press servers' reset button: what is in their memory is lost
    #[command(after_help = "Example:\n  climc server-reset web1 --wait")]
    ServerReset(Verb<Reset>),
    /// Let servers stand still, with all that is in their memory
    #[command(after_help = "Example:\n  climc server-suspend web1 --wait")]
    ServerSuspend(Verb<Suspend>),
    /// Let suspended servers go on
    #[command(after_help = "Example:\n  climc server-resume web1 --wait")]
    ServerResume(Verb<Resume>),
    /// Ask servers' hosts now how they are, and let their status follow
    #[command(after_help = "Example:\n  climc server-syncstatus web1 --wait\n\n\
        It leads out of a status like attach_disk_failed, where nobody knew how far a change came.")]
    ServerSyncstatus(Verb<SyncStatus>),
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::ServerRestart(verb) => perform(cx, verb).await,
        Command::ServerReset(verb) => perform(cx, verb).await,
        Command::ServerSuspend(verb) => perform(cx, verb).await,
        Command::ServerResume(verb) => perform(cx, verb).await,
        Command::ServerSyncstatus(verb) => perform(cx, verb).await,
    }
}
