//! The host agent as a process, with a folder of its own, and the requests that it is sent. As region does, an outcome is taken from the
//! answer to the request, or, where that says "pending", from the agent's report.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use host::config::{Config, Limits, RegionConfig};
use host::qemu::accel::Wanted;
use proto::host::v1 as pb;
use proto::host::v1::host_service_client::HostServiceClient;
use proto::host::v1::operation_reply::State;
use tokio::process::{Child, Command};
use tonic::transport::Channel;
use tonic::{Response, Status};
use types::desc::{DESC_VERSION, Desc, DiskDesc, DiskDriver, DiskFormat, Firmware, Machine};
use types::id::{DiskId, GuestId, OperationId, SessionId, TaskId};
use types::operation::{OperationHeader, Outcome};
use types::status::Arch;

use crate::Arguments;
use crate::process::Watched;
use crate::region::{Authority, Region};

const START: Duration = Duration::from_secs(120);
const NAME: &str = "bench";

pub type Client = HostServiceClient<Channel>;

/// The agent; it ends with this value, and with it its guests.
pub struct Agent {
    folder: tempfile::TempDir,
    program: PathBuf,
    region: Region,
    child: Option<Child>,
    client: Option<Client>,
    region_tls: service::tls::TlsConfig,
    sequence: AtomicU64,
}

impl Agent {
    /// `qemu`: the program that runs guests. `trusted`: a public key of rescue images.
    ///
    /// # Errors
    /// With what the agent said.
    pub async fn start(arguments: &Arguments, qemu: &Path, trusted: &str) -> anyhow::Result<Self> {
        // Not in /tmp where that is memory: the ledger's syncs are part of what is measured.
        let folder = tempfile::Builder::new().prefix("lb-").tempdir_in(disk_folder())?;
        let authority = Authority::new(folder.path())?;
        let region_tls = authority.issue(service::tls::REGION)?;
        let region = Region::serve(&region_tls).await?;
        let config = Config {
            name: NAME.into(),
            workspace: folder.path().join("w"),
            runtime_dir: folder.path().join("r"),
            listen: "127.0.0.1:0".parse()?,
            trusted_keys: vec![trusted.to_owned()],
            accel: Wanted::Tcg,
            region: RegionConfig { endpoint: region.endpoint.clone() },
            tls: Some(authority.issue(&service::tls::host_name(NAME))?),
            qemu: host::config::QemuConfig { binaries: vec![qemu.to_owned()], ..Default::default() },
            limits: Limits { guests: 10_000, ..Limits::default() },
            ..Config::default()
        };
        std::fs::write(folder.path().join("host.yaml"), serde_json::to_string(&config)?)?;
        let program = arguments.bin.join("host");
        let sequence = AtomicU64::new(1);
        let mut agent = Self { folder, program, region, child: None, client: None, region_tls, sequence };
        agent.run().await?;
        Ok(agent)
    }

    /// Starts the process, and waits until it serves and has registered.
    async fn run(&mut self) -> anyhow::Result<()> {
        let ready = self.folder.path().join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let registered = self.region.registrations();
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log"))?;
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.folder.path().join("host.yaml")).arg("--ready-file").arg(&ready);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).env_remove("RUST_LOG").kill_on_drop(true);
        let program = self.program.display();
        let mut child = command.spawn().with_context(|| format!("{program}: build it with --release"))?;
        let until = Instant::now() + START;
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                break text;
            }
            if let Some(status) = child.try_wait()? {
                bail!("the agent ended with {status}: {}", self.log());
            }
            ensure!(Instant::now() < until, "the agent is not ready within {START:?}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        self.child = Some(child);
        let at: serde_json::Value = serde_json::from_str(&text)?;
        let endpoint = at["grpc"].as_str().context("the ready file names an address")?;
        let channel = service::tls::channel(endpoint, &service::tls::host_name(NAME), Some(&self.region_tls))?;
        self.client = Some(HostServiceClient::new(channel));
        self.region.until_registered(registered + 1).await.with_context(|| self.log())
    }

    /// Kills it, and starts it again; its guests go on. The seconds until it served and had registered.
    ///
    /// # Errors
    /// As [`Agent::start`].
    pub async fn restart(&mut self) -> anyhow::Result<f64> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        let begun = Instant::now();
        self.run().await?;
        Ok(begun.elapsed().as_secs_f64())
    }

    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// What the agent logged last.
    #[must_use]
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// # Errors
    /// It does not run.
    pub fn process(&self) -> anyhow::Result<Watched> {
        let id = self.child.as_ref().and_then(Child::id).context("the agent has ended")?;
        Ok(Watched(i32::try_from(id)?))
    }

    #[must_use]
    pub fn workspace(&self) -> PathBuf {
        self.folder.path().join("w")
    }

    /// Of one guest.
    #[must_use]
    pub fn guest_folder(&self, guest: GuestId) -> PathBuf {
        self.workspace().join("servers").join(guest.to_string())
    }

    #[must_use]
    pub fn runtime(&self, guest: GuestId) -> PathBuf {
        self.folder.path().join("r").join(guest.uuid().simple().to_string())
    }

    /// The guest's QEMU.
    ///
    /// # Errors
    /// It does not run.
    pub async fn qemu(&self, guest: GuestId) -> anyhow::Result<Watched> {
        let mut client = self.client.clone().context("the agent runs")?;
        let answer = client.get_guest(pb::GetGuestRequest { guest_id: guest.to_string() }).await?.into_inner();
        ensure!(answer.pid > 0, "the guest does not run");
        Ok(Watched(answer.pid))
    }

    /// Sends a request that changes something, and waits for its outcome.
    ///
    /// # Errors
    /// It is refused, or fails.
    pub async fn operate(
        &self,
        guest: GuestId,
        send: impl AsyncFn(Client, Option<pb::Operation>) -> Result<Response<pb::OperationReply>, Status>,
    ) -> anyhow::Result<Outcome> {
        let header = OperationHeader {
            id: OperationId::generate(),
            guest,
            sequence: self.sequence.fetch_add(1, Ordering::SeqCst),
            task: TaskId::generate(),
            request_id: "req-bench".into(),
        };
        let id = header.id.to_string();
        let client = self.client.clone().context("the agent runs")?;
        let reply = send(client, Some(header.into())).await.with_context(|| self.log())?.into_inner();
        let outcome = match reply.state.context("a reply says something")? {
            State::Outcome(outcome) => outcome.try_into()?,
            State::Pending(_) => self.region.outcome(&id).await?,
        };
        match outcome {
            Outcome::Failed { failure } => {
                bail!("{failure}\n{}\n{}", failure.evidence.join("\n"), self.log())
            }
            outcome => Ok(outcome),
        }
    }

    /// # Errors
    /// As [`Agent::operate`].
    pub async fn create(&self, desc: &Desc) -> anyhow::Result<()> {
        let desc_json = serde_json::to_string(desc)?;
        let request = |operation| pb::CreateGuestRequest { operation, desc_json: desc_json.clone() };
        self.operate(desc.id, async |mut client, operation| client.create_guest(request(operation)).await).await?;
        Ok(())
    }

    /// # Errors
    /// As [`Agent::operate`].
    pub async fn power_on(&self, guest: GuestId) -> anyhow::Result<()> {
        let request = |operation| pb::StartGuestRequest { operation };
        self.operate(guest, async |mut client, operation| client.start_guest(request(operation)).await).await?;
        Ok(())
    }

    /// The bytes that came over the network.
    ///
    /// # Errors
    /// As [`Agent::operate`].
    pub async fn prepare(&self, guest: GuestId, image: &pb::RescueImage, endpoint: &str) -> anyhow::Result<u64> {
        let request = |operation| pb::PrepareRescueRequest {
            operation,
            image: Some(image.clone()),
            endpoints: vec![endpoint.to_owned()],
        };
        let prepared =
            self.operate(guest, async |mut client, operation| client.prepare_rescue(request(operation)).await).await?;
        match prepared {
            Outcome::Prepared { bytes_downloaded, .. } => Ok(bytes_downloaded),
            other => bail!("prepare ended in {other:?}"),
        }
    }

    /// # Errors
    /// As [`Agent::operate`].
    pub async fn write_desc(&self, guest: GuestId, session: SessionId, image: &pb::RescueImage) -> anyhow::Result<()> {
        let request = |operation| pb::WriteRescueDescRequest {
            operation,
            session_id: session.to_string(),
            image: Some(image.clone()),
            disk_mode: "rw".into(),
            qemu_version: String::new(),
            network: String::new(),
        };
        self.operate(guest, async |mut client, operation| client.write_rescue_desc(request(operation)).await).await?;
        Ok(())
    }

    /// Starts the rescue system and waits for its proof: the time of each, by the clock of whoever asks.
    ///
    /// # Errors
    /// As [`Agent::operate`].
    pub async fn rescue(&self, guest: GuestId, session: SessionId) -> anyhow::Result<(Duration, Duration)> {
        let session_id = session.to_string();
        let start = |operation| pb::StartRescueRequest {
            operation,
            session_id: session_id.clone(),
            ssh_keys: Vec::new(),
            password_hash: String::new(),
            fresh_overlays: false,
        };
        let wait = |operation| pb::AwaitReadyRequest { operation, session_id: session_id.clone(), timeout_s: 300 };
        let begun = Instant::now();
        self.operate(guest, async |mut client, operation| client.start_rescue(start(operation)).await).await?;
        let started = begun.elapsed();
        let ready =
            self.operate(guest, async |mut client, operation| client.await_ready(wait(operation)).await).await?;
        let in_all = begun.elapsed();
        ensure!(matches!(ready, Outcome::Ready { .. }), "waiting for the proof ended in {ready:?}");
        Ok((started, in_all - started))
    }

    /// # Errors
    /// As [`Agent::operate`].
    pub async fn restore(&self, guest: GuestId, session: SessionId) -> anyhow::Result<()> {
        let request =
            |operation| pb::RestoreDescRequest { operation, session_id: session.to_string(), overlay: String::new() };
        self.operate(guest, async |mut client, operation| client.restore_desc(request(operation)).await).await?;
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.start_kill();
        }
        // Guests outlive the agent; these need not. Their pid files are in a folder that is ours alone.
        let servers = std::fs::read_dir(self.workspace().join("servers")).into_iter().flatten().flatten();
        for folder in servers {
            let text = std::fs::read_to_string(folder.path().join("qemu.pid")).unwrap_or_default();
            let Some(pid) = text.trim().parse().ok().and_then(rustix::process::Pid::from_raw) else { continue };
            let ours = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
            if String::from_utf8_lossy(&ours).contains(&*self.folder.path().to_string_lossy()) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

/// Where folders of a measurement are made: on a disk, as a host's are.
#[must_use]
pub fn disk_folder() -> PathBuf {
    let shared = std::env::temp_dir();
    let memory = rustix::fs::statfs(&shared).is_ok_and(|data| data.f_type == TMPFS);
    if memory { "/var/tmp".into() } else { shared }
}

/// statfs(2).
const TMPFS: rustix::fs::FsWord = 0x0102_1994;

/// A guest with one small disk.
#[must_use]
pub fn desc(memory_mib: u32) -> Desc {
    let disk = DiskDesc {
        id: DiskId::generate(),
        index: 0,
        driver: DiskDriver::Virtio,
        format: DiskFormat::Qcow2,
        size_mib: 16,
        image: None,
        serial: "root-1".into(),
        io: types::desc::DiskIo::default(),
    };
    Desc {
        version: DESC_VERSION,
        id: GuestId::generate(),
        name: "bench".into(),
        arch: Arch::X86_64,
        machine: Machine::Q35,
        firmware: Firmware::Bios,
        vcpu: 1,
        memory_mib,
        disks: vec![disk],
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
