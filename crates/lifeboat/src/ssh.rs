//! Into a rescue system by ssh, with the host key that its proof published: never "trust on first use".

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::time::timeout;

/// For one command: an emulated machine on a loaded one takes its time over the key exchange.
const LIMIT: Duration = Duration::from_secs(120);

/// A key pair of our own.
pub struct Key {
    folder: PathBuf,
}

impl Key {
    /// Makes a new pair in `folder`.
    ///
    /// # Errors
    /// `ssh-keygen` is not there, or fails.
    pub async fn generate(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
        let key = Self { folder: folder.to_owned() };
        for old in [key.private(), key.public_file()] {
            let _ = std::fs::remove_file(old);
        }
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "lifeboat-demo", "-f"])
            .arg(key.private())
            .stdin(Stdio::null())
            .output()
            .await
            .context("ssh-keygen does not run; install openssh-client, or run: make deps")?;
        if !made.status.success() {
            bail!("ssh-keygen: {}", String::from_utf8_lossy(&made.stderr).trim());
        }
        Ok(key)
    }

    /// As one line for `authorized_keys`.
    ///
    /// # Errors
    /// The file is gone.
    pub fn public(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.public_file())?.trim().to_owned())
    }

    pub fn public_file(&self) -> PathBuf {
        self.folder.join("id_ed25519.pub")
    }

    /// What `ssh -i` wants.
    pub fn private(&self) -> PathBuf {
        self.folder.join("id_ed25519")
    }

    /// The way into one rescue system, at a port of loopback. `host_key` is as the session shows it: `ssh-ed25519 AAAA...`.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn login(&self, port: u16, host_key: &str) -> Result<Login> {
        let known_hosts = self.folder.join("known_hosts");
        std::fs::write(&known_hosts, format!("[127.0.0.1]:{port} {}\n", host_key.trim()))?;
        Ok(Login { key: self.private(), known_hosts, port })
    }
}

/// The way into one rescue system.
pub struct Login {
    key: PathBuf,
    known_hosts: PathBuf,
    port: u16,
}

impl Login {
    pub fn known_hosts(&self) -> &Path {
        &self.known_hosts
    }

    /// The words of the command line, for showing and for running.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec!["-i".to_owned(), self.key.display().to_string(), "-p".to_owned(), self.port.to_string()];
        for option in [
            format!("UserKnownHostsFile={}", self.known_hosts.display()),
            "StrictHostKeyChecking=yes".to_owned(),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "BatchMode=yes".to_owned(),
            "ConnectTimeout=30".to_owned(),
            "LogLevel=ERROR".to_owned(),
        ] {
            words.extend(["-o".to_owned(), option]);
        }
        words.push("root@127.0.0.1".to_owned());
        words
    }

    /// Runs a shell command in there; the answer is what it printed.
    ///
    /// # Errors
    /// No way in, or the command failed: with what was printed.
    pub async fn run(&self, command: &str) -> Result<String> {
        let ran = Command::new("ssh")
            .args(["-F", "/dev/null"])
            .args(self.words())
            .arg(command)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let done = timeout(LIMIT, ran)
            .await
            .with_context(|| format!("ssh: no answer within {} s", LIMIT.as_secs()))?
            .context("ssh does not run; install openssh-client, or run: make deps")?;
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        if !done.status.success() {
            bail!("ssh ({}): {}{out}", done.status, String::from_utf8_lossy(&done.stderr));
        }
        Ok(out)
    }
}
