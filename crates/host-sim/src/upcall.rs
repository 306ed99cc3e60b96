//! To region: registration, heartbeats, reports. Each goes on until the host crashes; region may be away at any time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use proto::region::v1 as pb;
use proto::region::v1::host_upcall_service_client::HostUpcallServiceClient;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Channel;
use types::id::OperationId;

use crate::behaviour::Reports;
use crate::core::Core;
use crate::grpc::info;

type Client = HostUpcallServiceClient<Channel>;

/// One call may take this long.
const CALL: Duration = Duration::from_secs(10);

/// Runs until the end of this life. `endpoint` is where region reaches this host.
pub(crate) async fn run(core: Arc<Core>, endpoint: String, life: CancellationToken) {
    tokio::select! {
        () = life.cancelled() => {}
        () = follow_region(&core, &endpoint) => {}
    }
}

/// Whenever region's address changes, begins anew.
async fn follow_region(core: &Core, endpoint: &str) {
    loop {
        let region = core.until(|state| state.region.clone()).await;
        let moved = core.until(|state| (state.region.as_ref() != Some(&region)).then_some(()));
        match service::tls::channel(&region, service::tls::REGION, core.options.tls.as_ref()) {
            Ok(channel) => tokio::select! {
                () = moved => {}
                () = serve_region(core, HostUpcallServiceClient::new(channel), endpoint) => {}
            },
            Err(error) => {
                tracing::error!(%error, "region can't be called");
                moved.await;
            }
        }
    }
}

async fn serve_region(core: &Core, client: Client, endpoint: &str) {
    loop {
        let (interval, now_us) = register(core, client.clone(), endpoint).await;
        tokio::select! {
            // Ends when region does not know this host any more.
            () = heartbeats(core, client.clone(), interval.min(core.options.heartbeat_at_least), now_us) => {}
            () = reports(core, client.clone()) => {}
        }
    }
}

/// The heartbeat's interval, and region's time.
async fn register(core: &Core, mut client: Client, endpoint: &str) -> (Duration, i64) {
    loop {
        let request = pb::RegisterHostRequest {
            host: Some(info(core)),
            endpoint: endpoint.to_owned(),
            zone: core.options.zone.clone(),
            previous_boot_id: core.state().told_boot.clone(),
        };
        match timeout(CALL, client.register_host(request)).await {
            Ok(Ok(response)) => {
                let response = response.into_inner();
                core.change(|state| {
                    state.host_id = response.host_id;
                    state.told_boot = state.boot_id();
                    state.registrations += 1;
                });
                return (Duration::from_secs(response.heartbeat_interval_s.max(1).into()), response.now_us);
            }
            Ok(Err(error)) => tracing::debug!(host = core.options.name, %error, "region did not register this host"),
            Err(_) => tracing::debug!(host = core.options.name, "region did not answer the registration"),
        }
        tokio::time::sleep(core.options.retry).await;
    }
}

/// At the interval, and at once when a guest changed.
async fn heartbeats(core: &Core, mut client: Client, interval: Duration, mut as_of_us: i64) {
    let mut changes = core.watch();
    loop {
        changes.borrow_and_update();
        core.until(|state| (!state.mute).then_some(())).await;
        let sent = core.reports();
        let (host_id, protocol) = {
            let state = core.state();
            (state.host_id.clone(), state.protocol.map(Into::into))
        };
        let request = pb::HeartbeatRequest {
            host_id,
            guests: sent.iter().cloned().map(Into::into).collect(),
            memory_free_mib: core.options.memory_mib,
            disk_free_mib: 1 << 20,
            protocol,
            as_of_us,
        };
        match timeout(CALL, client.heartbeat(request)).await {
            Ok(Ok(response)) => {
                let pb::HeartbeatResponse { stay_off, now_us } = response.into_inner();
                as_of_us = now_us;
                core.change(|state| {
                    state.heartbeats += 1;
                    for guest in stay_off.iter().filter_map(|id| id.parse().ok()) {
                        if let Some(guest) = state.guests.guests.get_mut(&guest) {
                            guest.interrupted = false;
                        }
                    }
                });
                let changed = core.until(|state| {
                    let now = state.guests.guests.values();
                    let same = now.len() == sent.len() && now.map(|guest| guest.report()).all(|it| sent.contains(&it));
                    (!same).then_some(())
                });
                if timeout(interval, changed).await.is_ok() {
                    tokio::time::sleep(core.options.gather).await;
                }
            }
            Ok(Err(error)) if error.code() == Code::NotFound => return,
            _ => tokio::time::sleep(core.options.retry).await,
        }
    }
}

async fn reports(core: &Core, mut client: Client) {
    let mut repeated = HashSet::<OperationId>::new();
    let mut changes = core.watch();
    loop {
        changes.borrow_and_update();
        let mut failed = false;
        for entry in core.ledger.outbox() {
            let (mode, host_id) = {
                let state = core.state();
                (state.reports.get(&entry.operation).copied().unwrap_or_default(), state.host_id.clone())
            };
            if matches!(mode, Reports::Held | Reports::Never) {
                continue;
            }
            let request = pb::ReportRequest {
                host_id,
                operation_id: entry.operation.to_string(),
                outcome: Some(entry.outcome.into()),
            };
            match timeout(CALL, client.report(request)).await {
                Ok(Ok(_)) => {
                    core.change(|state| state.reported.push(entry.operation));
                    if mode == Reports::Twice && repeated.insert(entry.operation) {
                        continue;
                    }
                    if let Err(error) = core.ledger.acknowledged(entry.operation) {
                        tracing::error!(%error, "the acknowledgement could not be recorded");
                    }
                }
                Ok(Err(error)) if error.code() == Code::NotFound => return,
                _ => failed = true,
            }
        }
        if failed {
            tokio::time::sleep(core.options.retry).await;
        } else if changes.changed().await.is_err() {
            return;
        }
    }
}
