//! The simulated host over real sockets, towards a region that only writes down what it hears.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use host_sim::{Behaviour, Pace, Reply, Reports, SimHandle, SimHost, SimOptions, Verb};
use proto::convert;
use proto::host::v1 as pb;
use proto::host::v1::host_service_client::HostServiceClient;
use proto::region::v1 as up;
use proto::region::v1::host_upcall_service_server::{HostUpcallService, HostUpcallServiceServer};
use service::tls::TlsConfig;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};
use types::desc::{DESC_VERSION, Desc, DiskDesc, DiskDriver, DiskFormat, Firmware, Machine};
use types::id::{DiskId, GuestId, OperationId, SessionId, TaskId};
use types::operation::{Failure, FailureCode, OperationHeader, Outcome, StopHow};
use types::status::{Arch, PowerState};

#[derive(Default)]
struct Heard {
    registered: Vec<up::RegisterHostRequest>,
    beats: Vec<up::HeartbeatRequest>,
    reports: Vec<up::ReportRequest>,
    /// Heartbeats and reports are answered with NOT_FOUND until the next registration.
    forgotten: bool,
    /// Reports are answered with UNAVAILABLE.
    away: bool,
}

#[derive(Clone, Default)]
struct Region {
    heard: Arc<Mutex<Heard>>,
}

impl Region {
    fn known(&self) -> Result<(), Status> {
        if self.heard.lock().unwrap().forgotten { Err(Status::not_found("who?")) } else { Ok(()) }
    }
    async fn until(&self, what: &str, condition: impl Fn(&Heard) -> bool) {
        let limit = tokio::time::Instant::now() + Duration::from_secs(30);
        while !condition(&self.heard.lock().unwrap()) {
            assert!(tokio::time::Instant::now() < limit, "{what} did not come");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    fn reports_of(&self, operation: OperationId) -> usize {
        self.heard.lock().unwrap().reports_of(operation)
    }
}

impl Heard {
    fn reports_of(&self, operation: OperationId) -> usize {
        self.reports.iter().filter(|it| it.operation_id == operation.to_string()).count()
    }
}

#[tonic::async_trait]
impl HostUpcallService for Region {
    async fn register_host(
        &self,
        request: Request<up::RegisterHostRequest>,
    ) -> Result<Response<up::RegisterHostResponse>, Status> {
        let mut heard = self.heard.lock().unwrap();
        heard.forgotten = false;
        heard.registered.push(request.into_inner());
        Ok(Response::new(up::RegisterHostResponse {
            host_id: "h1".into(),
            heartbeat_interval_s: 1,
            protocol: None,
            now_us: 0,
        }))
    }
    async fn heartbeat(
        &self,
        request: Request<up::HeartbeatRequest>,
    ) -> Result<Response<up::HeartbeatResponse>, Status> {
        self.known()?;
        self.heard.lock().unwrap().beats.push(request.into_inner());
        Ok(Response::new(up::HeartbeatResponse::default()))
    }
    async fn report(&self, request: Request<up::ReportRequest>) -> Result<Response<up::ReportResponse>, Status> {
        self.known()?;
        let mut heard = self.heard.lock().unwrap();
        if heard.away {
            return Err(Status::unavailable("away"));
        }
        heard.reports.push(request.into_inner());
        Ok(Response::new(up::ReportResponse {}))
    }
}

async fn region(tls: Option<&TlsConfig>) -> (Region, String) {
    let region = Region::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls.server().unwrap()).unwrap();
    }
    let serve = server
        .add_service(HostUpcallServiceServer::new(region.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(async move { serve.await.unwrap() });
    (region, format!("{}://{address}", if tls.is_some() { "https" } else { "http" }))
}

type Client = HostServiceClient<Channel>;

fn client(host: &SimHandle) -> Client {
    HostServiceClient::new(service::tls::channel(&host.endpoint(), "unused", None).unwrap())
}

fn desc() -> Desc {
    Desc {
        version: DESC_VERSION,
        id: GuestId::generate(),
        name: "web1".into(),
        arch: Arch::X86_64,
        machine: Machine::Q35,
        firmware: Firmware::Bios,
        vcpu: 1,
        memory_mib: 256,
        disks: vec![DiskDesc {
            id: DiskId::generate(),
            index: 0,
            driver: DiskDriver::Virtio,
            format: DiskFormat::Qcow2,
            size_mib: 64,
            image: None,
            serial: "root-1".into(),
            io: types::desc::DiskIo::default(),
        }],
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

fn header(guest: GuestId, sequence: u64) -> OperationHeader {
    OperationHeader { id: OperationId::generate(), guest, sequence, task: TaskId::generate(), request_id: "r".into() }
}

fn start(header: &OperationHeader) -> pb::StartGuestRequest {
    pb::StartGuestRequest { operation: Some(header.clone().into()) }
}

fn image() -> pb::RescueImage {
    let file = |digit: &str, size| Some(pb::BootFile { sha256: digit.repeat(64), size });
    pb::RescueImage {
        name: "small".into(),
        version: "1".into(),
        serial: 1,
        kernel: file("a", 7),
        initramfs: file("b", 5),
        cmdline: "console=ttyS0".into(),
        min_memory_mib: 192,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_rescue_and_back() {
    let (region, endpoint) = region(None).await;
    let host = SimHost::start(SimOptions::new("h").region(endpoint)).await.unwrap();
    assert_eq!(host.wait_registered().await, "h1");
    let (desc, session) = (desc(), SessionId::generate());
    let mut client = client(&host);
    let mut sequence = 0;
    let mut next = || {
        sequence += 1;
        header(desc.id, sequence)
    };
    macro_rules! done {
        ($method:ident, $request:ident { $($field:ident: $value:expr),* }) => {{
            let header = next();
            let reply = client.$method(pb::$request { operation: Some(header.clone().into()), $($field: $value),* }).await.unwrap();
            assert!(matches!(reply.into_inner().state, Some(pb::operation_reply::State::Pending(_))));
            let outcome = host.wait_ended(header.id).await;
            host.wait_reported(header.id).await;
            assert_eq!(region.reports_of(header.id), 1);
            outcome
        }};
    }
    let (image, rw, session_id) = (Some(image()), || "rw".to_owned(), session.to_string());
    let Outcome::Created { desc_sha256 } =
        done!(create_guest, CreateGuestRequest { desc_json: serde_json::to_string(&desc).unwrap() })
    else {
        panic!()
    };
    assert_eq!(done!(start_guest, StartGuestRequest {}), Outcome::Started);
    region
        .until("a heartbeat with the new power", |heard| {
            heard.beats.iter().any(|beat| beat.guests.iter().any(|guest| guest.power == "running"))
        })
        .await;
    assert!(matches!(
        done!(
            preflight_rescue,
            PreflightRescueRequest {
                image: image.clone(),
                disk_mode: rw(),
                qemu_version: String::new(),
                network: String::new()
            }
        ),
        Outcome::Preflighted { .. }
    ));
    let prepared =
        done!(prepare_rescue, PrepareRescueRequest { image: image.clone(), endpoints: vec!["http://a".into()] });
    assert_eq!(prepared, Outcome::Prepared { bytes_downloaded: 12, from: Some("http://a".into()) });
    let early = done!(
        write_rescue_desc,
        WriteRescueDescRequest {
            session_id: session_id.clone(),
            image: image.clone(),
            disk_mode: rw(),
            qemu_version: String::new(),
            network: String::new()
        }
    );
    assert!(matches!(early, Outcome::Failed { failure: Failure { code: FailureCode::WrongState, .. } }), "{early:?}");
    let stopped = done!(stop_guest, StopGuestRequest { timeout_s: 5, force: false });
    assert!(matches!(stopped, Outcome::Stopped { how: StopHow::Acpi, .. }), "{stopped:?}");
    for _ in 0..2 {
        let written = done!(
            write_rescue_desc,
            WriteRescueDescRequest {
                session_id: session_id.clone(),
                image: image.clone(),
                disk_mode: rw(),
                qemu_version: String::new(),
                network: String::new()
            }
        );
        assert_eq!(written, Outcome::DescWritten { source_sha256: desc_sha256.clone() });
    }
    for _ in 0..2 {
        let started = done!(
            start_rescue,
            StartRescueRequest {
                session_id: session_id.clone(),
                ssh_keys: vec![],
                password_hash: String::new(),
                fresh_overlays: false
            }
        );
        assert!(matches!(&started, Outcome::RescueStarted { boot: 1, ssh_host_key: Some(_) }), "{started:?}");
    }
    let Outcome::Ready { ready, .. } =
        done!(await_ready, AwaitReadyRequest { session_id: session_id.clone(), timeout_s: 5 })
    else {
        panic!()
    };
    assert_eq!((ready.session, ready.disks[0].serial.as_str()), (session, "root-1"));
    let state = client
        .get_guest(pb::GetGuestRequest { guest_id: desc.id.to_string() })
        .await
        .unwrap()
        .into_inner()
        .guest
        .unwrap();
    assert!(state.rescue_ready && state.rescue_session == session_id);
    for _ in 0..2 {
        let restored =
            done!(restore_desc, RestoreDescRequest { session_id: session_id.clone(), overlay: String::new() });
        assert_eq!(restored, Outcome::Restored { desc_sha256: desc_sha256.clone(), uefi_vars: None });
    }
    assert_eq!(host.guest(desc.id).unwrap().power, PowerState::Shutoff);
    assert_eq!(done!(delete_guest, DeleteGuestRequest {}), Outcome::Deleted);
    let gone = client.get_guest(pb::GetGuestRequest { guest_id: desc.id.to_string() }).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_accepting_and_doing_runs_once_and_a_late_one_never() {
    let (region, endpoint) = region(None).await;
    let folder = tempfile::tempdir().unwrap();
    let host = SimHost::start(SimOptions::new("h").region(endpoint).ledger_in(folder.path())).await.unwrap();
    let desc = desc();
    host.insert_guest(desc.clone());
    host.once(Verb::StartGuest, Behaviour::pace(Pace::HeldBefore));
    let first = header(desc.id, 1);
    client(&host).start_guest(start(&first)).await.unwrap();
    assert_eq!(host.wait_held(Verb::StartGuest).await, first.id);
    host.crash();
    assert!(client(&host).start_guest(start(&first)).await.is_err(), "nobody is there");
    host.restart().await.unwrap();
    assert_eq!(host.executed(first.id), 0);
    client(&host).start_guest(start(&first)).await.unwrap();
    assert_eq!(host.wait_ended(first.id).await, Outcome::Started);
    let again = client(&host).start_guest(start(&first)).await.unwrap().into_inner();
    assert_eq!(again, convert::ended(Outcome::Started));
    assert_eq!(host.executed(first.id), 1);

    host.once(Verb::StopGuest, Behaviour::pace(Pace::HeldBefore));
    let (stop, back) = (header(desc.id, 5), header(desc.id, 6));
    let request = pb::StopGuestRequest { operation: Some(stop.clone().into()), timeout_s: 1, force: true };
    client(&host).stop_guest(request.clone()).await.unwrap();
    host.wait_held(Verb::StopGuest).await;
    client(&host).start_guest(start(&back)).await.unwrap();
    assert!(matches!(host.wait_ended(stop.id).await, Outcome::Failed { .. }), "a later operation took its place");
    assert_eq!(host.wait_ended(back.id).await, Outcome::Started);
    assert_eq!(host.executed(stop.id), 0);
    let late = client(&host).start_guest(start(&header(desc.id, 4))).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);
    let reused = pb::StartGuestRequest { operation: Some(stop.into()) };
    assert_eq!(client(&host).start_guest(reused).await.unwrap_err().code(), Code::FailedPrecondition);
    region.until("registration after the restart", |heard| heard.registered.len() >= 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_and_reports_go_wrong_as_told() {
    let (region, endpoint) = region(None).await;
    let host = SimHost::start(SimOptions::new("h").region(endpoint)).await.unwrap();
    let desc = desc();
    host.insert_guest(desc.clone());
    let mut client = client(&host);
    let mut go = async |sequence, behaviour| {
        host.once(Verb::StartGuest, behaviour);
        let header = header(desc.id, sequence);
        let answer = client.start_guest(start(&header)).await.map(Response::into_inner);
        (header.id, answer)
    };

    let (id, answer) = go(1, Behaviour::pace(Pace::Inline)).await;
    assert_eq!(answer.unwrap(), convert::ended(Outcome::Started));
    host.wait_reported(id).await;

    let (id, answer) = go(2, Behaviour::reply(Reply::Lost)).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    host.wait_ended(id).await;
    assert_eq!(host.executed(id), 1);

    let (id, answer) = go(3, Behaviour::reply(Reply::Refuse(Code::ResourceExhausted))).await;
    assert_eq!(answer.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!((host.executed(id), host.ledger().highest_sequence(desc.id)), (0, 2));

    let (twice, _) = go(4, Behaviour::reports(Reports::Twice)).await;
    let failure = Failure { code: FailureCode::Qemu, message: "told to".into(), evidence: vec![] };
    // A later operation would take its place.
    host.wait_ended(twice).await;
    let (late, _) =
        go(5, Behaviour { fail: Some(failure.clone()), reports: Reports::Held, ..Behaviour::default() }).await;
    host.wait_ended(late).await;
    let (never, _) = go(6, Behaviour::reports(Reports::Never)).await;
    host.wait_ended(never).await;
    let (after, _) = go(7, Behaviour::default()).await;
    host.wait_reported(after).await;
    region.until("the repeated report", |heard| heard.reports_of(twice) == 2).await;
    assert_eq!((region.reports_of(late), region.reports_of(never)), (0, 0));
    host.release_report(late);
    host.wait_reported(late).await;
    assert_eq!(host.ledger().outcome(late), Some(Outcome::Failed { failure }));

    // Region forgets the host, and is away for a while: nothing is lost.
    region.heard.lock().unwrap().away = true;
    let (kept, _) = go(8, Behaviour::default()).await;
    host.wait_ended(kept).await;
    region.heard.lock().unwrap().forgotten = true;
    region.until("a new registration", |heard| heard.registered.len() == 2).await;
    assert_eq!(region.reports_of(kept), 0);
    region.heard.lock().unwrap().away = false;
    host.wait_reported(kept).await;
    assert_eq!(region.reports_of(kept), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_only_region_may_call() {
    service::install_crypto();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let region_tls = authority.issue("region.lifeboat");
    let host_tls = authority.issue("h.host.lifeboat");
    let (_region, endpoint) = region(Some(&region_tls)).await;
    let host = SimHost::start(SimOptions::new("h").region(endpoint).tls(host_tls.clone())).await.unwrap();
    host.wait_registered().await;
    let call = |tls: TlsConfig| {
        let channel = service::tls::channel(&host.endpoint(), "h.host.lifeboat", Some(&tls)).unwrap();
        async move { HostServiceClient::new(channel).get_host(pb::GetHostRequest {}).await }
    };
    assert_eq!(call(region_tls).await.unwrap().into_inner().host.unwrap().name, "h");
    assert_eq!(call(host_tls).await.unwrap_err().code(), Code::PermissionDenied);
    let channel = service::tls::channel(&host.endpoint().replace("https", "http"), "", None).unwrap();
    assert!(HostServiceClient::new(channel).get_host(pb::GetHostRequest {}).await.is_err());
}

struct Authority {
    folder: std::path::PathBuf,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new(folder: &std::path::Path) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        std::fs::write(folder.join("ca.pem"), parameters.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder: folder.to_owned(), issuer: rcgen::Issuer::new(parameters, key) }
    }
    fn issue(&self, name: &str) -> TlsConfig {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let (cert_path, key_path) = (self.folder.join(format!("{name}.pem")), self.folder.join(format!("{name}.key")));
        std::fs::write(&cert_path, parameters.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        service::files::write_atomic(&key_path, key.serialize_pem().as_bytes(), 0o600).unwrap();
        TlsConfig { ca: self.folder.join("ca.pem"), cert: cert_path, key: key_path }
    }
}
