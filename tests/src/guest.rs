//! Servers of a story: made from the tiny guest's disk, broken from outside, watched on their console.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::rescue::{RescueSession, RescueSessions};
use api::server::{DiskCreate, NetCreate, Server, ServerCreate, Servers};
use api::task::TaskState;
use lifeboat::screen::Screen;
use sha2::{Digest, Sha256};
use types::desc::PortForward;
use types::rescue::hex;
use types::{GuestId, TaskId};

use crate::Stack;

/// The tiny guest boots in ten seconds where nothing else runs.
pub const BOOT: Duration = Duration::from_secs(300);
/// A task with a boot of the rescue system in it.
const TASK: Duration = Duration::from_secs(400);

/// One server of a stack.
pub struct Guest<'a> {
    stack: &'a Stack,
    pub id: GuestId,
    pub name: String,
    /// On loopback, leads to its port 22.
    pub ssh_port: u16,
    pub screen: Screen,
}

impl<'a> Guest<'a> {
    /// A new server that has booted.
    ///
    /// # Errors
    /// It was not made, or does not boot.
    pub async fn boot(stack: &'a Stack, name: &str) -> Result<Self> {
        let mut guest = Self::made(stack, name, true).await?;
        guest.boots().await?;
        Ok(guest)
    }

    /// A new server that is off.
    ///
    /// # Errors
    /// It was not made.
    pub async fn off(stack: &'a Stack, name: &str) -> Result<Self> {
        Self::made(stack, name, false).await
    }

    async fn made(stack: &'a Stack, name: &str, auto_start: bool) -> Result<Self> {
        let ssh_port = lifeboat::stack::free_port()?;
        let forwards = vec![PortForward { host_port: ssh_port, guest_port: 22 }];
        let disk = DiskCreate { image: Some("tiny.qcow2".into()), ..DiskCreate::default() };
        let wanted = ServerCreate {
            vmem_size: 256,
            nets: vec![NetCreate { forwards, ..NetCreate::default() }],
            auto_start,
            ..ServerCreate::new(name, vec![disk])
        };
        let created = stack.client.create::<Servers>(&wanted).await?;
        let id = created.resource.id;
        let guest =
            Self { stack, id, name: name.to_owned(), ssh_port, screen: Screen::follow(stack.client.clone(), name) };
        wait_task(stack, created.task.context("creating a server is a task")?.id).await?;
        Ok(guest)
    }

    /// Waits for the login prompt of the server's own system.
    ///
    /// # Errors
    /// It does not come: with what the console shows.
    pub async fn boots(&mut self) -> Result<()> {
        self.screen.until(&["login:"], BOOT).await.map(drop)
    }

    /// # Errors
    /// Region does not answer.
    pub async fn view(&self) -> Result<Server> {
        Ok(self.stack.client.get::<Servers>(&self.name).await?)
    }

    /// The session it is in.
    ///
    /// # Errors
    /// It is in none.
    pub async fn session(&self) -> Result<RescueSession> {
        let id = self.view().await?.rescue_session_id.context("no rescue session")?;
        Ok(self.stack.client.get::<RescueSessions>(&id.to_string()).await?)
    }

    /// Breaks its disk while it is off, as `tests/guests/break.sh` knows how.
    ///
    /// # Errors
    /// With what the script said.
    pub async fn break_disk(&self, how: &str) -> Result<()> {
        let disk = self.view().await?.disks.first().context("a disk")?.id;
        let disk = lifeboat::stack::disk_file(&self.stack.state, self.id, disk)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/break.sh");
        let ran = tokio::process::Command::new(&script).arg(how).arg(&disk).output().await?;
        if !ran.status.success() {
            bail!("{}: {}", script.display(), String::from_utf8_lossy(&ran.stderr));
        }
        Ok(())
    }

    /// The digest of its description, as it lies on its host.
    ///
    /// # Errors
    /// It is not there.
    pub fn desc_sha256(&self) -> Result<String> {
        let desc = self.folder().join("desc");
        let text = std::fs::read(&desc).with_context(|| desc.display().to_string())?;
        Ok(hex(&Sha256::digest(text)))
    }

    /// Its folder on its host.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.stack.state.path("host/servers").join(self.id.to_string())
    }
}

/// # Errors
/// The task failed, with its cause, or does not end.
pub async fn wait_task(stack: &Stack, id: TaskId) -> Result<()> {
    let task =
        tokio::time::timeout(TASK, stack.client.wait_task(id, |_| ())).await.context("the task does not end")??;
    if task.state != TaskState::Succeeded {
        bail!("{} {}: {}\n{}", task.task_name, task.state, task.cause.unwrap_or_default(), task.evidence.join("\n"));
    }
    Ok(())
}
