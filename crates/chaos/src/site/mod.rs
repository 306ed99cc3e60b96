//! Everything that is broken, in namespaces and a folder of its own.
//!
//! ```text
//!   us ── REST ──> door ──┬─> region-a ──┐
//!   hosts, agents ─ gRPC ─┴─> region-b ──┴─> Postgres, on its own disk
//!   host `real`   real QEMU       ┐ each in its own network namespace, on its own disk;
//!   host `sim`    simulated QEMU  ┘ HTTP through a relay to agent-a, agent-b
//!   simulated hosts, in this process
//! ```
//!
//! [`program`] is one process, [`network`] and [`relay`] are what joins them, [`disk`], [`clock`] and [`postgres`] speak for themselves.

pub mod clock;
pub mod disk;
pub mod network;
pub mod postgres;
pub mod program;
pub mod relay;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use client::{Client, ClientOptions, Credentials};
use host_sim::{SimHandle, SimHost, SimOptions};
use lifeboat::settings::Toml;
use lifeboat::ssh::Key;
use lifeboat::state::State;
use lifeboat::{image, pki, settings};
use service::tls::TlsConfig;
use tokio::sync::Mutex;
use types::Secret;

use crate::options::Options;
use crate::sql;
use disk::Disk;
use network::{HUB, Network};
use postgres::Postgres;
use program::Program;
use relay::Relay;

/// Where the door is: REST, and what hosts and agents call.
const REST: u16 = 8774;
const UPCALL: u16 = 8775;
const REGIONS: [&str; 2] = ["region-a", "region-b"];
const AGENTS: [&str; 2] = ["agent-a", "agent-b"];
/// What a host's disk holds: the disks of its servers, and boot files.
const DISK_MIB: usize = 1024;
const REGISTERED: Duration = Duration::from_secs(90);

/// A host that is a process, with what it stands on.
pub struct Node {
    pub name: &'static str,
    /// Its QEMU is the real one.
    pub real: bool,
    pub agent: Program,
    pub network: Network,
    pub disk: Disk,
    pub workspace: PathBuf,
    /// Held by the fault that is at work on it.
    pub busy: Mutex<()>,
}

/// A program that may be broken by one fault at a time.
pub struct Part {
    pub program: Program,
    pub busy: Mutex<()>,
}

pub struct Site {
    pub state: State,
    pub postgres: Postgres,
    pub postgres_busy: Mutex<()>,
    pub regions: Vec<Part>,
    pub agents: Vec<Part>,
    /// The way to each agent's HTTP.
    pub ways: Vec<Relay>,
    pub doors: Vec<Relay>,
    pub doors_busy: Mutex<()>,
    pub nodes: Vec<Node>,
    pub simulated: Vec<(SimHandle, Mutex<()>)>,
    pub client: Client,
    pub key: Key,
    /// Clocks can jump here.
    pub clocks: bool,
    /// What a simulated QEMU reads its orders from.
    pub orders: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

fn at(address: &str, port: u16) -> Result<SocketAddr> {
    Ok(SocketAddr::new(address.parse()?, port))
}

impl Site {
    /// Until all hosts and agents have registered.
    ///
    /// # Errors
    /// Which part does not come up, and why.
    pub async fn start(options: &Options) -> Result<Self> {
        service::install_crypto();
        let (bin, target) = (options.bin()?, options.target()?);
        // Short, for unix sockets beneath it; Postgres, which runs as another user, must get through.
        let mut builder = tempfile::Builder::new();
        let folder = builder.prefix("lc-").permissions(std::fs::Permissions::from_mode(0o711)).tempdir()?;
        let state = State::at(folder.path())?;
        state.prepare()?;
        network::prepare()?;

        let sims: Vec<String> = (1..=options.hosts).map(|n| format!("host{n}")).collect();
        let nodes = ["real", "sim"];
        let hosts: Vec<String> = nodes.iter().map(|&name| name.to_owned()).chain(sims.iter().cloned()).collect();
        let holders = pki::holders(&hosts, &AGENTS.map(str::to_owned))?;
        pki::ensure(&state.path("pki"), &holders, pki::today())?;
        image::publish(&state, &target.join("rescue-images"))?;
        let key = Key::generate(&state.path("ssh")).await?;
        let library = clock::library();
        let variables = |name: &str| match &library {
            Some(library) => clock::variables(&state, name, library),
            None => Ok(Vec::new()),
        };

        let postgres = Postgres::start(&state).await?;
        let mut regions = Vec::new();
        for (n, name) in REGIONS.into_iter().enumerate() {
            let config = region_config(&state, n, &postgres.url)?;
            state.write(&format!("config/{name}.toml"), &config, 0o600)?;
            let program = Program::new(name, &state, &[], bin.join("region")).with(variables(name)?);
            program.ready().await?;
            regions.push(Part { program, busy: Mutex::default() });
        }
        let mut doors = Vec::new();
        for (address, port, first) in [("127.0.0.1", REST, 8001), ("0.0.0.0", UPCALL, 8101)] {
            let to = (0..2).map(|n| at("127.0.0.1", first + n)).collect::<Result<_>>()?;
            doors.push(Relay::open(at(address, port)?, to).await?);
        }
        let (mut agents, mut ways) = (Vec::new(), Vec::new());
        for (n, name) in (0..).zip(AGENTS) {
            state.write(&format!("config/{name}.toml"), &agent_config(&state, name, n), 0o600)?;
            ways.push(Relay::open(at(HUB, 8301 + n)?, vec![at("127.0.0.1", 8201 + n)?]).await?);
            let program = Program::new(name, &state, &[], bin.join("baremetal-agent")).with(variables(name)?);
            program.ready().await?;
            agents.push(Part { program, busy: Mutex::default() });
        }

        let simulated_qemu = state.path("qemu-system-x86_64");
        std::fs::copy(bin.join("qemu-sim"), &simulated_qemu).context("qemu-sim: make build")?;
        let mut site_nodes = Vec::new();
        for (n, name) in nodes.into_iter().enumerate() {
            let network = Network::open(n + 1)?;
            let workspace = state.path(name);
            let disk = Disk::mount(&workspace, DISK_MIB)?;
            let qemu = (name == "sim").then_some(simulated_qemu.as_path());
            let config = host_config(&state, name, &network.address, &target.join("guests"), qemu);
            state.write(&format!("config/{name}.toml"), &config, 0o600)?;
            let agent = Program::new(name, &state, &network.enter(), bin.join("host")).with(variables(name)?);
            agent.ready().await?;
            let busy = Mutex::default();
            site_nodes.push(Node { name, real: qemu.is_none(), agent, network, disk, workspace, busy });
        }
        let mut simulated = Vec::new();
        for name in &sims {
            let files = pki::files(&state.path("pki"), name);
            let mut options = SimOptions::new(name.as_str()).region(format!("https://127.0.0.1:{UPCALL}"));
            options.tls = Some(TlsConfig { ca: files.ca, cert: files.cert, key: files.key });
            options.memory_mib = 1 << 20;
            options.cpus = 1 << 10;
            options.retry = Duration::from_millis(500);
            simulated.push((SimHost::start(options).await?, Mutex::default()));
        }
        let client = client(&state)?;
        let site = Self {
            orders: state.path("qemu-system-x86_64.orders"),
            client,
            state,
            postgres,
            postgres_busy: Mutex::default(),
            regions,
            agents,
            ways,
            doors,
            doors_busy: Mutex::default(),
            nodes: site_nodes,
            simulated,
            key,
            clocks: library.is_some(),
            _folder: Some(folder),
        };
        site.all_online(REGISTERED).await.context("not all hosts and agents registered")?;
        Ok(site)
    }

    /// Until region has heard all hosts and agents lately.
    ///
    /// # Errors
    /// Who is missing.
    pub async fn all_online(&self, limit: Duration) -> Result<()> {
        let wanted = self.nodes.len() + self.simulated.len() + self.agents.len();
        let heard = "select name from hosts where last_heartbeat > now() - interval '4 seconds' \
                     union all select name from baremetal_agents where last_heartbeat > now() - interval '4 seconds'";
        let end = tokio::time::Instant::now() + limit;
        loop {
            let said = sql::rows(&self.postgres.url, heard).await;
            if said.as_ref().is_ok_and(|rows| rows.len() == wanted) {
                return Ok(());
            }
            ensure!(tokio::time::Instant::now() < end, "{wanted} are wanted, heard: {said:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whatever ended is started again, and waited for.
    ///
    /// # Errors
    /// Something does not come up.
    pub async fn heal(&self) -> Result<()> {
        self.doors.iter().chain(&self.ways).for_each(|relay| relay.go(relay::Way::Open));
        for node in &self.nodes {
            node.disk.free();
        }
        let _ = std::fs::remove_file(&self.orders);
        self.postgres.disk.free();
        self.postgres.ensure().await?;
        for program in self.programs() {
            program.ready().await?;
        }
        for (host, _) in &self.simulated {
            host.behave();
            host.set_mute(false);
            host.set_draining(false);
        }
        Ok(())
    }

    /// All processes but Postgres.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        let parts = self.regions.iter().chain(&self.agents).map(|part| &part.program);
        parts.chain(self.nodes.iter().map(|node| &node.agent))
    }

    /// Leaves its folder where it is, for people to look at.
    pub fn keep(&mut self) -> PathBuf {
        if let Some(folder) = self._folder.take() {
            let _ = folder.keep();
        }
        self.state.root().to_owned()
    }
}

fn client(state: &State) -> Result<Client> {
    let password = std::fs::read_to_string(settings::password_file(state))?;
    let credentials = Credentials::Password {
        user: settings::ADMIN.into(),
        domain: "Default".into(),
        password: Some(Secret::new(password.trim())),
        project: Some("system".into()),
    };
    let mut options = ClientOptions::new(Some(format!("http://127.0.0.1:{REST}/v3")), credentials);
    options.region_url = Some(format!("http://127.0.0.1:{REST}"));
    options.request_timeout = Duration::from_secs(10);
    Ok(Client::new(options)?)
}

fn region_config(state: &State, number: usize, database: &str) -> Result<String> {
    let port = u16::try_from(number)?;
    let (http, grpc) = (at("127.0.0.1", 8001 + port)?, at("127.0.0.1", 8101 + port)?);
    let mut config = settings::region(state, http, grpc, database);
    // What waits for a crash, or for a host that is silent, waits less than it would for people's sake.
    config += "ready_timeout_s = 90\n\n[heartbeat]\ninterval_s = 1\nlimit_s = 5\n\n[tasks]\nlease_s = 5\nworkers = 24\n\n\
               [rate]\ntoken_per_s = 0\naddress_per_s = 0\n";
    Ok(config)
}

fn agent_config(state: &State, name: &str, number: u16) -> String {
    Toml::default()
        .text("name", name)
        .path("root", &image::served(state))
        .paths("trusted_keys", &[&image::trusted_key(state)])
        .table("http")
        .text("listen", &format!("127.0.0.1:{}", 8201 + number))
        .table("advertise")
        .text("http", &format!("http://{HUB}:{}", 8301 + number))
        .table("region")
        .text("endpoint", &format!("https://{HUB}:{UPCALL}"))
        .tls(&pki::files(&state.path("pki"), name))
        .finish()
}

fn host_config(state: &State, name: &str, address: &str, guests: &Path, qemu: Option<&Path>) -> String {
    let mut config = Toml::default()
        .text("name", name)
        .path("workspace", &state.path(name))
        .path("runtime_dir", &state.path(name).join("run"))
        .path("image_dir", guests)
        .text("listen", &format!("{address}:8885"))
        .paths("trusted_keys", &[&image::trusted_key(state)])
        .text("accel", "tcg")
        .text("scope", "none")
        .table("region")
        .text("endpoint", &format!("https://{HUB}:{UPCALL}"))
        .table("qemu")
        .text("user", "none");
    if let Some(qemu) = qemu {
        config = config.paths("binaries", &[qemu]);
    }
    config.tls(&pki::files(&state.path("pki"), name)).finish()
}
