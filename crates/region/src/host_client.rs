//! Region's side of the hosts' gRPC service.
//!
//! [`ask`] is the one way a task works with a host: it sends the request under the task's operation, and says whether the outcome is there yet.
//! Running it again repeats the request, which the host's ledger answers, so a repeated step is also the way to ask how far the host is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proto::host::v1 as pb;
use proto::host::v1::host_service_client::HostServiceClient;
use proto::host::v1::operation_reply::State;
use service::tls::{TlsConfig, TlsError};
use task_engine::{StepError, TaskCx};
use tonic::Code;
use tonic::transport::Channel;
use types::desc::Desc;
use types::operation::{GuestReport, OperationHeader, Outcome};
use types::{GuestId, HostId, OperationId, TaskId};

use crate::app::App;

/// How long a host may take to answer one request. Long work is answered with `pending` at once.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Channels to hosts, one each, made when first used and again when a host moved.
pub struct Hosts {
    tls: Option<TlsConfig>,
    channels: Channels,
    /// Consoles have connections of their own: a viewer that takes nothing fills its connection's window, and no request may wait behind that.
    consoles: Channels,
    known: Mutex<HashMap<HostId, (Instant, Arc<db::host::Host>)>>,
}

/// By host, with the endpoint that each was made for.
type Channels = Mutex<HashMap<HostId, (String, Channel)>>;

/// A host that moved is looked for where it was for so long; the request is tried again.
const REMEMBERED: Duration = Duration::from_secs(1);

impl Hosts {
    #[must_use]
    pub fn new(tls: Option<TlsConfig>) -> Self {
        Self { tls, channels: Mutex::default(), consoles: Mutex::default(), known: Mutex::default() }
    }

    /// The host's row, as it was a moment ago: every stage of every task wants to know where its host is.
    async fn row(&self, pool: &db::Pool, id: HostId) -> Result<Option<Arc<db::host::Host>>, StepError> {
        let lock = || self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, row)) = lock().get(&id).filter(|(at, _)| at.elapsed() < REMEMBERED) {
            return Ok(Some(row.clone()));
        }
        let row = db::host::get(&mut *pool.get().await?, id).await?.map(Arc::new);
        match &row {
            Some(row) => lock().insert(id, (Instant::now(), row.clone())),
            None => lock().remove(&id),
        };
        Ok(row)
    }

    /// # Errors
    /// An endpoint that is no URL, or certificates that can't be read.
    pub fn client(&self, host: &db::host::Host) -> Result<HostServiceClient<Channel>, TlsError> {
        self.on(&self.channels, host)
    }

    /// For consoles and screens.
    ///
    /// # Errors
    /// As [`Hosts::client`].
    pub fn console_client(&self, host: &db::host::Host) -> Result<HostServiceClient<Channel>, TlsError> {
        self.on(&self.consoles, host)
    }

    fn on(&self, channels: &Channels, host: &db::host::Host) -> Result<HostServiceClient<Channel>, TlsError> {
        let mut channels = channels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let channel = match channels.get(&host.id) {
            Some((endpoint, channel)) if *endpoint == host.endpoint => channel.clone(),
            _ => {
                let peer = service::tls::host_name(&host.name);
                let channel = service::tls::channel(&host.endpoint, &peer, self.tls.as_ref())?;
                channels.insert(host.id, (host.endpoint.clone(), channel.clone()));
                channel
            }
        };
        Ok(HostServiceClient::new(channel))
    }
}

/// A request that changes something on a host. The operation's header is filled in by [`ask`].
#[derive(Debug, Clone)]
pub enum Call {
    Create(pb::CreateGuestRequest),
    Start(pb::StartGuestRequest),
    Stop(pb::StopGuestRequest),
    Delete(pb::DeleteGuestRequest),
    Preflight(pb::PreflightRescueRequest),
    Prepare(pb::PrepareRescueRequest),
    WriteDesc(pb::WriteRescueDescRequest),
    StartRescue(pb::StartRescueRequest),
    AwaitReady(pb::AwaitReadyRequest),
    RunInRescue(pb::RunInRescueRequest),
    ConfirmBoot(pb::ConfirmBootRequest),
    RestoreDesc(pb::RestoreDescRequest),
    Reset,
    Suspend,
    Resume,
    Change(pb::ChangeGuestRequest),
    ResizeDisk(pb::ResizeDiskRequest),
    DeleteDisk(pb::DeleteDiskRequest),
    CreateSnapshot(pb::SnapshotRequest),
    RevertSnapshot(pb::SnapshotRequest),
    DeleteSnapshot(pb::SnapshotRequest),
}

/// What the host has reported for the operation at hand, if it has.
///
/// # Errors
/// Permanent: the operation failed; the code and the evidence are the host's.
pub fn told(cx: &TaskCx<'_, App>) -> Result<Option<Outcome>, StepError> {
    cx.outcome_as::<Outcome>()?.map(settle).transpose()
}

/// How soon a host that downloads is asked how far it is.
pub const GLANCE: Duration = Duration::from_secs(1);

/// What [`ask_or_glance`] has heard.
#[derive(Debug)]
pub enum Heard {
    Outcome(Outcome),
    /// The host is at it.
    Pending,
    /// The host is downloading. How far it is commits with the step.
    Downloading,
}

/// Asks the guest's host, unless it has reported. `None`: the host is at it; its report wakes the task.
///
/// # Errors
/// Transient: the host is unknown, silent or draining. Permanent: the host refused, or the operation failed; the code and the evidence are the host's.
pub async fn ask(
    cx: &mut TaskCx<'_, App>,
    host: HostId,
    guest: GuestId,
    call: Call,
) -> Result<Option<Outcome>, StepError> {
    Ok(match ask_or_glance(cx, host, guest, call).await? {
        Heard::Outcome(outcome) => Some(outcome),
        Heard::Pending | Heard::Downloading => None,
    })
}

/// The same; what the host says of a download on the way is kept, for whoever looks at the task.
///
/// # Errors
/// As [`ask`].
pub async fn ask_or_glance(
    cx: &mut TaskCx<'_, App>,
    host: HostId,
    guest: GuestId,
    call: Call,
) -> Result<Heard, StepError> {
    if let Some(outcome) = told(cx)? {
        return Ok(Heard::Outcome(outcome));
    }
    let (row, client) = reach(cx.env(), host).await?;
    let header = OperationHeader {
        id: OperationId::from_uuid(cx.operation()),
        guest,
        sequence: u64::try_from(cx.sequence()).unwrap_or(0),
        task: TaskId::from_uuid(cx.id()),
        request_id: cx.request_id().unwrap_or_default().to_owned(),
    };
    let reply = send(client, header.into(), call).await.map_err(|status| from_status(&row.name, &status))?;
    match reply.state {
        Some(State::Outcome(outcome)) => {
            let outcome = Outcome::try_from(outcome).map_err(|e| StepError::because(&e))?;
            settle(outcome).map(Heard::Outcome)
        }
        Some(State::Pending(pending)) if pending.bytes_total > 0 => {
            let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            let progress = db::progress::Progress {
                task_id: cx.id(),
                operation: cx.operation(),
                text: pending.progress,
                bytes: number(pending.bytes),
                bytes_total: number(pending.bytes_total),
                at: chrono::Utc::now(),
            };
            cx.on_save(async move |conn| Ok(db::progress::say(conn, &progress).await?));
            Ok(Heard::Downloading)
        }
        Some(State::Pending(_)) => Ok(Heard::Pending),
        None => Err(StepError::permanent(format!("host {} gave an empty answer", row.name))),
    }
}

async fn reach(app: &App, host: HostId) -> Result<(Arc<db::host::Host>, HostServiceClient<Channel>), StepError> {
    let row = app.hosts.row(&app.pool, host).await?;
    let row = row.ok_or_else(|| StepError::permanent(format!("host {host} is not registered any more")))?;
    let client = app.hosts.client(&row).map_err(|e| StepError::because(&e))?;
    Ok((row, client))
}

/// How a guest is now, and its desc, as its host has them. Changes nothing.
///
/// # Errors
/// As [`ask`]; permanent where the host does not have the guest.
pub async fn look(app: &App, host: HostId, guest: GuestId) -> Result<(GuestReport, Desc), StepError> {
    let (row, mut client) = reach(app, host).await?;
    let told = |status: tonic::Status| from_status(&row.name, &status);
    let guest_id = guest.to_string();
    let state = client.get_guest(timed(pb::GetGuestRequest { guest_id: guest_id.clone() })).await.map_err(told)?;
    let state = state.into_inner().guest.ok_or_else(|| StepError::permanent("the host gave an empty answer"))?;
    let desc = client.get_desc(timed(pb::GetDescRequest { guest_id })).await.map_err(told)?.into_inner().desc_json;
    let report = GuestReport::try_from(state).map_err(|e| StepError::because(&e))?;
    Ok((report, proto::convert::desc(&desc).map_err(|e| StepError::because(&e))?))
}

fn settle(outcome: Outcome) -> Result<Outcome, StepError> {
    match outcome {
        Outcome::Failed { failure } => Err(StepError::permanent(&failure.message)
            .with_code(failure.code.as_str())
            .with_detail(serde_json::json!({ "evidence": failure.evidence }))),
        outcome => Ok(outcome),
    }
}

/// An outcome that does not answer the request.
#[must_use]
pub fn unexpected(outcome: &Outcome) -> StepError {
    StepError::permanent(format!("the host answered another request: {outcome:?}")).with_code("bad_outcome")
}

async fn send(
    mut client: HostServiceClient<Channel>,
    header: pb::Operation,
    call: Call,
) -> Result<pb::OperationReply, tonic::Status> {
    let operation = Some(header);
    let reply = match call {
        Call::Create(r) => client.create_guest(timed(pb::CreateGuestRequest { operation, ..r })).await,
        Call::Start(_) => client.start_guest(timed(pb::StartGuestRequest { operation })).await,
        Call::Stop(r) => client.stop_guest(timed(pb::StopGuestRequest { operation, ..r })).await,
        Call::Delete(_) => client.delete_guest(timed(pb::DeleteGuestRequest { operation })).await,
        Call::Preflight(r) => client.preflight_rescue(timed(pb::PreflightRescueRequest { operation, ..r })).await,
        Call::Prepare(r) => client.prepare_rescue(timed(pb::PrepareRescueRequest { operation, ..r })).await,
        Call::WriteDesc(r) => client.write_rescue_desc(timed(pb::WriteRescueDescRequest { operation, ..r })).await,
        Call::StartRescue(r) => client.start_rescue(timed(pb::StartRescueRequest { operation, ..r })).await,
        Call::AwaitReady(r) => client.await_ready(timed(pb::AwaitReadyRequest { operation, ..r })).await,
        Call::RunInRescue(r) => client.run_in_rescue(timed(pb::RunInRescueRequest { operation, ..r })).await,
        Call::ConfirmBoot(r) => client.confirm_boot(timed(pb::ConfirmBootRequest { operation, ..r })).await,
        Call::RestoreDesc(r) => client.restore_desc(timed(pb::RestoreDescRequest { operation, ..r })).await,
        Call::Reset => client.reset_guest(timed(pb::ResetGuestRequest { operation })).await,
        Call::Suspend => client.suspend_guest(timed(pb::SuspendGuestRequest { operation })).await,
        Call::Resume => client.resume_guest(timed(pb::ResumeGuestRequest { operation })).await,
        Call::Change(r) => client.change_guest(timed(pb::ChangeGuestRequest { operation, ..r })).await,
        Call::ResizeDisk(r) => client.resize_disk(timed(pb::ResizeDiskRequest { operation, ..r })).await,
        Call::DeleteDisk(r) => client.delete_disk(timed(pb::DeleteDiskRequest { operation, ..r })).await,
        Call::CreateSnapshot(r) => client.create_snapshot(timed(pb::SnapshotRequest { operation, ..r })).await,
        Call::RevertSnapshot(r) => client.revert_snapshot(timed(pb::SnapshotRequest { operation, ..r })).await,
        Call::DeleteSnapshot(r) => client.delete_snapshot(timed(pb::SnapshotRequest { operation, ..r })).await,
    };
    reply.map(tonic::Response::into_inner)
}

fn timed<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(REQUEST_TIMEOUT);
    // What the host does for this step belongs to its trace.
    let place = trace::current().and_then(|place| place.to_string().parse().ok());
    if let Some(place) = place {
        request.metadata_mut().insert(trace::HEADER, place);
    }
    request
}

/// A missed deadline arrives as `Cancelled`, a refused certificate as `Unknown`.
fn from_status(host: &str, status: &tonic::Status) -> StepError {
    let message = format!("host {host}: {} ({})", status.message(), status.code());
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Unknown
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Internal => StepError::transient(message),
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => StepError::permanent(message).with_code("host_refused"),
    }
}
