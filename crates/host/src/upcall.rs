//! To region: who this host is, how its guests are, how operations ended. Region may be away at any time; then it is called again,
//! more and more slowly, and the ledger keeps what it is to be told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proto::region::v1 as pb;
use proto::region::v1::host_upcall_service_client::HostUpcallServiceClient;
use proto::version;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::Channel;

use crate::env::Env;
use crate::guest::actor::Own;
use crate::guest::manager::Manager;
use crate::system;

type Client = HostUpcallServiceClient<Channel>;

/// One call may take this long.
const CALL: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Many guests that change at once are told together.
const GATHER: Duration = Duration::from_millis(200);
/// The file in the workspace that holds the id region gave this host.
const HOST_ID: &str = "host-id";

/// The file in the workspace that holds the machine's start that region was told of last.
const BOOT_ID: &str = "boot-id";

/// The id that region gave this host; empty before the first registration.
#[must_use]
pub fn host_id(workspace: &Path) -> String {
    kept(workspace, HOST_ID)
}

fn kept(workspace: &Path, name: &str) -> String {
    std::fs::read_to_string(workspace.join(name)).map(|id| id.trim().to_owned()).unwrap_or_default()
}

fn keep(workspace: &Path, name: &str, id: &str) {
    let path = workspace.join(name);
    if let Err(error) = service::files::write_atomic(&path, id.as_bytes(), 0o600) {
        tracing::warn!(path = %path.display(), %error, "what region knows of this host can't be kept");
    }
}

/// Pauses between attempts: doubled each time, spread so that the hosts of a region do not all come back at once.
struct Pause(Duration);
impl Pause {
    const fn new() -> Self {
        Self(FIRST_PAUSE)
    }
    async fn wait(&mut self) {
        let mut byte = [0; 1];
        let _ = getrandom::fill(&mut byte);
        tokio::time::sleep(self.0.mul_f64(0.75 + f64::from(byte[0]) / 512.0)).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
    }
}

/// Reports for as long as it is awaited. `endpoint`: where region reaches this host.
pub async fn run(env: Arc<Env>, manager: Arc<Manager>, channel: Channel, endpoint: String) {
    let client = HostUpcallServiceClient::new(channel);
    loop {
        let registered = register(&env, client.clone(), &endpoint).await;
        tokio::select! {
            // Either ends when region does not know this host any more.
            () = heartbeats(&env, &manager, client.clone(), &registered) => {}
            () = reports(&env, client.clone(), &registered.host_id) => {}
        }
        tracing::info!("region does not know this host any more; registering again");
    }
}

async fn register(env: &Env, mut client: Client, endpoint: &str) -> pb::RegisterHostResponse {
    let mut pause = Pause::new();
    loop {
        let request = pb::RegisterHostRequest {
            host: Some(crate::grpc::info(env, &host_id(&env.config.workspace))),
            endpoint: endpoint.to_owned(),
            zone: env.config.zone.clone(),
            previous_boot_id: kept(&env.config.workspace, BOOT_ID),
        };
        match timeout(CALL, client.register_host(request)).await {
            Ok(Ok(response)) => {
                let response = response.into_inner();
                let region = version::Range::of(response.protocol.as_ref());
                if let Err(mismatch) = version::agree(region, version::OURS) {
                    tracing::error!(error = %mismatch, "this host and region can't work together");
                    pause.wait().await;
                    continue;
                }
                keep(&env.config.workspace, HOST_ID, &response.host_id);
                keep(&env.config.workspace, BOOT_ID, &env.machine_boot);
                tracing::info!(
                    host = response.host_id,
                    interval_s = response.heartbeat_interval_s,
                    "registered with region"
                );
                return response;
            }
            Ok(Err(error)) => tracing::warn!(%error, "region did not register this host"),
            Err(_) => tracing::warn!("region did not answer the registration within {CALL:?}"),
        }
        pause.wait().await;
    }
}

/// At the interval, and at once when a guest's state is another than was told last.
async fn heartbeats(env: &Env, manager: &Manager, mut client: Client, registered: &pb::RegisterHostResponse) {
    let interval = Duration::from_secs(registered.heartbeat_interval_s.max(1).into());
    let mut news = env.news.subscribe();
    let mut pause = Pause::new();
    let mut as_of_us = registered.now_us;
    loop {
        news.mark_unchanged();
        let told = manager.reports();
        let request = pb::HeartbeatRequest {
            host_id: registered.host_id.clone(),
            guests: told.iter().cloned().map(Into::into).collect(),
            memory_free_mib: system::memory_available_mib(),
            disk_free_mib: system::disk_free_mib(&env.config.workspace),
            protocol: Some(version::OURS.into()),
            as_of_us,
        };
        match timeout(CALL, client.heartbeat(request)).await {
            Ok(Ok(response)) => {
                pause = Pause::new();
                env.heard.send_replace(true);
                let response = response.into_inner();
                as_of_us = response.now_us;
                for guest in response.stay_off.iter().filter_map(|id| id.parse().ok()) {
                    if let Some(handle) = manager.existing(guest) {
                        handle.tell(Own::StayOff);
                    }
                }
            }
            Ok(Err(error)) if error.code() == Code::NotFound => return,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a heartbeat did not reach region");
                pause.wait().await;
                continue;
            }
            Err(_) => {
                tracing::warn!("region did not answer a heartbeat within {CALL:?}");
                pause.wait().await;
                continue;
            }
        }
        let differs = async {
            loop {
                if news.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(GATHER).await;
                let now = manager.reports();
                if now.len() != told.len() || now.iter().any(|report| !told.contains(report)) {
                    return;
                }
            }
        };
        let _ = timeout(interval, differs).await;
    }
}

/// What the ledger's outbox holds, until region has it.
async fn reports(env: &Env, mut client: Client, host_id: &str) {
    let mut news = env.news.subscribe();
    let mut pause = Pause::new();
    loop {
        news.mark_unchanged();
        let mut failed = false;
        for entry in env.ledger.outbox() {
            let request = pb::ReportRequest {
                host_id: host_id.to_owned(),
                operation_id: entry.operation.to_string(),
                outcome: Some(entry.outcome.into()),
            };
            match timeout(CALL, client.report(request)).await {
                Ok(Ok(_)) => {
                    if let Err(error) = env.ledger.acknowledged(entry.operation) {
                        tracing::warn!(%error, "an acknowledgement can't be recorded; the outcome is reported again later");
                    }
                }
                Ok(Err(error)) if error.code() == Code::NotFound => return,
                Ok(Err(error)) => {
                    tracing::warn!(operation = %entry.operation, %error, "an outcome did not reach region");
                    failed = true;
                }
                Err(_) => {
                    tracing::warn!(operation = %entry.operation, "region did not answer to an outcome within {CALL:?}");
                    failed = true;
                }
            }
        }
        if failed {
            pause.wait().await;
            continue;
        }
        pause = Pause::new();
        if news.changed().await.is_err() {
            return;
        }
    }
}
