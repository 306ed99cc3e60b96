//! The floor: the QEMU that the agent started, once more, without the agent. The same program with the same command line, but for the
//! folders of the guest's files, is started, and its rescue port is read until the proof, which is checked as the agent checks it; no
//! ledger, no report, no control socket, no second look at digests.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use types::id::GuestId;
use types::rescue::{BootSecrets, Frame, verify};

use crate::agent::Agent;
use crate::process::Watched;

const LIMIT: Duration = Duration::from_secs(300);

/// A rescue that can be repeated.
pub struct Bare {
    folder: tempfile::TempDir,
    program: PathBuf,
    arguments: Vec<String>,
    secrets: BootSecrets,
}

impl Bare {
    /// Takes a copy of everything that a guest in rescue was started with, while it runs.
    ///
    /// # Errors
    /// It does not run.
    pub async fn copy(agent: &Agent, guest: GuestId, program: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("lb-").tempdir_in(crate::agent::disk_folder())?;
        let (own, runtime) = (agent.guest_folder(guest), agent.runtime(guest));
        let (files, sockets) = (folder.path().join("guest"), folder.path().join("run"));
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let moved =
            |argument: String| argument.replace(&text(&own), &text(&files)).replace(&text(&runtime), &text(&sockets));
        let arguments: Vec<_> = agent.qemu(guest).await?.arguments()?.into_iter().map(moved).collect();
        for name in ["disks", "rescue"] {
            copy_files(&own.join(name), &files.join(name))?;
        }
        let secrets = std::fs::read(files.join("rescue/secrets.json")).context("the session's secrets")?;
        let secrets = serde_json::from_slice(&secrets)?;
        Ok(Self { folder, program: program.to_owned(), arguments, secrets })
    }

    /// From the start of QEMU until the proof; QEMU is ended then. Blocks.
    ///
    /// # Errors
    /// With what QEMU said.
    pub async fn rescue(&self) -> anyhow::Result<Duration> {
        let sockets = self.folder.path().join("run");
        let _ = std::fs::remove_dir_all(&sockets);
        std::fs::create_dir(&sockets)?;
        let _ = std::fs::remove_file(self.folder.path().join("guest/serial.log"));
        let (begun, mut command) = (Instant::now(), Command::new(&self.program));
        let output = command.args(&self.arguments).stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "QEMU: {}", String::from_utf8_lossy(&output.stderr));
        let proven = self.await_proof();
        let took = begun.elapsed();
        // A QEMU that has ended has taken its pid file along; why is in what was waited for.
        if let Ok(pid) = std::fs::read_to_string(self.folder.path().join("guest/qemu.pid")) {
            Watched(pid.trim().parse()?).kill().await?;
        }
        proven.map(|()| took)
    }

    fn await_proof(&self) -> anyhow::Result<()> {
        let port = self.arguments.iter().find_map(|argument| {
            let rest = argument.strip_prefix("socket,id=rescue,path=")?;
            rest.split(',').next()
        });
        let port = UnixStream::connect(port.context("the command line names the rescue system's port")?)?;
        port.set_read_timeout(Some(LIMIT))?;
        for line in BufReader::new(port).lines() {
            if let Ok(Frame::Ready { payload, mac }) = serde_json::from_str(&line?) {
                verify(&self.secrets, &payload, &mac)?;
                return Ok(());
            }
        }
        bail!("QEMU ended before the rescue system was ready")
    }
}

fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        std::fs::copy(&path, to.join(path.file_name().context("a file has a name")?))?;
    }
    Ok(())
}
