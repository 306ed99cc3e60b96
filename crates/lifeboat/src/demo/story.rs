//! The plot: a server boots, breaks, no longer boots, is rescued and repaired, and boots as before.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::rescue::{RescueSession, RescueSessions};
use api::server::{Server, Servers};
use client::Client;
use types::rescue::SeenDisk;
use types::{GuestStatus, PowerState};

use super::fault::{Fault, Way};
use super::teller::{Print, Teller};

use crate::screen::Screen;
use crate::ssh::Key;
use crate::state::State;

/// The server of the story.
pub const SERVER: &str = "web1";
/// A guest boots in half a minute where nothing else runs; a loaded machine takes several times as long.
const BOOT_LIMIT: Duration = Duration::from_secs(420);
/// From one prompt of the serial console to the next.
const PROMPT_LIMIT: Duration = Duration::from_secs(60);
/// Seconds, as an argument.
const STUCK_TIMEOUT_S: &str = "10";
/// A server that has booted asks for a login.
const UP: &[&str] = &["login:"];

/// Who plays.
pub struct Cast<'a> {
    pub teller: &'a Teller,
    pub state: &'a State,
    pub client: Client,
    pub climc: PathBuf,
    /// The script that breaks a disk.
    pub break_sh: PathBuf,
    pub image: String,
    /// MiB.
    pub memory: u32,
    pub key: Key,
    /// On loopback, leads to the server's ssh.
    pub ssh_port: u16,
}

impl Cast<'_> {
    /// A new server, up and running.
    pub async fn create(&self) -> Result<Screen> {
        self.teller.chapter(&format!("{SERVER}: a server of its own disk"));
        let (image, memory) = (format!("image={}", self.image), self.memory.to_string());
        let forward = format!("hostfwd={}:22", self.ssh_port);
        let disk_and_net = ["--disk", &image, "--mem", &memory, "--net", &forward];
        self.climc(&[&["server-create", SERVER], &disk_and_net[..], &["--auto-start", "--wait"]].concat()).await?;
        let mut screen = Screen::follow(self.client.clone(), SERVER);
        self.boots(&mut screen).await?;
        Ok(screen)
    }

    /// One fault, from the break to the repair.
    pub async fn tell(&self, fault: Fault, screen: &mut Screen) -> Result<()> {
        self.teller.chapter(fault.title());
        let before = self.server().await?;
        self.breaks(fault, screen).await?;

        self.teller.chapter(&format!(
            "rescue, and repair over {}",
            match fault.way() {
                Way::Ssh => "ssh",
                Way::Serial => "the serial console",
            }
        ));
        match fault.way() {
            Way::Ssh => self.repair_by_ssh(fault).await?,
            Way::Serial => self.repair_by_console(fault, screen).await?,
        }

        self.teller.chapter("back to its own disk");
        screen.turn_page();
        self.climc(&["server-stop-rescue", SERVER, "--wait"]).await?;
        self.boots(screen).await?;
        let after = self.server().await?;
        if (after.status, after.power_state) != (GuestStatus::Running, PowerState::Running) {
            bail!("{SERVER} boots, but its status is {} and its power state {}", after.status, after.power_state);
        }
        if (&after.disks, &after.nics) != (&before.disks, &before.nics) {
            bail!("{SERVER} came back with other devices than it had");
        }
        self.teller.say(&format!("{SERVER} is {} again, with the disks and networks it had before", after.status));
        Ok(())
    }

    async fn breaks(&self, fault: Fault, screen: &mut Screen) -> Result<()> {
        self.climc(&["server-stop", SERVER, "--wait"]).await?;
        let disk = self.disk().await?;
        let shown = format!("tests/guests/break.sh {} {}", fault.word(), self.short(&disk));
        let script = self.break_sh.display().to_string();
        self.teller
            .run(&shown, "/bin/sh", &[&script, fault.word(), &disk.display().to_string()], &[], Print::All)
            .await?;
        screen.turn_page();
        self.climc(&["server-start", SERVER, "--wait"]).await?;
        let sign = screen.until(fault.signs(), BOOT_LIMIT).await?;
        screen.settle().await;
        self.teller.say(&format!("{SERVER} no longer boots; its console says why:"));
        let mut lines = screen.last_lines(4);
        if !lines.iter().any(|line| line.contains(&sign)) {
            lines.insert(0, sign);
        }
        self.teller.quote(SERVER, &lines);
        Ok(())
    }

    async fn repair_by_ssh(&self, fault: Fault) -> Result<()> {
        let key = self.short(&self.key.public_file());
        self.climc(&["server-start-rescue", SERVER, "--ssh-key", &key, "--stop-timeout", STUCK_TIMEOUT_S, "--wait"])
            .await?;
        self.climc_answer(&["server-rescue-show", SERVER]).await?;
        let session = self.session().await?;
        let host_key = session.ssh_host_key.context("the rescue system published no ssh host key")?;
        let repair = fault.repair(&root_of(&session.disks)?);
        let login = self.key.login(self.ssh_port, &host_key)?;
        self.teller.say(&format!(
            "$ ssh -p {} -o UserKnownHostsFile={} root@127.0.0.1 \"{repair}\"",
            self.ssh_port,
            self.short(login.known_hosts())
        ));
        self.teller.quote("ssh", &login.run(&repair).await?.lines().map(str::to_owned).collect::<Vec<_>>());
        self.teller.say("repaired; the host key was the one that the rescue system's proof had shown");
        Ok(())
    }

    async fn repair_by_console(&self, fault: Fault, screen: &mut Screen) -> Result<()> {
        screen.turn_page();
        // A machine that is stuck in its boot does not listen to the power button.
        let start =
            ["server-start-rescue", SERVER, "--password", "generate", "--stop-timeout", STUCK_TIMEOUT_S, "--wait"];
        let answer = self.climc(&start).await?;
        let password = password_in(&answer).context("climc showed no generated password")?;
        let repair = fault.repair(&root_of(&self.session().await?.disks)?);
        self.teller.say(&format!("$ climc server-console {SERVER}"));
        screen.until(&["login:"], PROMPT_LIMIT).await?;
        screen.type_line("root");
        screen.until(&["assword:"], PROMPT_LIMIT).await?;
        screen.type_line(&password);
        screen.until(&["# "], PROMPT_LIMIT).await.context("the generated password did not open the console")?;
        // The sum is not on the screen before the command has run: the console echoes what is typed.
        screen.type_line(&format!("{repair} && echo mended $((40 + 2))"));
        screen.until(&["mended 42"], PROMPT_LIMIT).await.context("the repair failed")?;
        self.teller.quote("console", &["login: root".into(), format!("# {repair}"), "mended 42".into()]);
        screen.type_line("exit");
        Ok(())
    }

    async fn boots(&self, screen: &mut Screen) -> Result<()> {
        let line =
            screen.until(UP, BOOT_LIMIT).await.with_context(|| format!("{SERVER} does not boot from its own disk"))?;
        self.teller.say(&format!("{SERVER} has booted from its own disk:"));
        self.teller.quote(SERVER, &[line]);
        Ok(())
    }

    /// Runs climc as a user would, and shows what it says of its progress.
    pub async fn climc(&self, args: &[&str]) -> Result<String> {
        self.climc_printing(args, Print::Progress).await
    }

    /// Runs climc and shows its answer too.
    pub async fn climc_answer(&self, args: &[&str]) -> Result<String> {
        self.climc_printing(args, Print::All).await
    }

    async fn climc_printing(&self, args: &[&str], print: Print) -> Result<String> {
        let shown = format!("climc {}", args.join(" "));
        let rc = self.state.path("rc").display().to_string();
        let home = self.state.path("home").display().to_string();
        // The user's own credentials and caches are left alone.
        let env = [("LIFEBOAT_RC", rc.as_str()), ("XDG_CONFIG_HOME", &home), ("XDG_CACHE_HOME", &home)];
        self.teller.run(&shown, &self.climc, args, &env, print).await
    }

    async fn session(&self) -> Result<RescueSession> {
        let session =
            self.server().await?.rescue_session_id.with_context(|| format!("{SERVER} has no rescue session"))?;
        Ok(self.client.get::<RescueSessions>(&session.to_string()).await?)
    }

    /// The file of the server's first disk, on this machine.
    async fn disk(&self) -> Result<PathBuf> {
        let server = self.server().await?;
        let disk = server.disks.first().with_context(|| format!("{SERVER} has no disk"))?;
        crate::stack::disk_file(self.state, server.id, disk.id)
    }

    async fn server(&self) -> Result<Server> {
        Ok(self.client.get::<Servers>(SERVER).await?)
    }

    /// `tests/guests/...` rather than a path from the root.
    fn short(&self, path: &Path) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        path.strip_prefix(here).unwrap_or(path).display().to_string()
    }
}

/// The partition that holds a server's own system: of those with a file system of the ext family, the largest.
///
/// # Errors
/// There is none.
pub fn root_of(disks: &[SeenDisk]) -> Result<String> {
    let parts = disks.iter().flat_map(|disk| &disk.parts).filter(|part| part.filesystem.starts_with("ext"));
    let largest =
        parts.max_by_key(|part| part.size).context("the rescue system sees no ext file system on the disks")?;
    Ok(largest.name.clone())
}

/// The password that climc shows once, in a row of its own.
fn password_in(answer: &str) -> Option<String> {
    let (_, after) = answer.split_once("(shown once)")?;
    after.split(|c: char| c.is_whitespace() || c == ':' || c == '|').find(|word| !word.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_found_in_its_row() {
        let answer = "rescue_session               0198\nrescue_password (shown once)  Abc-123_x\nstatus  rescue\n";
        assert_eq!(password_in(answer).as_deref(), Some("Abc-123_x"));
        assert_eq!(password_in("status  rescue\n"), None);
    }
}
