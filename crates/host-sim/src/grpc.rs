//! The host service: decode, hand to the core, encode.

use std::pin::Pin;
use std::sync::Arc;

use proto::convert::{self, Header, parse, parse_optional};
use proto::host::v1 as pb;
use proto::host::v1::host_service_server::HostService;
use sha2::{Digest, Sha256};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use types::desc::RescueSection;
use types::id::{GuestId, SessionId};
use types::rescue::hex;
use types::status::{OverlayEnd, RescueNetwork};

use crate::behaviour::{Pace, Reply, Verb};
use crate::core::{self, Accepted, Core};
use crate::guests::{Work, digest};

/// The service of one life of a host.
#[derive(Clone)]
pub(crate) struct Service {
    pub core: Arc<Core>,
    pub life: CancellationToken,
}

type Answer = Result<Response<pb::OperationReply>, Status>;

#[allow(clippy::result_large_err, reason = "tonic's own error type")]
impl Service {
    fn allowed<T>(&self, request: &Request<T>) -> Result<(), Status> {
        service::tls::require_peer(request, service::tls::REGION, self.core.options.tls.is_some())?;
        if self.core.state().draining {
            return Err(Status::unavailable("this host is draining"));
        }
        Ok(())
    }

    /// Every operation goes this way. `bare` is the request without its header.
    async fn operate(
        &self,
        verb: Verb,
        header: Option<pb::Operation>,
        bare: &impl prost::Message,
        work: Work,
    ) -> Answer {
        let header = Header::try_from(header)?.0;
        let fingerprint = hex(&Sha256::digest([verb.to_string().as_bytes(), b"\0", &bare.encode_to_vec()].concat()));
        let (id, guest) = (header.id, header.guest);
        let behaviour = self.core.behaviour(verb, guest);
        if let Reply::Refuse(code) = behaviour.reply {
            return Err(Status::new(code, "refused by the test"));
        }
        let request = core::Request { header, verb, work, fingerprint };
        let accepted = self.core.accept(request, &behaviour, &self.life).await;
        let accepted = accepted.map_err(|error| Status::internal(error.to_string()))?;
        let reply = match accepted {
            Accepted::Refused(refusal) => return Err(Status::failed_precondition(refusal.to_string())),
            Accepted::Ended(outcome) => convert::ended(outcome),
            Accepted::Running if behaviour.pace == Pace::Inline || behaviour.reply == Reply::AtEnd => {
                convert::ended(self.core.ended(id).await)
            }
            Accepted::Running => convert::pending(format!("{verb} is simulated"), behaviour.bytes),
        };
        if behaviour.reply == Reply::Lost {
            return Err(Status::unavailable("the reply was lost"));
        }
        Ok(Response::new(reply))
    }

    fn guest(&self, id: &str) -> Result<crate::SimGuest, Status> {
        let id: GuestId = parse("guest_id", id)?;
        let guest = self.core.state().guests.guests.get(&id).cloned();
        guest.ok_or_else(|| Status::not_found(format!("there is no guest {id} on this host")))
    }
}

fn image(
    image: Option<&pb::RescueImage>,
) -> Result<(&pb::RescueImage, [types::desc::BootFile; 2]), convert::Malformed> {
    let image = image.ok_or(convert::Malformed { field: "image", problem: "is missing".into() })?;
    let kernel = convert::boot_file("image.kernel", image.kernel.clone())?;
    let initramfs = convert::boot_file("image.initramfs", image.initramfs.clone())?;
    Ok((image, [kernel, initramfs]))
}

/// What this host says of itself.
pub(crate) fn info(core: &Core) -> pb::HostInfo {
    let options = &core.options;
    let (host_id, boot_id, protocol) = {
        let state = core.state();
        (state.host_id.clone(), state.boot_id(), state.protocol.map(Into::into))
    };
    pb::HostInfo {
        host_id,
        name: options.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        arch: options.arch.clone(),
        qemu_versions: options.qemu_versions.clone(),
        accelerator: options.accelerator.clone(),
        cpus: options.cpus,
        memory_mib: options.memory_mib,
        workspace: "/simulated".into(),
        boot_id,
        protocol,
    }
}

#[tonic::async_trait]
impl HostService for Service {
    async fn get_host(&self, request: Request<pb::GetHostRequest>) -> Result<Response<pb::GetHostResponse>, Status> {
        self.allowed(&request)?;
        Ok(Response::new(pb::GetHostResponse { host: Some(info(&self.core)) }))
    }

    async fn list_guests(
        &self,
        request: Request<pb::ListGuestsRequest>,
    ) -> Result<Response<pb::ListGuestsResponse>, Status> {
        self.allowed(&request)?;
        let guests = self.core.reports().into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListGuestsResponse { guests }))
    }

    async fn get_guest(&self, request: Request<pb::GetGuestRequest>) -> Result<Response<pb::GetGuestResponse>, Status> {
        self.allowed(&request)?;
        let guest = self.guest(&request.get_ref().guest_id)?;
        Ok(Response::new(pb::GetGuestResponse { guest: Some(guest.report().into()), ..Default::default() }))
    }

    async fn get_serial_log(
        &self,
        request: Request<pb::GetSerialLogRequest>,
    ) -> Result<Response<pb::GetSerialLogResponse>, Status> {
        self.allowed(&request)?;
        let guest = self.guest(&request.get_ref().guest_id)?;
        let data = format!("simulated console of {}\r\n", guest.desc.name).into_bytes();
        Ok(Response::new(pb::GetSerialLogResponse { data, boot_offset: 0 }))
    }

    /// One black dot.
    async fn screendump(
        &self,
        request: Request<pb::ScreendumpRequest>,
    ) -> Result<Response<pb::ScreendumpResponse>, Status> {
        self.allowed(&request)?;
        let guest = self.guest(&request.get_ref().guest_id)?;
        if !guest.desc.vnc || guest.power == types::PowerState::Shutoff {
            return Err(Status::failed_precondition(
                "the guest shows no screen: it is off, or was started without VNC",
            ));
        }
        Ok(Response::new(pb::ScreendumpResponse { format: "ppm".into(), image: b"P6 1 1 255\n\0\0\0".to_vec() }))
    }

    async fn get_desc(&self, request: Request<pb::GetDescRequest>) -> Result<Response<pb::GetDescResponse>, Status> {
        self.allowed(&request)?;
        let desc = self.guest(&request.get_ref().guest_id)?.desc;
        let desc_json = serde_json::to_string_pretty(&desc).map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(pb::GetDescResponse { desc_json, sha256: digest(&desc) }))
    }

    async fn create_guest(&self, request: Request<pb::CreateGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let desc = convert::desc(&request.desc_json)?;
        self.operate(Verb::CreateGuest, header, &request, Work::Create(Box::new(desc))).await
    }

    async fn start_guest(&self, request: Request<pb::StartGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        self.operate(Verb::StartGuest, header, &request, Work::Start).await
    }

    async fn stop_guest(&self, request: Request<pb::StopGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        self.operate(Verb::StopGuest, header, &request, Work::Stop { force: request.force }).await
    }

    async fn delete_guest(&self, request: Request<pb::DeleteGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        self.operate(Verb::DeleteGuest, header, &request, Work::Delete).await
    }

    async fn preflight_rescue(&self, request: Request<pb::PreflightRescueRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        image(request.image.as_ref())?;
        parse::<types::DiskMode>("disk_mode", &request.disk_mode)?;
        let qemu = convert::optional(&request.qemu_version);
        let network = parse_optional("network", &request.network)?.unwrap_or(RescueNetwork::Full);
        // A host from before versions were told knows nothing of it.
        let network = Some(network).filter(|_| self.core.state().protocol.is_some());
        self.operate(Verb::PreflightRescue, header, &request, Work::Preflight { qemu, network }).await
    }

    async fn prepare_rescue(&self, request: Request<pb::PrepareRescueRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let files = image(request.image.as_ref())?.1.to_vec();
        let work = Work::Prepare { files, endpoints: request.endpoints.clone() };
        self.operate(Verb::PrepareRescue, header, &request, work).await
    }

    async fn write_rescue_desc(&self, request: Request<pb::WriteRescueDescRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let (described, [kernel, initramfs]) = image(request.image.as_ref())?;
        let section = RescueSection {
            session: parse("session_id", &request.session_id)?,
            image: format!("{} {}", described.name, described.version),
            kernel,
            initramfs,
            cmdline: described.cmdline.clone(),
            disk_mode: parse("disk_mode", &request.disk_mode)?,
            qemu_version: convert::optional(&request.qemu_version),
            network: parse_optional("network", &request.network)?,
        };
        let work = Work::WriteDesc(Box::new(section));
        self.operate(Verb::WriteRescueDesc, header, &request, work).await
    }

    async fn start_rescue(&self, request: Request<pb::StartRescueRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::StartRescue { session: session(&request.session_id)?, fresh: request.fresh_overlays };
        self.operate(Verb::StartRescue, header, &request, work).await
    }

    async fn await_ready(&self, request: Request<pb::AwaitReadyRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::AwaitReady { session: session(&request.session_id)? };
        self.operate(Verb::AwaitReady, header, &request, work).await
    }

    async fn run_in_rescue(&self, request: Request<pb::RunInRescueRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let verb = serde_json::from_str(&request.verb_json)
            .map_err(|e| Status::invalid_argument(format!("verb_json: {e}")))?;
        let work = Work::RunInRescue { session: session(&request.session_id)?, verb };
        self.operate(Verb::RunInRescue, header, &request, work).await
    }

    async fn confirm_boot(&self, request: Request<pb::ConfirmBootRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::ConfirmBoot { session: session(&request.session_id)? };
        self.operate(Verb::ConfirmBoot, header, &request, work).await
    }

    async fn restore_desc(&self, request: Request<pb::RestoreDescRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let overlay = parse_optional("overlay", &request.overlay)?.unwrap_or(OverlayEnd::Discard);
        let work = Work::Restore { session: session(&request.session_id)?, overlay };
        self.operate(Verb::RestoreDesc, header, &request, work).await
    }

    async fn reset_guest(&self, request: Request<pb::ResetGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        self.operate(Verb::ResetGuest, header, &request, Work::Reset).await
    }

    async fn suspend_guest(&self, request: Request<pb::SuspendGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        self.operate(Verb::SuspendGuest, header, &request, Work::Suspend).await
    }

    async fn resume_guest(&self, request: Request<pb::ResumeGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        self.operate(Verb::ResumeGuest, header, &request, Work::Resume).await
    }

    async fn change_guest(&self, request: Request<pb::ChangeGuestRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let desc = convert::desc(&request.desc_json)?;
        self.operate(Verb::ChangeGuest, header, &request, Work::Change(Box::new(desc))).await
    }

    async fn resize_disk(&self, request: Request<pb::ResizeDiskRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::ResizeDisk { disk: parse("disk_id", &request.disk_id)?, size_mib: request.size_mib };
        self.operate(Verb::ResizeDisk, header, &request, work).await
    }

    async fn delete_disk(&self, request: Request<pb::DeleteDiskRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::DeleteDisk(parse("disk_id", &request.disk_id)?);
        self.operate(Verb::DeleteDisk, header, &request, work).await
    }

    async fn create_snapshot(&self, request: Request<pb::SnapshotRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::CreateSnapshot(parse("snapshot_id", &request.snapshot_id)?);
        self.operate(Verb::CreateSnapshot, header, &request, work).await
    }

    async fn revert_snapshot(&self, request: Request<pb::SnapshotRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::RevertSnapshot(parse("snapshot_id", &request.snapshot_id)?);
        self.operate(Verb::RevertSnapshot, header, &request, work).await
    }

    async fn delete_snapshot(&self, request: Request<pb::SnapshotRequest>) -> Answer {
        self.allowed(&request)?;
        let mut request = request.into_inner();
        let header = request.operation.take();
        let work = Work::DeleteSnapshot(parse("snapshot_id", &request.snapshot_id)?);
        self.operate(Verb::DeleteSnapshot, header, &request, work).await
    }

    type ConsoleStream = Pin<Box<dyn Stream<Item = Result<pb::ConsoleOutput, Status>> + Send>>;

    /// Greets, then echoes, and shows what the test prints.
    async fn console(
        &self,
        request: Request<Streaming<pb::ConsoleInput>>,
    ) -> Result<Response<Self::ConsoleStream>, Status> {
        self.allowed(&request)?;
        let mut input = request.into_inner();
        let first =
            input.message().await?.ok_or_else(|| Status::invalid_argument("the first input names the guest"))?;
        let guest = self.guest(&first.guest_id)?;
        let greeting = format!("simulated console of {}\r\n", guest.desc.name).into_bytes();
        let begin = tokio_stream::iter([Ok(pb::ConsoleOutput { data: [greeting, first.data].concat() })]);
        let echo = input.map(|message| message.map(|message| pb::ConsoleOutput { data: message.data }));
        // As on a real host: the end of what is typed is not the end of reading.
        let (show, shown) = tokio::sync::mpsc::channel(16);
        self.core.change(|state| state.consoles.push((guest.desc.id, show)));
        let shown = tokio_stream::wrappers::ReceiverStream::new(shown).map(|data| Ok(pb::ConsoleOutput { data }));
        Ok(Response::new(Box::pin(begin.chain(echo.merge(shown)))))
    }

    type VncStream = Self::ConsoleStream;

    /// The first words of a VNC server (RFC 6143, 7.1.1), then an echo.
    async fn vnc(&self, request: Request<Streaming<pb::ConsoleInput>>) -> Result<Response<Self::VncStream>, Status> {
        self.allowed(&request)?;
        let mut input = request.into_inner();
        let first =
            input.message().await?.ok_or_else(|| Status::invalid_argument("the first input names the guest"))?;
        let guest = self.guest(&first.guest_id)?;
        if !guest.desc.vnc || guest.power == types::PowerState::Shutoff {
            return Err(Status::failed_precondition(
                "the guest shows no screen: it is off, or was started without VNC",
            ));
        }
        let data = [b"RFB 003.008\n".to_vec(), first.data].concat();
        let begin = tokio_stream::iter([Ok(pb::ConsoleOutput { data })]);
        let echo = input.map(|message| message.map(|message| pb::ConsoleOutput { data: message.data }));
        Ok(Response::new(Box::pin(begin.chain(echo))))
    }
}

fn session(text: &str) -> Result<SessionId, convert::Malformed> {
    parse("session_id", text)
}
