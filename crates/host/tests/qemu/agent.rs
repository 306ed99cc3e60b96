//! The agent as a process of its own: started, asked, killed, started again. What it leaves behind is ended with the test.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use host::config::{Config, RegionConfig};
use host::qemu::accel::Wanted;
use proto::host::v1 as pb;
use proto::host::v1::host_service_client::HostServiceClient;
use service::tls::TlsConfig;
use tokio::process::{Child, Command};
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use types::desc::{DESC_VERSION, Desc, DiskDesc, DiskDriver, DiskFormat, Firmware, Machine};
use types::id::{DiskId, GuestId, OperationId, TaskId};
use types::operation::{OperationHeader, Outcome};
use types::status::Arch;

use crate::region::{Authority, Region};

/// Emulated machines on a busy one take their time.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Who QEMU runs as where the test may choose; nobody has these numbers.
pub const QEMU_USER: &str = "61234:61235";

/// Until the condition gives something; panics with what it waited for.
pub async fn until<T>(what: &str, condition: impl Fn() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}: not within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub struct Agent {
    pub folder: tempfile::TempDir,
    pub region: Region,
    region_tls: TlsConfig,
    process: Option<Child>,
    endpoint: String,
    sequence: AtomicU64,
}

impl Agent {
    /// `trusted`: public keys of rescue images.
    pub async fn start(trusted: &[String]) -> Self {
        Self::start_with(trusted, |_, _| {}).await
    }

    /// With a configuration of its own; the folder is the test's.
    pub async fn start_with(trusted: &[String], edit: impl FnOnce(&mut Config, &Path)) -> Self {
        service::install_crypto();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path());
        let region_tls = authority.issue("region.lifeboat");
        authority.issue(service::tls::OPERATOR);
        let region = Region::serve(&region_tls).await;
        // Wherever they were built, perhaps where nobody else gets to.
        let built = crate::files::built("LIFEBOAT_GUESTS", "guests", "tiny.qcow2", "tiny-guest");
        let images = folder.path().join("images");
        std::fs::create_dir(&images).unwrap();
        std::fs::copy(&built, images.join("tiny.qcow2")).unwrap();
        let mut config = Config {
            name: "h1".into(),
            workspace: folder.path().join("w"),
            image_dir: images,
            runtime_dir: folder.path().join("r"),
            listen: "127.0.0.1:0".parse().unwrap(),
            trusted_keys: trusted.to_vec(),
            accel: Wanted::Tcg,
            region: RegionConfig { endpoint: region.endpoint.clone() },
            tls: Some(authority.issue("h1.host.lifeboat")),
            ..Config::default()
        };
        // As on a host that is set up well: QEMU is nobody in particular, and may pass through the test's folder.
        if rustix::process::geteuid().is_root() {
            config.qemu.user = QEMU_USER.into();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
            std::fs::set_permissions(folder.path(), mode).unwrap();
        }
        // All stories with another QEMU.
        if let Some(program) = std::env::var_os("LIFEBOAT_TEST_QEMU") {
            config.qemu.binaries = vec![program.into()];
        }
        edit(&mut config, folder.path());
        std::fs::write(folder.path().join("host.yaml"), serde_json::to_string(&config).unwrap()).unwrap();
        let sequence = AtomicU64::new(1);
        let mut agent = Self { folder, region, region_tls, process: None, endpoint: String::new(), sequence };
        agent.run().await;
        agent
    }

    /// Starts it (again) and waits until it serves.
    pub async fn run(&mut self) {
        let ready = self.folder.path().join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        self.process = Some(self.command(&ready).stderr(log).spawn().unwrap());
        let text = until("the agent's ready file", || std::fs::read(&ready).ok()).await;
        let ready: serde_json::Value = serde_json::from_slice(&text).unwrap();
        self.endpoint = ready["grpc"].as_str().unwrap().to_owned();
        assert!(self.endpoint.starts_with("https://127.0.0.1:"));
    }

    /// Changes the configuration that the next run has.
    pub fn configure(&self, edit: impl FnOnce(&mut Config)) {
        let path = self.folder.path().join("host.yaml");
        let mut config: Config = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        edit(&mut config);
        std::fs::write(&path, serde_json::to_string(&config).unwrap()).unwrap();
    }

    /// How it is run.
    pub fn command(&self, ready: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
        command.arg("--config").arg(self.folder.path().join("host.yaml")).arg("--ready-file").arg(ready);
        command.stdin(Stdio::null()).env("RUST_LOG", "info,host=debug").process_group(0).kill_on_drop(true);
        command
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("agent.log")
    }
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// `kill -9` of its whole process group.
    pub async fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let pid = i32::try_from(process.id().unwrap()).unwrap();
        let group = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        process.wait().await.unwrap();
    }

    /// Asks it to end, and waits.
    pub async fn terminate(&mut self) -> std::process::ExitStatus {
        let mut process = self.process.take().expect("it runs");
        let pid = rustix::process::Pid::from_raw(i32::try_from(process.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        tokio::time::timeout(LIMIT, process.wait()).await.expect("it ends when asked").unwrap()
    }

    pub fn client(&self) -> HostServiceClient<Channel> {
        self.client_as(&self.region_tls)
    }
    pub fn client_as(&self, tls: &TlsConfig) -> HostServiceClient<Channel> {
        HostServiceClient::new(self.channel_as(tls))
    }
    pub fn channel_as(&self, tls: &TlsConfig) -> Channel {
        service::tls::channel(&self.endpoint, "h1.host.lifeboat", Some(tls)).unwrap()
    }
    fn channel(&self) -> Channel {
        self.channel_as(&self.region_tls)
    }
    /// As health checks see it.
    pub async fn health(&self, name: &str) -> ServingStatus {
        let request = tonic_health::pb::HealthCheckRequest { service: name.into() };
        HealthClient::new(self.channel()).check(request).await.unwrap().into_inner().status()
    }
    /// As reflection lists them, in both versions.
    pub async fn services(&self) -> Vec<String> {
        use tonic_reflection::pb::{v1, v1alpha};
        macro_rules! list {
            ($version:ident) => {{
                let message_request =
                    Some($version::server_reflection_request::MessageRequest::ListServices(String::new()));
                let request = $version::ServerReflectionRequest { host: String::new(), message_request };
                let mut client = $version::server_reflection_client::ServerReflectionClient::new(self.channel());
                let mut answers =
                    client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
                match answers.message().await.unwrap().unwrap().message_response.unwrap() {
                    $version::server_reflection_response::MessageResponse::ListServicesResponse(list) => list
                        .service
                        .into_iter()
                        .map(|service| service.name)
                        .filter(|name| !name.contains("reflection"))
                        .collect::<Vec<_>>(),
                    other => panic!("{other:?}"),
                }
            }};
        }
        let mut services = list!(v1);
        services.sort();
        let mut older = list!(v1alpha);
        older.sort();
        assert_eq!(services, older);
        services
    }
    pub fn own_tls(&self) -> TlsConfig {
        self.tls_of("h1.host.lifeboat")
    }
    pub fn tls_of(&self, name: &str) -> TlsConfig {
        let path = |name: &str| self.folder.path().join(name);
        TlsConfig { ca: path("ca.pem"), cert: path(&format!("{name}.pem")), key: path(&format!("{name}.key")) }
    }

    /// The next operation on a guest.
    pub fn header(&self, guest: GuestId) -> OperationHeader {
        OperationHeader {
            id: OperationId::generate(),
            guest,
            sequence: self.sequence.fetch_add(1, Ordering::SeqCst),
            task: TaskId::generate(),
            request_id: "req-test".into(),
        }
    }

    pub async fn state(&self, guest: GuestId) -> pb::GuestState {
        let request = pb::GetGuestRequest { guest_id: guest.to_string() };
        self.client().get_guest(request).await.unwrap().into_inner().guest.unwrap()
    }

    /// Until the guest's state is as wanted.
    pub async fn until_state(
        &self,
        what: &str,
        guest: GuestId,
        wanted: impl Fn(&pb::GuestState) -> bool,
    ) -> pb::GuestState {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let state = self.state(guest).await;
            if wanted(&state) {
                return state;
            }
            assert!(tokio::time::Instant::now() < deadline, "{what}: not within {LIMIT:?}: {state:?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub fn guest_folder(&self, guest: GuestId) -> PathBuf {
        self.folder.path().join("w/servers").join(guest.to_string())
    }
    pub fn serial(&self, guest: GuestId) -> String {
        String::from_utf8_lossy(&std::fs::read(self.guest_folder(guest).join("serial.log")).unwrap_or_default())
            .into_owned()
    }
    /// Of the guest's QEMU; None when it does not run.
    pub fn pid(&self, guest: GuestId) -> Option<i32> {
        let text = std::fs::read_to_string(self.guest_folder(guest).join("qemu.pid")).ok()?;
        let pid = text.trim().parse().ok()?;
        self.is_ours(pid).then_some(pid)
    }
    /// Whether a process belongs to this test: its arguments name the test's folder.
    fn is_ours(&self, pid: i32) -> bool {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(&*self.folder.path().to_string_lossy())
    }
    /// As root, the test's agent runs QEMU as a user who has nothing but what it was given; who else would look, can't.
    pub fn runs_apart(&self, guest: GuestId) {
        use std::os::unix::fs::MetadataExt;
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid(guest).expect("it runs"))).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().split_ascii_whitespace().collect::<Vec<_>>().join(" ")
        };
        let (uid, gid) = QEMU_USER.split_once(':').unwrap();
        assert_eq!((field("Uid"), field("Gid")), ([uid; 4].join(" "), [gid; 4].join(" ")));
        assert_eq!(
            (field("Groups"), field("CapEff").trim_start_matches('0'), &*field("NoNewPrivs")),
            (String::new(), "", "1")
        );
        let sockets = self.folder.path().join("r").join(guest.uuid().simple().to_string());
        for path in [sockets, self.guest_folder(guest).join("serial.log")] {
            let data = path.metadata().unwrap();
            assert_eq!((data.uid().to_string(), data.mode() & 0o077), (uid.to_owned(), 0), "{}", path.display());
        }
        let desc = self.guest_folder(guest).join("desc").metadata().unwrap();
        assert_eq!((desc.uid(), desc.mode() & 0o777), (0, 0o600), "what is ours stays ours");
        assert_eq!(self.guest_folder(guest).metadata().unwrap().mode() & 0o777, 0o710);
    }
    pub fn arguments(&self, guest: GuestId) -> String {
        let pid = self.pid(guest).expect("the guest runs");
        String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap()).replace('\0', " ")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the agent's log:\n{}", self.log());
            for entry in std::fs::read_dir(self.folder.path().join("w/servers")).into_iter().flatten().flatten() {
                let serial = std::fs::read(entry.path().join("serial.log")).unwrap_or_default();
                let last = String::from_utf8_lossy(&serial[serial.len().saturating_sub(4000)..]).into_owned();
                eprintln!("the last of {}'s serial console:\n{last}", entry.file_name().to_string_lossy());
            }
        }
        if let Some(mut process) = self.process.take() {
            let _ = process.start_kill();
        }
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
            let is_qemu = |pid: &i32| {
                std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("qemu"))
            };
            if let Some(pid) = pid.filter(is_qemu).filter(|pid| self.is_ours(*pid)) {
                let _ = rustix::process::kill_process(
                    rustix::process::Pid::from_raw(pid).unwrap(),
                    rustix::process::Signal::KILL,
                );
            }
        }
    }
}

/// Sends a request until it has ended, as region does: the same request again and again. `$request` is without its header.
macro_rules! operate {
    ($agent:expr, $header:expr, $method:ident, $request:expr) => {{
        let header: types::operation::OperationHeader = $header.clone();
        let mut request = $request;
        request.operation = Some(header.into());
        let deadline = tokio::time::Instant::now() + $crate::agent::LIMIT;
        loop {
            let reply = $agent.client().$method(request.clone()).await.expect("the request is accepted").into_inner();
            if let Some(outcome) = $crate::agent::outcome(reply) {
                break outcome;
            }
            assert!(tokio::time::Instant::now() < deadline, "{} did not end\n{}", stringify!($method), $agent.log());
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }};
}
pub(crate) use operate;

pub fn outcome(reply: pb::OperationReply) -> Option<Outcome> {
    match reply.state.expect("a reply says something") {
        pb::operation_reply::State::Pending(_) => None,
        pb::operation_reply::State::Outcome(outcome) => Some(outcome.try_into().unwrap()),
    }
}

/// A small guest from the image that `make tiny-guest` builds, with an empty disk beside the first.
pub fn tiny(driver: DiskDriver) -> Desc {
    let disk = |index, image: Option<&str>, size_mib, serial: &str| DiskDesc {
        id: DiskId::generate(),
        index,
        driver,
        format: DiskFormat::Qcow2,
        size_mib,
        image: image.map(str::to_owned),
        serial: serial.into(),
        io: types::desc::DiskIo::default(),
    };
    Desc {
        version: DESC_VERSION,
        id: GuestId::generate(),
        name: "web1".into(),
        arch: Arch::X86_64,
        machine: Machine::Q35,
        firmware: Firmware::Bios,
        vcpu: 1,
        memory_mib: 256,
        disks: vec![disk(0, Some("tiny.qcow2"), 0, "root-1"), disk(1, None, 16, "data-1")],
        nics: vec![],
        cdroms: Vec::new(),
        qemu_version: None,
        vnc: false,
        guest_agent: false,
        usb: Vec::new(),
        passthrough: Vec::new(),
        rescue: None,
    }
}

pub fn create(desc: &Desc) -> pb::CreateGuestRequest {
    pb::CreateGuestRequest { operation: None, desc_json: serde_json::to_string(desc).unwrap() }
}

pub fn stop(timeout_s: u32, force: bool) -> pb::StopGuestRequest {
    pb::StopGuestRequest { operation: None, timeout_s, force }
}

/// What region heard of an operation.
pub fn heard(report: &proto::region::v1::ReportRequest) -> Outcome {
    report.outcome.clone().expect("a report has an outcome").try_into().expect("a report can be read")
}

/// A person at a guest's serial console.
pub struct Console {
    guest: GuestId,
    typed: tokio::sync::mpsc::Sender<pb::ConsoleInput>,
    output: tonic::Streaming<pb::ConsoleOutput>,
    seen: String,
}

impl Console {
    pub async fn open(agent: &Agent, guest: GuestId) -> Self {
        let (typed, receiver) = tokio::sync::mpsc::channel(4);
        let first = pb::ConsoleInput { guest_id: guest.to_string(), data: Vec::new() };
        typed.send(first).await.unwrap();
        let input = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let output = agent.client().console(input).await.unwrap().into_inner();
        Self { guest, typed, output, seen: String::new() }
    }

    /// Past what was shown before.
    pub async fn skip_replay(&mut self) {
        tokio::time::timeout(LIMIT, self.output.message()).await.expect("the replay comes at once").unwrap();
    }

    /// Until it shows this after what was waited for last.
    pub async fn shows(&mut self, wanted: &str) {
        loop {
            if let Some(at) = self.seen.find(wanted) {
                self.seen.drain(..at + wanted.len());
                return;
            }
            let piece = tokio::time::timeout(LIMIT, self.output.message()).await;
            let piece = piece.unwrap_or_else(|_| panic!("'{wanted}' was not shown, but: {}", self.seen));
            self.seen += &String::from_utf8_lossy(&piece.unwrap().expect("the console goes on").data);
        }
    }

    pub async fn types(&self, text: &str) {
        let input = pb::ConsoleInput { guest_id: self.guest.to_string(), data: text.as_bytes().to_vec() };
        self.typed.send(input).await.unwrap();
    }
}
