//! The parts together: database, region, baremetal agent, host, started in this order and ended in the opposite one.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service::files::read_secret;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use types::id::DiskId;
use types::{GuestId, Secret};

use crate::board::{Board, SUPERVISOR};
use crate::database::Database;
use crate::part::Part;
use crate::pki;
use crate::process::machines_under;
use crate::rc::Rc;
use crate::settings;
use crate::state::{Lock, State};

pub const REGION: &str = "region";
pub const HOST: &str = "host";
pub const AGENT: &str = "baremetal-agent";
/// The one host and the one agent of a stack.
pub const HOST_NAME: &str = "host1";
pub const AGENT_NAME: &str = "agent1";
/// Where REST serves if nothing else is wanted and the port is free.
const LISTEN: &str = "127.0.0.1:8774";
/// Until host and agent have registered, once all parts serve.
const REGISTERED_LIMIT: Duration = Duration::from_secs(60);

#[derive(Args, Clone)]
pub struct Options {
    /// Where REST serves. Default: as last time, else 127.0.0.1:8774, else any free port
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// The folder of guest images that `server-create --disk` names. Default: guests, beside the folder of the programs
    #[arg(long, env = "LIFEBOAT_GUESTS")]
    pub guests: Option<PathBuf>,
    /// The folder of signed rescue images to serve, with the public key. Default: rescue-images, beside the folder of the programs
    #[arg(long, env = "LIFEBOAT_RESCUE_IMAGES")]
    pub rescue_images: Option<PathBuf>,
    /// A Postgres to use instead of a private one; better set as a variable, because it may hold a password
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// How guests are run
    #[arg(long, default_value = "auto", value_parser = ["auto", "kvm", "tcg"])]
    pub accel: String,
}

impl Options {
    /// The same options for another process of ours, but for `database_url`, which is for the environment.
    pub fn as_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--accel".into(), self.accel.clone().into()];
        let mut add = |name: &str, value: OsString| args.extend([name.into(), value]);
        if let Some(listen) = self.listen {
            add("--listen", listen.to_string().into());
        }
        if let Some(folder) = &self.guests {
            add("--guests", folder.into());
        }
        if let Some(folder) = &self.rescue_images {
            add("--rescue-images", folder.into());
        }
        args
    }

    fn folder(wanted: Option<&PathBuf>, name: &str) -> Result<PathBuf> {
        match wanted {
            Some(folder) => Ok(std::path::absolute(folder)?),
            None => Ok(programs()?.parent().unwrap_or(Path::new("/")).join(name)),
        }
    }
}

/// The folder of our own executable, where the parts' programs are too.
pub fn programs() -> Result<PathBuf> {
    let own = std::env::current_exe().context("can't tell where this program is")?;
    Ok(own.parent().unwrap_or(Path::new("/")).to_owned())
}

/// What stays the same over restarts: addresses, because others know them.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    http: Option<SocketAddr>,
    grpc: Option<SocketAddr>,
    guests: Option<PathBuf>,
}

const KEPT: &str = "stack.json";

/// The folder of guest images of the stack that was started last.
pub fn guests(state: &State) -> Option<PathBuf> {
    state.read::<Kept>(KEPT).ok()??.guests
}

/// A stack that runs.
pub struct Stack {
    pub board: Board,
    keepers: Vec<Keeper>,
    database: Database,
    _lock: Lock,
}

struct Keeper {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Stack {
    /// Starts everything and waits until a rescue could begin: host and agent are known to region.
    ///
    /// `say` gets a line for each step.
    ///
    /// # Errors
    /// Which part failed, its log's place and last lines. What had started is ended again.
    pub async fn start(state: &State, options: &Options, say: &(dyn Fn(&str) + Sync)) -> Result<Self> {
        state.prepare()?;
        let Some(lock) = state.lock()? else {
            bail!("another stack runs in {}; end it with: lifeboat down", state.root().display());
        };
        sweep(state).await?;
        let board = Board::new(state.clone());
        let guests = Options::folder(options.guests.as_ref(), "guests")?;
        let rescue_images = Options::folder(options.rescue_images.as_ref(), "rescue-images")?;

        let holders = pki::holders(&[HOST_NAME.to_owned()], &[AGENT_NAME.to_owned()])?;
        pki::ensure(&state.path("pki"), &holders, pki::today())?;
        crate::image::publish(state, &rescue_images)?;
        say("certificates and the signed rescue image are in place");

        let database = Database::start(state, &board, options.database_url.as_deref()).await?;
        say(&format!("database: {}", database.place()));
        let mut stack = Self { board, keepers: Vec::new(), database, _lock: lock };
        if let Err(error) = stack.start_parts(state, &guests, options, say).await {
            stack.stop().await;
            return Err(error);
        }
        Ok(stack)
    }

    async fn start_parts(
        &mut self,
        state: &State,
        guests: &Path,
        options: &Options,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<()> {
        let last: Kept = state.read(KEPT)?.unwrap_or_default();
        let http = choose(wished(options.listen, last.http));
        let grpc = choose(last.grpc);
        let url = self.database.url().to_owned();
        state.write("config/region.toml", &settings::region(state, http, grpc, &url), 0o600)?;
        let ready = self.start_part(state, REGION).await?;
        let (base, upcall) = (address(&ready, "http")?, address(&ready, "grpc")?);
        // From now on region may die and come back: at the same addresses, because the others know them.
        let (http, grpc) = (socket(&base)?, socket(&upcall)?);
        let kept = Kept { http: Some(http), grpc: Some(grpc), guests: Some(guests.to_owned()) };
        state.write(KEPT, &serde_json::to_string_pretty(&kept)?, 0o644)?;
        state.write("config/region.toml", &settings::region(state, http, grpc, &url), 0o600)?;
        say(&format!("region: {base}"));

        let password = read_secret(&settings::password_file(state))?;
        let rc =
            Rc { auth_url: format!("{base}/v3"), user: settings::ADMIN.to_owned(), password: Secret::new(password) };
        rc.write(state)?;

        state.write("config/baremetal-agent.toml", &settings::agent(state, &upcall), 0o600)?;
        let ready = self.start_part(state, AGENT).await?;
        say(&format!("baremetal-agent: {}, TFTP {}", address(&ready, "http")?, address(&ready, "tftp")?));

        state.write("config/host.toml", &settings::host(state, &upcall, guests, &options.accel), 0o600)?;
        let ready = self.start_part(state, HOST).await?;
        say(&format!("host: {}", address(&ready, "grpc")?));

        crate::registered::wait(&rc, REGISTERED_LIMIT)
            .await
            .with_context(|| format!("look into {} and {}", state.log(HOST).display(), state.log(AGENT).display()))?;
        say("host and agent are registered");
        Ok(())
    }

    async fn start_part(&mut self, state: &State, name: &'static str) -> Result<Value> {
        let part = Part { name, program: programs()?.join(name), state: state.clone(), board: self.board.clone() };
        let (child, ready) = part.start().await?;
        let stop = CancellationToken::new();
        self.keepers.push(Keeper { stop: stop.clone(), task: tokio::spawn(part.keep(child, stop)) });
        Ok(ready)
    }

    /// Ends the parts, the last started first. Guests run on.
    pub async fn stop(mut self) {
        while let Some(keeper) = self.keepers.pop() {
            keeper.stop.cancel();
            let _ = keeper.task.await;
        }
        self.database.stop(&self.board).await;
        self.board.forget(SUPERVISOR);
    }
}

/// Where REST may serve, best first. Port 0: anywhere, but where it was before if it can.
fn wished(wanted: Option<SocketAddr>, last: Option<SocketAddr>) -> Vec<SocketAddr> {
    let (exact, any) = match wanted {
        Some(address) if address.port() == 0 => (None, Some(address)),
        Some(address) => (Some(address), None),
        None => (None, LISTEN.parse().ok()),
    };
    [exact, last, any].into_iter().flatten().collect()
}

/// The first of the wished addresses that is free, else any port of loopback.
fn choose(wished: impl IntoIterator<Item = SocketAddr>) -> SocketAddr {
    wished
        .into_iter()
        .find(|address| TcpListener::bind(address).is_ok())
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// A port of loopback that is free at the moment.
///
/// # Errors
/// None is.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn address(ready: &Value, key: &str) -> Result<String> {
    let found = ready.get(key).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("a ready file lacks '{key}': {ready}"))
}

fn socket(url: &str) -> Result<SocketAddr> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.trim_end_matches('/').parse().with_context(|| format!("'{url}' holds no address and port"))
}

/// The file of a server's disk, on this machine.
///
/// # Errors
/// The host has no such file.
pub fn disk_file(state: &State, server: GuestId, disk: DiskId) -> Result<PathBuf> {
    let folder = state.path("host/servers").join(server.to_string());
    let mut folders = vec![folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("can't read {}", folder.display()))?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if entry.file_name().to_string_lossy().starts_with(&disk.to_string()) {
                return Ok(path);
            }
        }
    }
    bail!("no file of disk {disk} beneath {}", folder.display())
}

/// Ends what a supervisor that was killed has left behind: its parts, known by pid and start time.
///
/// # Errors
/// One of them would not end.
pub async fn sweep(state: &State) -> Result<()> {
    let rows = Board::last(state)?;
    // Those that report first, then whom they report to.
    for name in [HOST, AGENT, REGION] {
        let Some(process) = rows.get(name).and_then(|row| row.process).filter(|process| process.is_alive()) else {
            continue;
        };
        eprintln!("ending {name}, pid {}, left over from before", process.pid);
        if !process.end(Duration::from_secs(20)).await {
            bail!("{name}, pid {}, does not end", process.pid);
        }
    }
    Database::sweep(state).await?;
    let _ = std::fs::remove_file(state.path(crate::board::FILE));
    Ok(())
}

/// Ends the guests of a stack: as their owner would, through the API, and without it by asking QEMU to quit.
///
/// # Errors
/// A QEMU process would not end.
pub async fn end_guests(state: &State) -> Result<()> {
    if machines_under(state.root()).is_empty() {
        return Ok(());
    }
    crate::registered::power_off_all(state).await;
    for machine in machines_under(state.root()) {
        if !machine.end(Duration::from_secs(10)).await {
            bail!("QEMU, pid {}, does not end", machine.pid);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_serves_where_it_is_told_else_where_it_was() {
        let at = |text: &str| Some(text.parse::<SocketAddr>().unwrap());
        let (told, any, last) = (at("127.0.0.1:80"), at("127.0.0.1:0"), at("127.0.0.1:99"));
        let first = |wanted, last| wished(wanted, last).into_iter().next();
        assert_eq!(first(told, last), told);
        assert_eq!(first(any, last), last);
        assert_eq!(first(any, None), any);
        assert_eq!(first(None, last), last);
        assert_eq!(first(None, None), at(LISTEN));
    }

    #[test]
    fn an_address_that_is_taken_is_passed_over() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        assert_eq!(choose(taken.local_addr().ok()).port(), 0);
    }
}
