//! Region as processes, as in production but without TLS; a baremetal agent that announces an image, and simulated hosts, in this process.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use artifact::{Digest, Manifest, ManifestFile};
use diesel::sql_types::Jsonb;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures::StreamExt;
use host_sim::{SimHandle, SimHost, SimOptions};
use proto::region::v1 as pb;
use proto::region::v1::agent_upcall_service_client::AgentUpcallServiceClient;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use types::desc::{DESC_VERSION, Desc, DiskDesc, DiskDriver, DiskFormat, Firmware, Machine};
use types::id::{DiskId, GuestId, HostId};
use types::status::Arch;

use crate::server::{Server, number};

const START: Duration = Duration::from_secs(60);
/// As a real host: changes within this time share a heartbeat.
const GATHER: Duration = Duration::from_millis(200);

/// Thousands of hosts have thousands of connections. The processes that are started from here inherit it.
///
/// # Errors
/// The limit of the machine is below what is needed even for small numbers.
pub fn raise_file_limit() -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum })
        .context("the limit of open files")
}

pub struct Stack {
    pub replicas: Vec<Replica>,
    pub http: reqwest::Client,
    /// Of the database.
    pub url: String,
    token: String,
    /// Requests that were answered with 429 or 503.
    pub put_off: AtomicUsize,
    /// The agent's heartbeats.
    _agent: JoinSet<()>,
    folder: tempfile::TempDir,
}

/// A region process; ends with this value.
pub struct Replica {
    child: Child,
    pub http: String,
    pub grpc: String,
}

/// Resident memory of a process, MiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub now: f64,
    pub peak: f64,
}

impl Replica {
    async fn start(program: &Path, config: &Path, folder: &Path, number: usize) -> anyhow::Result<Self> {
        let ready = folder.join(format!("ready-{number}"));
        let log = std::fs::File::create(folder.join(format!("region-{number}.log")))?;
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(config)
            .arg("--ready-file")
            .arg(&ready)
            .env_remove("DATABASE_URL")
            .env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("{}: build it with --release", program.display()))?;
        let until = Instant::now() + START;
        loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                let at: Value = serde_json::from_str(&text)?;
                let part = |key: &str| at[key].as_str().unwrap_or_default().to_owned();
                return Ok(Self { child, http: part("http"), grpc: part("grpc") });
            }
            if let Some(status) = child.try_wait()? {
                let log = std::fs::read_to_string(folder.join(format!("region-{number}.log"))).unwrap_or_default();
                bail!("region ended with {status}: {log}");
            }
            ensure!(Instant::now() < until, "region is not ready within {START:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// # Errors
    /// The process has ended.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let id = self.child.id().context("region has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let mib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.trim_start_matches(':').trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
        };
        Ok(Memory { now: mib("VmRSS").context("VmRSS in /proc")?, peak: mib("VmHWM").context("VmHWM in /proc")? })
    }

    /// How many files and sockets it has open.
    ///
    /// # Errors
    /// The process has ended.
    pub fn files(&self) -> anyhow::Result<usize> {
        let id = self.child.id().context("region has ended")?;
        Ok(std::fs::read_dir(format!("/proc/{id}/fd"))?.count())
    }
}

impl Stack {
    /// `database` is made anew. Returns when all replicas serve and an image can be had.
    ///
    /// # Errors
    /// With what region said.
    pub async fn start(server: &Server, program: &Path, database: &str, replicas: usize) -> anyhow::Result<Self> {
        let url = server.create(database).await?;
        let folder = tempfile::tempdir()?;
        let (public_key, image) = signed_image()?;
        let config = write_config(folder.path(), &url, &public_key)?;
        let mut started = Vec::new();
        for number in 0..replicas {
            started.push(Replica::start(program, &config, folder.path(), number).await?);
        }
        let mut agent = JoinSet::new();
        announce(&started[0].grpc, image, &mut agent).await?;
        let http = reqwest::Client::builder().pool_max_idle_per_host(512).timeout(Duration::from_secs(60)).build()?;
        let password = std::fs::read_to_string(folder.path().join("password"))?;
        let token = log_in(&http, &started[0].http, password.trim()).await?;
        Ok(Self { replicas: started, http, url, token, put_off: AtomicUsize::new(0), _agent: agent, folder })
    }

    /// The first replica dies, and another takes its place, at another address.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub async fn replace(&mut self, program: &Path) -> anyhow::Result<()> {
        let mut old = self.replicas.remove(0);
        old.child.kill().await?;
        let number = self.replicas.len() + 1;
        let config = self.folder.path().join("region.toml");
        self.replicas.insert(0, Replica::start(program, &config, self.folder.path(), number).await?);
        Ok(())
    }

    /// A request with the administrator's token, to one of the replicas.
    pub fn request(&self, replica: usize, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let base = &self.replicas[replica % self.replicas.len()].http;
        self.http.request(method, format!("{base}{path}")).header("x-auth-token", &self.token)
    }

    /// Puts a server into rescue; the time until its task was accepted. Told to come again (429, 503), it does so, and the time goes on.
    ///
    /// # Errors
    /// Any other answer than 202, with its body.
    pub async fn start_rescue(&self, replica: usize, guest: GuestId) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        loop {
            let request = self.request(replica, reqwest::Method::POST, &format!("/servers/{guest}/start-rescue"));
            let answer = request.json(&json!({})).send().await?;
            let status = answer.status().as_u16();
            let pause = answer.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
            let body = answer.text().await?;
            match status {
                202 => return Ok(begun.elapsed()),
                429 | 503 => {
                    self.put_off.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_secs(pause.unwrap_or(1))).await;
                }
                _ => bail!("start-rescue was answered with {status}: {body}"),
            }
        }
    }

    /// Simulated hosts, spread over the replicas, each with its share of `guests` servers that are off.
    ///
    /// # Errors
    /// As region or Postgres report them.
    pub async fn hosts(&self, hosts: usize, guests: usize) -> anyhow::Result<(Vec<SimHandle>, Vec<GuestId>)> {
        let starts = (0..hosts).map(|number| {
            let region = self.replicas[number % self.replicas.len()].grpc.clone();
            async move {
                let mut options = SimOptions::new(format!("host-{number}")).region(region);
                // As often as region asks, as real hosts do.
                options.heartbeat_at_least = Duration::from_secs(3600);
                options.gather = GATHER;
                let host = SimHost::start(options).await?;
                host.wait_registered().await;
                anyhow::Ok(host)
            }
        });
        let started: Vec<_> = futures::stream::iter(starts).buffered(16).collect().await;
        let started: Vec<SimHandle> = started.into_iter().collect::<anyhow::Result<_>>()?;
        let mut conn = AsyncPgConnection::establish(&self.url).await?;
        let mut ids = Vec::with_capacity(guests);
        let mut rows = Vec::new();
        for number in 0..guests {
            let host = &started[number % hosts];
            let desc = desc(&format!("vm-{number}"));
            rows.push(row(&desc, host.host_id().parse()?));
            ids.push(desc.id);
            host.insert_guest(desc);
            if rows.len() == 1000 || number + 1 == guests {
                insert(&mut conn, std::mem::take(&mut rows)).await?;
            }
        }
        Ok((started, ids))
    }

    /// Until no task is alive.
    ///
    /// # Errors
    /// Tasks that do not end.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let mut conn = AsyncPgConnection::establish(&self.url).await?;
        let until = Instant::now() + Duration::from_secs(600);
        while number(&mut conn, "SELECT count(*) AS n FROM tasks WHERE ended_at IS NULL").await? > 0 {
            ensure!(Instant::now() < until, "tasks do not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn write_config(folder: &Path, url: &str, public_key: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join("region.toml");
    let quoted = |text: &str| serde_json::to_string(text);
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[rate]\ntoken_per_s = 0\naddress_per_s = 0\n[stream]\nmax_per_token = 1000\n[grpc]\nlisten = \"127.0.0.1:0\"\n[database]\nurl = {}\n[bootstrap]\npassword_file = {}\n\
         [secrets]\nkey_file = {}\n[rescue]\ntrusted_keys = [{}]\n[log]\nfilter = \"warn\"\n",
        quoted(url)?,
        quoted(&folder.join("password").to_string_lossy())?,
        quoted(&folder.join("key").to_string_lossy())?,
        quoted(public_key)?,
    );
    std::fs::write(&path, text)?;
    Ok(path)
}

/// An image that exists as a signed manifest only: region never sees the files, and simulated hosts have none.
fn signed_image() -> anyhow::Result<(String, pb::AgentImage)> {
    let file = |file: &str| ManifestFile { file: file.into(), sha256: Digest::of(file.as_bytes()), size: 4096 };
    let manifest = Manifest {
        format: artifact::manifest::FORMAT,
        name: "small".into(),
        version: "1".into(),
        serial: 1,
        arch: Arch::X86_64,
        kernel: file("kernel"),
        initramfs: file("initramfs"),
        cmdline: "console=ttyS0".into(),
        min_memory_mib: 192,
        drivers: vec!["virtio-blk".into()],
        expires: None,
    };
    let keys = minisign::KeyPair::generate_unencrypted_keypair()?;
    let bytes = manifest.to_json()?;
    let signature = minisign::sign(Some(&keys.pk), &keys.sk, bytes.as_slice(), None, None)?.into_string();
    Ok((
        keys.pk.to_base64(),
        pb::AgentImage { image: None, arch: manifest.arch.to_string(), manifest: bytes, signature },
    ))
}

/// Registers an agent that serves the image, and keeps it alive.
async fn announce(grpc: &str, image: pb::AgentImage, alive: &mut JoinSet<()>) -> anyhow::Result<()> {
    let mut client = AgentUpcallServiceClient::connect(grpc.to_owned()).await?;
    let request = pb::RegisterAgentRequest {
        name: "agent1".into(),
        version: "0".into(),
        zone: "default".into(),
        http_endpoint: "http://127.0.0.1:1".into(),
        tftp_endpoint: "127.0.0.1:1".into(),
        images: vec![image.clone()],
    };
    let registered = client.register_agent(request).await?.into_inner();
    let pause = Duration::from_secs(registered.heartbeat_interval_s.max(1).into());
    alive.spawn(async move {
        loop {
            tokio::time::sleep(pause).await;
            let agent_id = registered.agent_id.clone();
            let beat = pb::AgentHeartbeatRequest { agent_id, images: vec![image.clone()], ..Default::default() };
            // One that is lost is followed by another.
            let _ = client.agent_heartbeat(beat).await;
        }
    });
    Ok(())
}

async fn log_in(http: &reqwest::Client, base: &str, password: &str) -> anyhow::Result<String> {
    let user = json!({ "name": "admin", "domain": { "name": "Default" }, "password": password });
    let body = json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": user } },
        "scope": { "project": { "name": "system" } },
    } });
    let answer = http.post(format!("{base}/v3/auth/tokens")).json(&body).send().await?;
    let token = answer.headers().get("x-subject-token").and_then(|token| token.to_str().ok()).map(str::to_owned);
    match token {
        Some(token) => Ok(token),
        None => bail!("the log-in was answered with {}: {}", answer.status(), answer.text().await?),
    }
}

fn desc(name: &str) -> Desc {
    Desc {
        version: DESC_VERSION,
        id: GuestId::generate(),
        name: name.into(),
        arch: Arch::X86_64,
        machine: Machine::Q35,
        firmware: Firmware::Bios,
        vcpu: 1,
        memory_mib: 512,
        disks: vec![DiskDesc {
            id: DiskId::generate(),
            index: 0,
            driver: DiskDriver::Virtio,
            format: DiskFormat::Qcow2,
            size_mib: 1024,
            image: None,
            serial: "disk0".into(),
            io: types::desc::DiskIo::default(),
        }],
        nics: Vec::new(),
        cdroms: Vec::new(),
        qemu_version: None,
        vnc: false,
        guest_agent: false,
        usb: Vec::new(),
        passthrough: Vec::new(),
        rescue: None,
    }
}

fn row(desc: &Desc, host: HostId) -> Value {
    json!({ "id": desc.id, "name": desc.name, "host_id": host, "desc": desc })
}

async fn insert(conn: &mut AsyncPgConnection, rows: Vec<Value>) -> anyhow::Result<()> {
    let sql = "INSERT INTO guests (id, name, project, status, power_state, host_id, hypervisor, vcpu_count, vmem_size, \"desc\")
        SELECT r.id, r.name, 'system', 'ready', 'shutoff', r.host_id, 'kvm', 1, 512, r.\"desc\"
        FROM jsonb_to_recordset($1) AS r (id uuid, name text, host_id uuid, \"desc\" jsonb)";
    diesel::sql_query(sql).bind::<Jsonb, _>(Value::Array(rows)).execute(conn).await?;
    Ok(())
}

/// As many servers as are wanted beyond `have`, all on one host that is a row only: for lists.
///
/// # Errors
/// As Postgres reports them.
pub async fn fill(conn: &mut AsyncPgConnection, have: usize, wanted: usize) -> anyhow::Result<()> {
    let host = "INSERT INTO hosts (id, name, zone, endpoint, version, arch, accelerator, qemu_versions, cpus, memory_mib, last_heartbeat)
        VALUES (gen_random_uuid(), 'row', 'default', 'http://127.0.0.1:1', '0', 'x86_64', 'tcg', '[]', 1, 1024, now())
        ON CONFLICT (name) DO NOTHING";
    diesel::sql_query(host).execute(conn).await?;
    let guests = format!(
        "INSERT INTO guests (id, name, project, status, power_state, host_id, hypervisor, vcpu_count, vmem_size, \"desc\", created_at)
         SELECT gen_random_uuid(), 'vm-' || n, 'system', 'ready', 'shutoff', (SELECT id FROM hosts WHERE name = 'row'), 'kvm', 1, 512,
                $1, now() + n * interval '1 ms'
         FROM generate_series({have} + 1, {wanted}) n"
    );
    diesel::sql_query(guests).bind::<Jsonb, _>(serde_json::to_value(desc("template"))?).execute(conn).await?;
    diesel::sql_query("ANALYZE guests").execute(conn).await?;
    Ok(())
}
