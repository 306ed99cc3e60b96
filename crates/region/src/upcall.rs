//! What hosts and baremetal agents tell region. Each speaks for itself only: the name in its certificate says who it is.

pub mod names;
pub mod reports;

use chrono::{DateTime, Utc};
use db::agent::{BaremetalAgent, RescueImage};
use db::host::Host;
use proto::convert::parse;
use proto::host::v1 as host_pb;
use proto::region::v1 as pb;
use proto::region::v1::agent_upcall_service_server::AgentUpcallService;
use proto::region::v1::host_upcall_service_server::HostUpcallService;
use proto::version;
use service::tls::{agent_name, host_name, require_peer};
use tonic::{Request, Response, Status};
use types::operation::{GuestReport, Outcome};
use types::{AgentId, HostId, OperationId};

use crate::app::App;

#[derive(Clone)]
pub struct Upcall(pub App);

/// Failures of region's own are logged here and told without detail.
fn internal(error: impl std::error::Error) -> Status {
    tracing::error!(%error, "an upcall failed");
    Status::unavailable("region can't store this now; try again")
}

impl Upcall {
    fn tls(&self) -> bool {
        self.0.config.tls.is_some()
    }

    /// A host that region can't work with: its row says so where there is one, and so does an event. It falls silent, and so is offline.
    async fn refuse(&self, name: &str, program: &str, mismatch: version::Mismatch) -> Status {
        tracing::warn!(host = name, version = program, %mismatch, "a host is refused");
        let told = async {
            let mut conn = self.0.upcall_pool.get().await.map_err(internal)?;
            let seen = format!("{program} ({mismatch})");
            if let Some(id) = db::host::set_version(&mut conn, name, &seen).await.map_err(internal)? {
                crate::host::tell_once(&mut conn, id, name, "incompatible", false, seen).await.map_err(internal)?;
            }
            Ok::<_, Status>(())
        };
        match told.await {
            Ok(()) => Status::failed_precondition(mismatch.to_string()),
            Err(status) => status,
        }
    }

    /// The host that speaks. Its name never changes, so it is read once.
    async fn host_of<T>(&self, request: &Request<T>, id: &str) -> Result<HostId, Status> {
        let id: HostId = parse("host_id", id)?;
        let known = self.0.host_names.get(id);
        let name = match known {
            Some(name) => name,
            None => {
                let mut conn = self.0.upcall_pool.get().await.map_err(internal)?;
                let host = db::host::get(&mut conn, id).await.map_err(internal)?;
                let host = host.ok_or_else(|| Status::not_found("no such host: register again"))?;
                self.0.host_names.keep(id, host.name)
            }
        };
        require_peer(request, &host_name(&name), self.tls())?;
        Ok(id)
    }
}

#[tonic::async_trait]
impl HostUpcallService for Upcall {
    async fn register_host(
        &self,
        request: Request<pb::RegisterHostRequest>,
    ) -> Result<Response<pb::RegisterHostResponse>, Status> {
        let info = request.get_ref().host.clone().ok_or_else(|| Status::invalid_argument("host: is missing"))?;
        if !api::server::is_name(&info.name) {
            return Err(Status::invalid_argument("host.name: letters, digits, '-', '_' and '.' are wanted"));
        }
        require_peer(&request, &host_name(&info.name), self.tls())?;
        let message = request.into_inner();
        if let Err(mismatch) = version::agree(version::OURS, version::Range::of(info.protocol.as_ref())) {
            return Err(self.refuse(&info.name, &info.version, mismatch).await);
        }
        let now = Utc::now();
        let host = Host {
            id: HostId::generate(),
            name: info.name,
            zone: message.zone,
            endpoint: message.endpoint,
            version: info.version,
            arch: parse("host.arch", &info.arch)?,
            accelerator: info.accelerator,
            qemu_versions: info.qemu_versions.into(),
            cpus: i32::try_from(info.cpus).unwrap_or(i32::MAX),
            memory_mib: i64::try_from(info.memory_mib).unwrap_or(i64::MAX),
            memory_free_mib: i64::try_from(info.memory_mib).unwrap_or(i64::MAX),
            storage_free_mib: 0,
            enabled: true,
            last_heartbeat: now,
            created_at: now,
        };
        let mut conn = self.0.upcall_pool.get().await.map_err(internal)?;
        let (id, now) = db::host::register(&mut conn, &host).await.map_err(internal)?;
        tracing::info!(host = host.name, %id, endpoint = host.endpoint, "host registered");
        let (before, boot) = (message.previous_boot_id, info.boot_id);
        if !before.is_empty() && !boot.is_empty() && before != boot {
            tracing::warn!(host = host.name, %id, boot, "the host has rebooted");
            crate::host::tell_once(&mut conn, id, &host.name, "rebooted", true, format!("boot {boot}"))
                .await
                .map_err(internal)?;
        }
        let heartbeat_interval_s = self.0.config.heartbeat.interval_s;
        let protocol = Some(version::OURS.into());
        let now_us = now.timestamp_micros();
        Ok(Response::new(pb::RegisterHostResponse { host_id: id.to_string(), heartbeat_interval_s, protocol, now_us }))
    }

    async fn heartbeat(
        &self,
        request: Request<pb::HeartbeatRequest>,
    ) -> Result<Response<pb::HeartbeatResponse>, Status> {
        let host = self.host_of(&request, &request.get_ref().host_id).await?;
        let message = request.into_inner();
        if version::agree(version::OURS, version::Range::of(message.protocol.as_ref())).is_err() {
            return Err(Status::not_found("region does not speak this host's protocol (any more): register again"));
        }
        let guests: Vec<GuestReport> =
            message.guests.into_iter().map(GuestReport::try_from).collect::<Result<_, _>>()?;
        let mib = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let mut conn = self.0.upcall_pool.get().await.map_err(internal)?;
        let (memory, disk) = (mib(message.memory_free_mib), mib(message.disk_free_mib));
        let now = db::host::heartbeat(&mut conn, host, memory, disk).await.map_err(internal)?;
        let now_us = now.ok_or_else(|| Status::not_found("no such host: register again"))?.timestamp_micros();
        let powers: Vec<_> = guests.iter().map(|g| (g.guest, g.power)).collect();
        db::guest::set_powers(&mut conn, host, &powers).await.map_err(internal)?;
        let boot = |g: &GuestReport| i32::try_from(g.rescue_boot).unwrap_or(i32::MAX);
        let boots: Vec<_> =
            guests.iter().filter_map(|g| Some((g.guest, g.rescue_session?, boot(g), g.rescue_ready))).collect();
        if !boots.is_empty() {
            db::session::set_boots(&mut conn, host, &boots).await.map_err(internal)?;
        }
        drop(conn);
        let as_of = (message.as_of_us != 0).then(|| DateTime::from_timestamp_micros(message.as_of_us)).flatten();
        let stay_off = crate::guest::revive::revive(&self.0, host, &guests, as_of).await.map_err(internal)?;
        Ok(Response::new(pb::HeartbeatResponse {
            stay_off: stay_off.iter().map(ToString::to_string).collect(),
            now_us,
        }))
    }

    async fn report(&self, request: Request<pb::ReportRequest>) -> Result<Response<pb::ReportResponse>, Status> {
        let host = self.host_of(&request, &request.get_ref().host_id).await?;
        let message = request.into_inner();
        let operation: OperationId = parse("operation_id", &message.operation_id)?;
        let outcome = message.outcome.ok_or_else(|| Status::invalid_argument("outcome: is missing"))?;
        let outcome = Outcome::try_from(outcome)?;
        let value = serde_json::to_value(&outcome).map_err(internal)?;
        let Some(wanted) = self.0.reports.store(host, operation, value).await else {
            return Err(Status::unavailable("region can't store this now; try again"));
        };
        if !wanted {
            tracing::debug!(%host, %operation, "nobody waits for this report");
        }
        Ok(Response::new(pb::ReportResponse {}))
    }
}

#[tonic::async_trait]
impl AgentUpcallService for Upcall {
    async fn register_agent(
        &self,
        request: Request<pb::RegisterAgentRequest>,
    ) -> Result<Response<pb::RegisterAgentResponse>, Status> {
        if !api::server::is_name(&request.get_ref().name) {
            return Err(Status::invalid_argument("name: letters, digits, '-', '_' and '.' are wanted"));
        }
        require_peer(&request, &agent_name(&request.get_ref().name), self.tls())?;
        let message = request.into_inner();
        let now = Utc::now();
        let agent = BaremetalAgent {
            id: AgentId::generate(),
            images: serde_json::to_value(self.verified(&message.name, message.images)).map_err(internal)?,
            name: message.name,
            zone: message.zone,
            http_endpoint: message.http_endpoint,
            tftp_endpoint: message.tftp_endpoint,
            version: message.version,
            enabled: true,
            draining: false,
            transfers: 0,
            last_heartbeat: now,
            created_at: now,
        };
        let mut conn = self.0.upcall_pool.get().await.map_err(internal)?;
        let id = db::agent::register(&mut conn, &agent).await.map_err(internal)?;
        tracing::info!(agent = agent.name, %id, endpoint = agent.http_endpoint, "baremetal agent registered");
        let heartbeat_interval_s = self.0.config.heartbeat.interval_s;
        Ok(Response::new(pb::RegisterAgentResponse { agent_id: id.to_string(), heartbeat_interval_s }))
    }

    async fn agent_heartbeat(
        &self,
        request: Request<pb::AgentHeartbeatRequest>,
    ) -> Result<Response<pb::AgentHeartbeatResponse>, Status> {
        let id: AgentId = parse("agent_id", &request.get_ref().agent_id)?;
        let mut conn = self.0.upcall_pool.get().await.map_err(internal)?;
        let agent = db::agent::get(&mut conn, id).await.map_err(internal)?;
        let agent = agent.ok_or_else(|| Status::not_found("no such agent: register again"))?;
        require_peer(&request, &agent_name(&agent.name), self.tls())?;
        let message = request.into_inner();
        let transfers = i32::try_from(message.transfers).unwrap_or(i32::MAX);
        let images = serde_json::to_value(self.verified(&agent.name, message.images)).map_err(internal)?;
        db::agent::heartbeat(&mut conn, id, &images, message.draining, transfers).await.map_err(internal)?;
        Ok(Response::new(pb::AgentHeartbeatResponse {}))
    }
}

impl Upcall {
    /// The images whose manifest a trusted key has signed, as the manifest describes them; what the agent says beside it counts for nothing.
    fn verified(&self, agent: &str, images: Vec<pb::AgentImage>) -> Vec<RescueImage> {
        let mut verified = Vec::with_capacity(images.len());
        for image in images {
            let claimed = image.image.as_ref().map(|i: &host_pb::RescueImage| i.name.clone()).unwrap_or_default();
            match self.0.trust.verify(&image.manifest, image.signature.as_bytes(), Utc::now()) {
                Ok(manifest) => verified.push(RescueImage {
                    kernel: (&manifest.kernel).into(),
                    initramfs: (&manifest.initramfs).into(),
                    name: manifest.name,
                    version: manifest.version,
                    serial: manifest.serial,
                    arch: manifest.arch,
                    cmdline: manifest.cmdline,
                    min_memory_mib: manifest.min_memory_mib,
                    drivers: manifest.drivers,
                }),
                Err(reason) => tracing::warn!(agent, image = claimed, %reason, "an image is not offered"),
            }
        }
        verified
    }
}
