//! Two network namespaces and what runs in them. One is the test's own, with region and the baremetal agent; a process that does nothing
//! holds the other, in which the host agent is. Both namespaces, and the interfaces that join them, end with their processes: nothing is
//! left behind, however the test ends.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use client::Client;
use lifeboat::board::Board;
use lifeboat::part::Part;
use lifeboat::process::{Process, machines_under};
use lifeboat::rc::Rc;
use lifeboat::settings::Toml;
use lifeboat::stack::{AGENT, AGENT_NAME, HOST, HOST_NAME, REGION};
use lifeboat::state::{State, tail};
use lifeboat::{image, pki, registered, settings};
use rustix::process::Signal;
use serde_json::Value;
use types::Secret;

/// What the interface is called, at either end.
const LINK: &str = "lb0";
const REGION_AT: &str = "10.209.0.1";
const HOST_AT: &str = "10.209.0.2";
/// As /proc/net/tcp writes [`HOST_AT`]: the bytes as a little-endian number.
const HOST_IN_HEX: &str = "0200D10A";
const LIMIT: Duration = Duration::from_secs(60);

/// What happens to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The interfaces go down: who sends is told so at once.
    Down,
    /// Packets vanish: who sends waits for an answer.
    Silent,
}

pub struct Site {
    pub client: Client,
    state: State,
    region_port: u16,
    /// A port of the host's.
    host_port: u16,
    far: Far,
    _parts: Vec<tokio::process::Child>,
    _folder: tempfile::TempDir,
}

/// The other namespace: it lasts as long as the process that reads from us.
struct Far(Child);

impl Far {
    fn open() -> Result<Self> {
        let script = "ip link set lo up && echo open && read -r end";
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("unshare")?;
        let mut said = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut said)?;
        let far = Self(child);
        ensure!(said == "open\n", "a second network namespace can't be made");
        let pid = far.0.id().to_string();
        run(&["ip", "link", "add", LINK, "type", "veth", "peer", "name", LINK, "netns", &pid])?;
        for (address, inside) in [(REGION_AT, None), (HOST_AT, Some(&far))] {
            let address = format!("{address}/30");
            run_in(inside, &["ip", "address", "add", &address, "dev", LINK])?;
            run_in(inside, &["ip", "link", "set", LINK, "up"])?;
        }
        Ok(far)
    }

    /// What a command begins with that is to run there.
    fn enter(&self) -> [String; 2] {
        ["nsenter".into(), format!("--net=/proc/{}/ns/net", self.0.id())]
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Site {
    /// Until host and agent have registered.
    pub async fn start(database: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("lb-").tempdir()?;
        let state = State::at(folder.path())?;
        state.prepare()?;
        let own = std::env::current_exe()?;
        let programs = own.ancestors().nth(2).context("a test lies in target/debug/deps")?.to_owned();
        let target = programs.parent().context("target")?;
        let holders = pki::holders(&[HOST_NAME.to_owned()], &[AGENT_NAME.to_owned()])?;
        pki::ensure(&state.path("pki"), &holders, pki::today())?;
        image::publish(&state, &target.join("rescue-images"))?;
        let qemu = state.path("qemu-system-x86_64");
        let simulated = programs.join("qemu-sim");
        std::fs::copy(&simulated, &qemu).with_context(|| format!("{}: make build", simulated.display()))?;

        let far = Far::open()?;
        let board = Board::new(state.clone());
        let part = |name, program: PathBuf| Part { name, program, state: state.clone(), board: board.clone() };
        let near = SocketAddr::new(REGION_AT.parse()?, 0);
        let mut config = settings::region(&state, SocketAddr::from(([127, 0, 0, 1], 0)), near, database);
        config += "\n[heartbeat]\ninterval_s = 1\nlimit_s = 3\n";
        state.write("config/region.toml", &config, 0o600)?;
        let (region, at) = part(REGION, programs.join(REGION)).start().await?;
        let (base, upcall) = (text(&at, "http")?, text(&at, "grpc")?);
        let password = std::fs::read_to_string(settings::password_file(&state))?;
        let password = Secret::new(password.trim());
        let rc = Rc { auth_url: format!("{base}/v3"), user: settings::ADMIN.to_owned(), password };

        let config = settings::agent(&state, &upcall) + &format!("\n[http]\nlisten = \"{REGION_AT}:0\"\n");
        state.write("config/baremetal-agent.toml", &config, 0o600)?;
        let (agent, _) = part(AGENT, programs.join(AGENT)).start().await?;

        state.write("config/host.toml", &host_config(&state, &upcall, &qemu), 0o600)?;
        let [enter, there] = far.enter();
        let program = state.path("host-there");
        let script = format!("#!/bin/sh\nexec {enter} {there} '{}' \"$@\"\n", programs.join(HOST).display());
        std::fs::write(&program, script)?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700))?;
        let (host, at) = part(HOST, program).start().await?;
        let host_port = port(&text(&at, "grpc")?)?;
        let site = Self {
            client: registered::client(&rc)?,
            state,
            region_port: port(&upcall)?,
            host_port,
            far,
            _parts: vec![host, agent, region],
            _folder: folder,
        };
        registered::wait(&rc, LIMIT).await?;
        Ok(site)
    }

    pub fn cut(&self, cut: Cut) -> Result<()> {
        match cut {
            Cut::Down => self.both(&["ip", "link", "set", LINK, "down"]),
            Cut::Silent => {
                let chain = format!("type filter hook input priority 0; iifname \"{LINK}\" drop");
                self.both(&["nft", &format!("table inet cut {{\nchain input {{\n{chain}\n}}\n}}")])
            }
        }
    }

    pub fn mend(&self, cut: Cut) -> Result<()> {
        match cut {
            Cut::Down => self.both(&["ip", "link", "set", LINK, "up"]),
            Cut::Silent => self.both(&["nft", "flush ruleset"]),
        }
    }

    /// At both ends.
    fn both(&self, command: &[&str]) -> Result<()> {
        run_in(None, command)?;
        run_in(Some(&self.far), command)
    }

    /// The QEMU processes of the host.
    pub fn machines(&self) -> Vec<Process> {
        machines_under(self.state.root())
    }

    /// Lines of the host's log with this message.
    pub fn said(&self, message: &str) -> Vec<Value> {
        self.log(|line| line == message)
    }

    /// Lines of the host's log whose message begins so.
    pub fn said_like(&self, message: &str) -> Vec<Value> {
        self.log(|line| line.starts_with(message))
    }

    fn log(&self, fits: impl Fn(&str) -> bool) -> Vec<Value> {
        let log = std::fs::read_to_string(self.state.log(HOST)).unwrap_or_default();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["message"].as_str().is_some_and(&fits)).collect()
    }

    /// Connections between region's and the host's gRPC that the kernel at region's end takes for alive, of either direction.
    pub fn connections(&self) -> Result<Vec<String>> {
        let table = std::fs::read_to_string("/proc/thread-self/net/tcp")?;
        let (served, called) = (format!(":{:04X}", self.region_port), format!("{HOST_IN_HEX}:{:04X}", self.host_port));
        let between = |line: &&str| {
            let mut words = line.split_ascii_whitespace().skip(1);
            let (local, remote, state) = (words.next(), words.next(), words.next());
            let ours =
                local.is_some_and(|it| it.ends_with(&served)) && remote.is_some_and(|it| it.starts_with(HOST_IN_HEX));
            state == Some(ESTABLISHED) && (ours || remote == Some(called.as_str()))
        };
        Ok(table.lines().filter(between).map(str::to_owned).collect())
    }
}

/// tcp_states.h of the kernel.
const ESTABLISHED: &str = "01";

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for part in [REGION, AGENT, HOST] {
                tail(&self.state.log(part), 40).iter().for_each(|line| eprintln!("{part} | {line}"));
            }
        }
        // Guests outlive their agent.
        for machine in self.machines() {
            machine.signal(Signal::KILL);
        }
    }
}

fn host_config(state: &State, region: &str, qemu: &std::path::Path) -> String {
    Toml::default()
        .text("name", HOST_NAME)
        .path("workspace", &state.path("host"))
        .path("runtime_dir", &state.path("host/run"))
        .text("listen", &format!("{HOST_AT}:0"))
        .paths("trusted_keys", &[&image::trusted_key(state)])
        .text("accel", "tcg")
        .text("scope", "none")
        .table("region")
        .text("endpoint", region)
        .table("qemu")
        .paths("binaries", &[qemu])
        .text("user", "none")
        .table("log")
        .text("format", "json")
        .tls(&pki::files(&state.path("pki"), HOST_NAME))
        .finish()
}

fn text(ready: &Value, key: &str) -> Result<String> {
    ready[key].as_str().map(str::to_owned).with_context(|| format!("{key} in {ready}"))
}

fn port(url: &str) -> Result<u16> {
    url.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok()).with_context(|| url.to_owned())
}

fn run_in(far: Option<&Far>, command: &[&str]) -> Result<()> {
    let enter = far.map(Far::enter);
    let all: Vec<&str> = enter.iter().flatten().map(String::as_str).chain(command.iter().copied()).collect();
    run(&all)
}

fn run(command: &[&str]) -> Result<()> {
    let output = Command::new(command[0]).args(&command[1..]).output().with_context(|| command.join(" "))?;
    ensure!(output.status.success(), "{}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(())
}
