//! The host service: decode, hand to the ledger and the guest's owner, encode. No decision about a guest is made here.

mod console;
mod look;
mod vnc;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use artifact::Wanted;
use ledger::Begin;
use proto::Malformed;
use proto::convert::{self, Header, parse};
use proto::host::v1 as pb;
use proto::host::v1::host_service_server::HostService;
use sha2::{Digest, Sha256};
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::field::display;
use types::desc::RescueSection;
use types::id::{GuestId, OperationId};
use types::operation::OperationHeader;
use types::rescue::hex;
use types::secret::Secret;
use types::status::{OverlayEnd, RescueNetwork};

use crate::env::Env;
use crate::guest::manager::{Handle, Manager};
use crate::guest::verb::Asked;
use crate::guest::{Work, desc};

/// What ends so soon is answered with its outcome; what takes longer is reported.
const AT_ONCE: Duration = Duration::from_millis(300);

/// The host service.
#[derive(Debug, Clone)]
pub struct Service {
    pub env: Arc<Env>,
    pub manager: Arc<Manager>,
    /// Cancelled when the agent is about to end.
    pub draining: CancellationToken,
}

type Answer = Result<Response<pb::OperationReply>, Status>;

/// What this host is, as region is told.
#[must_use]
pub fn info(env: &Env, host_id: &str) -> pb::HostInfo {
    pb::HostInfo {
        host_id: host_id.to_owned(),
        name: env.config.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        arch: std::env::consts::ARCH.into(),
        qemu_versions: env.qemu.versions(),
        accelerator: env.accelerator.as_str().into(),
        cpus: crate::system::cpus(),
        memory_mib: crate::system::memory_mib(),
        workspace: env.config.workspace.to_string_lossy().into_owned(),
        boot_id: env.machine_boot.clone(),
        protocol: Some(proto::version::OURS.into()),
    }
}

#[allow(clippy::result_large_err, reason = "tonic's own error type")]
impl Service {
    fn allowed<T>(&self, request: &Request<T>) -> Result<(), Status> {
        service::tls::require_peer(request, service::tls::REGION, self.env.config.tls.is_some())
    }

    /// What changes nothing an operator may ask as well.
    fn may_look<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let operator = || service::tls::require_peer(request, service::tls::OPERATOR, self.env.config.tls.is_some());
        self.allowed(request).or_else(|refused| operator().map_err(|_| refused))
    }

    fn guest(&self, id: &str) -> Result<Handle, Status> {
        let id: GuestId = parse("guest_id", id)?;
        self.manager.existing(id).ok_or_else(|| Status::not_found(format!("there is no guest {id} on this host")))
    }

    /// Every operation goes this way. `bare` is the request without its header: what must be the same in a repeat.
    async fn operate(&self, header: Option<pb::Operation>, bare: &impl prost::Message, work: Work) -> Answer {
        let header = Header::try_from(header)?.0;
        note(&header);
        if self.draining.is_cancelled() {
            return Err(Status::unavailable("this host's agent is shutting down; try again"));
        }
        let fingerprint = hex(&Sha256::digest([work.name().as_bytes(), b"\0", &bare.encode_to_vec()].concat()));
        let begin = self.env.ledger.begin_async(&header, &fingerprint).await;
        match begin.map_err(|error| Status::internal(format!("the ledger: {error}")))? {
            Begin::Ended(outcome) => return Ok(Response::new(convert::ended(outcome))),
            Begin::Refused(refusal) => return Err(Status::failed_precondition(refusal.to_string())),
            Begin::Fresh | Begin::InProgress => {}
        }
        let handle = self.manager.handle(header.guest).map_err(|failure| Status::internal(failure.message))?;
        let Some(outcome) = handle.operate(header, work) else {
            return Err(Status::resource_exhausted("too many operations wait for this guest"));
        };
        Ok(Response::new(match tokio::time::timeout(AT_ONCE, outcome).await {
            Ok(Ok(outcome)) => convert::ended(outcome),
            Ok(Err(_)) | Err(_) => {
                let (text, bytes) = handle.progress();
                convert::pending(text, bytes)
            }
        }))
    }
}

/// Puts the operation's ids on every line of the log that the request causes from here on.
fn note(header: &OperationHeader) {
    let span = tracing::Span::current();
    span.record("request_id", header.request_id.as_str());
    span.record("task_id", display(header.task));
    span.record("server_id", display(header.guest));
    span.record("operation", display(header.id));
}

/// A desc that may become, or stay, the guest's.
fn described(header: Option<&pb::Operation>, desc_json: &str) -> Result<types::desc::Desc, Malformed> {
    let desc = convert::desc(desc_json)?;
    let wrong = |problem| Malformed { field: "desc_json", problem };
    desc::check(&desc).map_err(wrong)?;
    if header.is_some_and(|header| header.guest_id != desc.id.to_string()) {
        return Err(wrong("it describes another guest than the operation is for".into()));
    }
    Ok(desc)
}

/// The number of a request to a rescue system, from the operation's id; one that is no UUID is refused elsewhere.
fn request_id(operation: &str) -> u64 {
    operation.parse::<OperationId>().map_or(0, |id| id.uuid().as_u64_pair().1)
}

fn image(image: Option<&pb::RescueImage>) -> Result<Wanted, Malformed> {
    let image = image.ok_or(Malformed { field: "image", problem: "is missing".into() })?;
    Ok(Wanted {
        name: image.name.clone(),
        version: image.version.clone(),
        serial: image.serial,
        kernel: convert::boot_file("image.kernel", image.kernel.clone())?,
        initramfs: convert::boot_file("image.initramfs", image.initramfs.clone())?,
        cmdline: image.cmdline.clone(),
        min_memory_mib: image.min_memory_mib,
    })
}

#[tonic::async_trait]
impl HostService for Service {
    async fn get_host(&self, request: Request<pb::GetHostRequest>) -> Result<Response<pb::GetHostResponse>, Status> {
        self.may_look(&request)?;
        let id = crate::upcall::host_id(&self.env.config.workspace);
        Ok(Response::new(pb::GetHostResponse { host: Some(info(&self.env, &id)) }))
    }

    async fn list_guests(
        &self,
        request: Request<pb::ListGuestsRequest>,
    ) -> Result<Response<pb::ListGuestsResponse>, Status> {
        self.may_look(&request)?;
        let guests = self.manager.reports().into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListGuestsResponse { guests }))
    }

    async fn get_guest(&self, request: Request<pb::GetGuestRequest>) -> Result<Response<pb::GetGuestResponse>, Status> {
        self.may_look(&request)?;
        Ok(Response::new(look::guest(&self.guest(&request.get_ref().guest_id)?)))
    }

    async fn get_serial_log(
        &self,
        request: Request<pb::GetSerialLogRequest>,
    ) -> Result<Response<pb::GetSerialLogResponse>, Status> {
        self.may_look(&request)?;
        let handle = self.guest(&request.get_ref().guest_id)?;
        look::serial_log(&handle, request.get_ref().max_bytes).map(Response::new)
    }

    async fn screendump(
        &self,
        request: Request<pb::ScreendumpRequest>,
    ) -> Result<Response<pb::ScreendumpResponse>, Status> {
        self.may_look(&request)?;
        look::screendump(&self.guest(&request.get_ref().guest_id)?).await.map(Response::new)
    }

    async fn get_desc(&self, request: Request<pb::GetDescRequest>) -> Result<Response<pb::GetDescResponse>, Status> {
        self.may_look(&request)?;
        let stored = self.guest(&request.get_ref().guest_id)?.desc();
        let stored = stored.map_err(|failure| Status::internal(failure.message))?;
        let stored = stored.ok_or_else(|| Status::not_found("the guest has just been deleted"))?;
        let sha256 = stored.sha256();
        Ok(Response::new(pb::GetDescResponse {
            desc_json: String::from_utf8_lossy(&stored.bytes).into_owned(),
            sha256,
        }))
    }

    async fn create_guest(&self, request: Request<pb::CreateGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let desc = described(header.as_ref(), &request.desc_json)?;
        self.operate(header, &request, Work::Create(Box::new(desc))).await
    }

    async fn start_guest(&self, request: Request<pb::StartGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        self.operate(header, &request, Work::Start).await
    }

    async fn stop_guest(&self, request: Request<pb::StopGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::Stop { timeout_s: request.timeout_s, force: request.force };
        self.operate(header, &request, work).await
    }

    async fn delete_guest(&self, request: Request<pb::DeleteGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        self.operate(header, &request, Work::Delete).await
    }

    async fn preflight_rescue(&self, request: Request<pb::PreflightRescueRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let image = Box::new(image(request.image.as_ref())?);
        let disk_mode = parse("disk_mode", &request.disk_mode)?;
        let qemu_version = convert::optional(&request.qemu_version);
        let network = convert::parse_optional("network", &request.network)?.unwrap_or(RescueNetwork::Full);
        let work = Work::Preflight { image, disk_mode, qemu_version, network };
        self.operate(header, &request, work).await
    }

    async fn prepare_rescue(&self, request: Request<pb::PrepareRescueRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let image = Box::new(image(request.image.as_ref())?);
        let work = Work::Prepare { image, endpoints: request.endpoints.clone() };
        self.operate(header, &request, work).await
    }

    async fn write_rescue_desc(&self, request: Request<pb::WriteRescueDescRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let image = image(request.image.as_ref())?;
        let section = RescueSection {
            session: parse("session_id", &request.session_id)?,
            image: format!("{} {}", image.name, image.version),
            kernel: image.kernel,
            initramfs: image.initramfs,
            cmdline: image.cmdline,
            disk_mode: parse("disk_mode", &request.disk_mode)?,
            qemu_version: convert::optional(&request.qemu_version),
            network: convert::parse_optional("network", &request.network)?,
        };
        self.operate(header, &request, Work::WriteDesc(Box::new(section))).await
    }

    async fn start_rescue(&self, request: Request<pb::StartRescueRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let hash = Some(request.password_hash.clone()).filter(|hash| !hash.is_empty());
        let work = Work::StartRescue {
            session: parse("session_id", &request.session_id)?,
            ssh_keys: request.ssh_keys.clone(),
            password_hash: hash.map(Secret::new),
            fresh: request.fresh_overlays,
        };
        self.operate(header, &request, work).await
    }

    async fn await_ready(&self, request: Request<pb::AwaitReadyRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let session = parse("session_id", &request.session_id)?;
        let work = Work::AwaitReady { session, timeout_s: request.timeout_s };
        self.operate(header, &request, work).await
    }

    async fn run_in_rescue(&self, request: Request<pb::RunInRescueRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let wrong = |e| Status::invalid_argument(format!("verb_json: {e}"));
        let asked = Asked {
            session: parse("session_id", &request.session_id)?,
            // The same for a repeated request, and another for every other.
            id: header.as_ref().map(|it| request_id(&it.id)).unwrap_or_default(),
            verb: serde_json::from_str(&request.verb_json).map_err(wrong)?,
            timeout: Duration::from_secs(request.timeout_s.into()),
        };
        self.operate(header, &request, Work::RunInRescue(Box::new(asked))).await
    }

    async fn confirm_boot(&self, request: Request<pb::ConfirmBootRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let session = parse("session_id", &request.session_id)?;
        self.operate(header, &request, Work::ConfirmBoot { session, timeout_s: request.timeout_s }).await
    }

    async fn restore_desc(&self, request: Request<pb::RestoreDescRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let overlay = convert::parse_optional("overlay", &request.overlay)?.unwrap_or(OverlayEnd::Discard);
        let work = Work::Restore { session: parse("session_id", &request.session_id)?, overlay };
        self.operate(header, &request, work).await
    }

    async fn reset_guest(&self, request: Request<pb::ResetGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        self.operate(header, &request, Work::Reset).await
    }

    async fn suspend_guest(&self, request: Request<pb::SuspendGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        self.operate(header, &request, Work::Suspend).await
    }

    async fn resume_guest(&self, request: Request<pb::ResumeGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        self.operate(header, &request, Work::Resume).await
    }

    async fn change_guest(&self, request: Request<pb::ChangeGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let desc = described(header.as_ref(), &request.desc_json)?;
        self.operate(header, &request, Work::Change(Box::new(desc))).await
    }

    async fn resize_disk(&self, request: Request<pb::ResizeDiskRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::ResizeDisk { disk: parse("disk_id", &request.disk_id)?, size_mib: request.size_mib };
        self.operate(header, &request, work).await
    }

    async fn delete_disk(&self, request: Request<pb::DeleteDiskRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::DeleteDisk(parse("disk_id", &request.disk_id)?);
        self.operate(header, &request, work).await
    }

    async fn create_snapshot(&self, request: Request<pb::SnapshotRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::CreateSnapshot(parse("snapshot_id", &request.snapshot_id)?);
        self.operate(header, &request, work).await
    }

    async fn revert_snapshot(&self, request: Request<pb::SnapshotRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::RevertSnapshot(parse("snapshot_id", &request.snapshot_id)?);
        self.operate(header, &request, work).await
    }

    async fn delete_snapshot(&self, request: Request<pb::SnapshotRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::DeleteSnapshot(parse("snapshot_id", &request.snapshot_id)?);
        self.operate(header, &request, work).await
    }

    type ConsoleStream = Pin<Box<dyn Stream<Item = Result<pb::ConsoleOutput, Status>> + Send>>;

    async fn console(
        &self,
        request: Request<Streaming<pb::ConsoleInput>>,
    ) -> Result<Response<Self::ConsoleStream>, Status> {
        self.allowed(&request)?;
        let mut input = request.into_inner();
        let first = first(&mut input).await?;
        let console = self.guest(&first.guest_id)?.console().clone();
        Ok(Response::new(console::stream(console, first.data, input, self.draining.clone())))
    }

    type VncStream = Self::ConsoleStream;

    async fn vnc(&self, request: Request<Streaming<pb::ConsoleInput>>) -> Result<Response<Self::VncStream>, Status> {
        self.allowed(&request)?;
        let mut input = request.into_inner();
        let first = first(&mut input).await?;
        let handle = self.guest(&first.guest_id)?;
        let socket = handle.vnc_socket();
        let stream = tokio::net::UnixStream::connect(&socket).await;
        let stream = stream.map_err(|error| {
            tracing::debug!(guest = first.guest_id, %error, "no VNC socket");
            Status::failed_precondition("the guest shows no screen: it is off, or was started without VNC")
        })?;
        Ok(Response::new(vnc::stream(stream, first.data, input, self.draining.clone())))
    }
}

/// The first message of a stream, which names the guest.
async fn first(input: &mut Streaming<pb::ConsoleInput>) -> Result<pb::ConsoleInput, Status> {
    let missing = || Status::invalid_argument("the first input names the guest");
    let first = tokio::time::timeout(Duration::from_secs(10), input.message()).await.map_err(|_| missing())?;
    first?.ok_or_else(missing)
}
