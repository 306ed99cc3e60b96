//! A host that has gone bad, with a good certificate of its own: it speaks for itself and its guests, and for nobody else.

use std::path::Path;
use std::time::Duration;

use api::rescue::RescueSessions;
use api::server::StartRescue;
use api::task::TaskState;
use host_sim::{Behaviour, Pace, Verb};
use proto::region::v1 as pb;
use proto::region::v1::agent_upcall_service_client::AgentUpcallServiceClient;
use proto::region::v1::host_upcall_service_client::HostUpcallServiceClient;
use region::{Config, Region};
use service::tls::TlsConfig;
use testing::Stack;
use tonic::Code;
use types::operation::{Failure, FailureCode, GuestReport, Outcome};
use types::{GuestStatus, PowerState};

fn host(name: &str) -> pb::RegisterHostRequest {
    let host = proto::host::v1::HostInfo {
        name: name.into(),
        version: "0".into(),
        arch: "x86_64".into(),
        qemu_versions: vec!["10.0.2".into()],
        accelerator: "tcg".into(),
        cpus: 8,
        memory_mib: 1 << 14,
        boot_id: "1".into(),
        protocol: Some(proto::version::OURS.into()),
        ..Default::default()
    };
    pb::RegisterHostRequest {
        host: Some(host),
        endpoint: "http://127.0.0.1:1".into(),
        zone: "default".into(),
        previous_boot_id: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_says_nothing_of_anothers_guests() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    let mut bad = HostUpcallServiceClient::connect(format!("http://{}", stack.config().grpc.listen)).await.unwrap();
    let host_id = bad.register_host(host("bad")).await.unwrap().into_inner().host_id;

    // The outcome of an operation that another host is at.
    stack.host.on(Verb::AwaitReady, Behaviour { pace: Pace::HeldBefore, ..Behaviour::default() });
    let accepted = stack.client.perform("web1", &StartRescue::default()).await.unwrap();
    let operation = stack.host.wait_held(Verb::AwaitReady).await;
    let failure = Failure { code: FailureCode::Qemu, message: "forged".into(), evidence: vec![] };
    let report = |host_id: &str| pb::ReportRequest {
        host_id: host_id.to_owned(),
        operation_id: operation.to_string(),
        outcome: Some(Outcome::Failed { failure: failure.clone() }.into()),
    };
    bad.report(report(&host_id)).await.unwrap();
    let task = accepted.task.unwrap().id;
    let shown = stack.client.get::<api::task::Tasks>(&task.to_string()).await.unwrap();
    assert_eq!((shown.stage.as_str(), shown.way_back, shown.is_complete), ("await_ready", false, false), "{shown:?}");
    stack.host.release(operation);
    let ended = stack.ended(task).await;
    assert_eq!(ended.state, TaskState::Succeeded, "{:?}", ended.cause);

    // What it says of another's guest: that it is off, was interrupted, and boots for the ninety-ninth time without having proven anything.
    let session = stack.show("web1").await.rescue_session_id.unwrap();
    let forged = GuestReport {
        guest,
        power: PowerState::Shutoff,
        rescue_session: Some(session),
        rescue_boot: 99,
        rescue_ready: false,
        interrupted: true,
    };
    let beat = pb::HeartbeatRequest {
        host_id,
        guests: vec![forged.into()],
        memory_free_mib: 1,
        disk_free_mib: 1,
        protocol: Some(proto::version::OURS.into()),
        as_of_us: 0,
    };
    for _ in 0..2 {
        bad.heartbeat(beat.clone()).await.unwrap();
    }
    stack.host.wait_heartbeat().await;
    let server = stack.show("web1").await;
    assert_eq!((server.status, server.power_state), (GuestStatus::Rescue, PowerState::Running));
    let session = stack.client.get::<RescueSessions>(&session.to_string()).await.unwrap();
    assert_eq!((session.boot, session.is_ready), (1, true));
    stack.finish().await;
}

/// Signs certificates into a folder.
struct Authority<'a>(&'a Path, rcgen::Issuer<'static, rcgen::KeyPair>);

impl<'a> Authority<'a> {
    fn new(folder: &'a Path) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        std::fs::write(folder.join("ca.pem"), parameters.self_signed(&key).unwrap().pem()).unwrap();
        Self(folder, rcgen::Issuer::new(parameters, key))
    }
    fn issue(&self, name: &str) -> TlsConfig {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let at = |end: &str| self.0.join(format!("{name}.{end}"));
        std::fs::write(at("pem"), parameters.signed_by(&key, &self.1).unwrap().pem()).unwrap();
        service::files::write_atomic(&at("key"), key.serialize_pem().as_bytes(), 0o600).unwrap();
        TlsConfig { ca: self.0.join("ca.pem"), cert: at("pem"), key: at("key") }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_the_certificates_and_no_other() {
    service::install_crypto();
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = Authority::new(folder.path());
    let database = pg_cluster::TestServer::shared().database(None).unwrap();
    let mut config = Config::default();
    config.http.listen = "127.0.0.1:0".into();
    config.grpc.listen = "127.0.0.1:0".into();
    config.database.url = database.url().into();
    config.database.pool = 4;
    config.bootstrap.password_file = folder.path().join("password");
    config.secrets.key_file = folder.path().join("key");
    config.tls = Some(authority.issue(service::tls::REGION));
    let region = Region::start_with(config, Box::new(|engine| engine)).await.unwrap();
    let endpoint = format!("https://{}", region.grpc);
    let channel = |tls: &TlsConfig| service::tls::channel(&endpoint, service::tls::REGION, Some(tls)).unwrap();
    let code = |answer: Result<(), tonic::Status>| answer.err().map(|status| status.code());

    let (h1, h2) = (authority.issue("h1.host.lifeboat"), authority.issue("h2.host.lifeboat"));
    let mut first = HostUpcallServiceClient::new(channel(&h1));
    let id = first.register_host(host("h1")).await.unwrap().into_inner().host_id;
    let mut second = HostUpcallServiceClient::new(channel(&h2));
    second.register_host(host("h2")).await.unwrap();

    // Another's name, another's id, another kind's certificate.
    let denied = Some(Code::PermissionDenied);
    assert_eq!(code(second.register_host(host("h1")).await.map(drop)), denied);
    let beat = pb::HeartbeatRequest {
        host_id: id.clone(),
        protocol: Some(proto::version::OURS.into()),
        ..pb::HeartbeatRequest::default()
    };
    assert_eq!(code(second.heartbeat(beat.clone()).await.map(drop)), denied);
    let outcome = Outcome::Deleted;
    let report = pb::ReportRequest {
        host_id: id,
        operation_id: types::OperationId::generate().to_string(),
        outcome: Some(outcome.into()),
    };
    assert_eq!(code(second.report(report).await.map(drop)), denied);
    let agent = pb::RegisterAgentRequest { name: "h1".into(), zone: "default".into(), ..Default::default() };
    let mut as_agent = AgentUpcallServiceClient::new(channel(&h1));
    assert_eq!(code(as_agent.register_agent(agent).await.map(drop)), denied);
    let mut operator = HostUpcallServiceClient::new(channel(&authority.issue(service::tls::OPERATOR)));
    assert_eq!(code(operator.heartbeat(beat.clone()).await.map(drop)), denied);
    assert_eq!(code(first.heartbeat(beat.clone()).await.map(drop)), None);

    // A certificate of another authority, in the right name; and none.
    let stranger = Authority::new(other.path()).issue("h1.host.lifeboat");
    let stranger = TlsConfig { ca: h1.ca.clone(), ..stranger };
    let mut stranger = HostUpcallServiceClient::new(channel(&stranger));
    let limit = Duration::from_secs(30);
    assert!(tokio::time::timeout(limit, stranger.heartbeat(beat.clone())).await.unwrap().is_err());
    let plain = HostUpcallServiceClient::connect(format!("http://{}", region.grpc)).await;
    if let Ok(mut plain) = plain {
        assert!(tokio::time::timeout(limit, plain.heartbeat(beat)).await.unwrap().is_err());
    }
    region.kill().await;
}
