//! The test's grip on a simulated host.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger::Ledger;
use proto::host::v1::host_service_server::HostServiceServer;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use types::desc::Desc;
use types::id::{GuestId, OperationId};
use types::status::PowerState;

use crate::behaviour::{Behaviour, Reports, Rule, Verb};
use crate::core::{Core, Execution};
use crate::grpc::Service;
use crate::guests::SimGuest;
use crate::killable::Killable;
use crate::options::{LedgerKind, SimError, SimOptions};

/// How long a `wait_*` waits before it panics with what it waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts simulated hosts.
pub struct SimHost;

impl SimHost {
    /// Serves on a free port of the loopback, and calls region if one is named.
    ///
    /// # Errors
    /// [`SimError`]: the ledger's folder, the certificates, or no free port.
    pub async fn start(options: SimOptions) -> Result<SimHandle, SimError> {
        let ledger = match &options.ledger {
            LedgerKind::Memory => Ledger::in_memory(),
            LedgerKind::Folder(folder) => Ledger::open(folder)?,
        };
        let handle = SimHandle {
            shared: Arc::new(Shared { core: Arc::new(Core::new(options, ledger)), life: Mutex::new(None) }),
        };
        handle.live(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        Ok(handle)
    }
}

/// One simulated host. Clones are the same host; it ends with the last of them.
#[derive(Clone)]
pub struct SimHandle {
    shared: Arc<Shared>,
}

struct Shared {
    core: Arc<Core>,
    life: Mutex<Option<Life>>,
}

/// From a start to a crash.
struct Life {
    address: SocketAddr,
    token: CancellationToken,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(life) = self.life.get_mut().unwrap_or_else(PoisonError::into_inner) {
            life.token.cancel();
        }
    }
}

impl SimHandle {
    async fn live(&self, address: SocketAddr) -> Result<(), SimError> {
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            // Somebody took the port in the meantime: register with another, as a host that moved would.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => TcpListener::bind("127.0.0.1:0").await?,
            Err(error) => return Err(error.into()),
        };
        let address = listener.local_addr()?;
        let token = CancellationToken::new();
        let core = Arc::clone(&self.shared.core);
        let service = Service { core: Arc::clone(&core), life: token.clone() };
        let mut server = tonic::transport::Server::builder().trace_fn(service::rpc::span);
        if let Some(tls) = &core.options.tls {
            server = server.tls_config(tls.server()?)?;
        }
        let life = token.clone();
        let connections =
            TcpListenerStream::new(listener).map(move |stream| Ok::<_, std::io::Error>(Killable::new(stream?, &life)));
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<HostServiceServer<Service>>().await;
        let serve = server
            .add_service(health_service)
            .add_service(HostServiceServer::new(service))
            .serve_with_incoming(connections);
        let life = token.clone();
        tokio::spawn(async move {
            tokio::select! { () = life.cancelled() => {}, served = serve => if let Err(error) = served {
                tracing::error!(%error, "the simulated host's server ended");
            } }
        });
        let endpoint = self.url(address);
        tokio::spawn(crate::upcall::run(core, endpoint, token.clone()));
        *self.life() = Some(Life { address, token });
        Ok(())
    }

    fn life(&self) -> std::sync::MutexGuard<'_, Option<Life>> {
        self.shared.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn core(&self) -> &Core {
        &self.shared.core
    }

    fn url(&self, address: SocketAddr) -> String {
        format!("{}://{address}", if self.core().options.tls.is_some() { "https" } else { "http" })
    }

    async fn wait<T>(&self, what: &str, condition: impl Fn(&crate::core::State) -> Option<T>) -> T {
        match tokio::time::timeout(PATIENCE, self.core().until(condition)).await {
            Ok(found) => found,
            Err(_) => panic!("{}: no {what} within {PATIENCE:?}", self.name()),
        }
    }

    // --- who and where ---

    #[must_use]
    pub fn name(&self) -> &str {
        &self.core().options.name
    }
    /// Where the host's gRPC service is; while crashed, where it was.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.life().as_ref().map(|life| self.url(life.address)).unwrap_or_default()
    }
    /// As region named it; empty before the first registration.
    #[must_use]
    pub fn host_id(&self) -> String {
        self.core().state().host_id.clone()
    }
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.core().ledger
    }
    /// Region is elsewhere now.
    pub fn set_region(&self, endpoint: impl Into<String>) {
        self.core().change(|state| state.region = Some(endpoint.into()));
    }
    /// How often region has registered this host.
    #[must_use]
    pub fn registrations(&self) -> u32 {
        self.core().state().registrations
    }
    /// Until region has registered it at least once.
    pub async fn wait_registered(&self) -> String {
        self.wait("registration", |state| (state.registrations > 0).then(|| state.host_id.clone())).await
    }
    /// Until another heartbeat, begun after this call, has reached region.
    pub async fn wait_heartbeat(&self) {
        // The next one may be on its way already, with what it saw before this call.
        let wanted = self.core().state().heartbeats + 2;
        self.wait("heartbeat", |state| (state.heartbeats >= wanted).then_some(())).await;
    }

    // --- behaviour ---

    /// From now on, requests of this kind go so; the rule added last wins.
    pub fn on(&self, verb: Verb, behaviour: Behaviour) {
        self.rule(Some(verb), None, None, behaviour);
    }
    /// The next such request goes so.
    pub fn once(&self, verb: Verb, behaviour: Behaviour) {
        self.rule(Some(verb), None, Some(1), behaviour);
    }
    /// As fine as it gets: None stands for every verb, every guest, every time.
    pub fn rule(&self, verb: Option<Verb>, guest: Option<GuestId>, times: Option<u32>, behaviour: Behaviour) {
        self.core().change(|state| state.rules.push(Rule { verb, guest, left: times, behaviour }));
    }
    /// Back to a host that works. What is held stays held.
    pub fn behave(&self) {
        self.core().change(|state| state.rules.clear());
    }
    /// Answers everything with UNAVAILABLE.
    pub fn set_draining(&self, draining: bool) {
        self.core().change(|state| state.draining = draining);
    }
    /// What it says that it speaks, from its next message on; None: nothing, as before versions were told.
    pub fn set_protocol(&self, protocol: Option<proto::version::Range>) {
        self.core().change(|state| state.protocol = protocol);
    }
    /// Sends no heartbeats, but serves.
    pub fn set_mute(&self, mute: bool) {
        self.core().change(|state| state.mute = mute);
    }

    // --- stepping ---

    /// What is held now, oldest first.
    #[must_use]
    pub fn held(&self) -> Vec<Execution> {
        self.core().state().held.clone()
    }
    /// Until an operation of this kind is held.
    ///
    /// # Panics
    /// After a minute.
    pub async fn wait_held(&self, verb: Verb) -> OperationId {
        let found = |state: &crate::core::State| state.held.iter().find(|it| it.verb == verb).map(|it| it.operation);
        self.wait(&format!("held {verb}"), found).await
    }
    /// Lets an operation go on; it may be released before it is held.
    pub fn release(&self, operation: OperationId) {
        self.core().change(|state| state.released.insert(operation));
    }
    /// Lets everything that is held now go on.
    pub fn release_all(&self) {
        self.core().change(|state| {
            let held: Vec<_> = state.held.iter().map(|it| it.operation).collect();
            state.released.extend(held);
        });
    }
    /// Lets a withheld report go, now or when it ends.
    pub fn release_report(&self, operation: OperationId) {
        self.core().change(|state| state.reports.insert(operation, Reports::Once));
    }
    /// Until the operation has ended here.
    ///
    /// # Panics
    /// After a minute.
    pub async fn wait_ended(&self, operation: OperationId) -> types::operation::Outcome {
        self.wait(&format!("end of {operation}"), |_| self.core().ledger.outcome(operation)).await
    }
    /// Until region has acknowledged the outcome.
    ///
    /// # Panics
    /// After a minute.
    pub async fn wait_reported(&self, operation: OperationId) {
        self.wait(&format!("report of {operation}"), |state| state.reported.contains(&operation).then_some(())).await;
    }

    // --- what happened ---

    /// How often the operation was carried out. 0: never, though it may have been accepted.
    #[must_use]
    pub fn executed(&self, operation: OperationId) -> usize {
        self.executions().iter().filter(|it| it.operation == operation).count()
    }
    /// Everything that was carried out, in order, also what a rule made fail.
    #[must_use]
    pub fn executions(&self) -> Vec<Execution> {
        self.core().state().executions.clone()
    }
    /// The outcomes that region has acknowledged, in order, repeats included.
    #[must_use]
    pub fn reported(&self) -> Vec<OperationId> {
        self.core().state().reported.clone()
    }

    // --- guests ---

    #[must_use]
    pub fn guest(&self, guest: GuestId) -> Option<SimGuest> {
        self.core().state().guests.guests.get(&guest).cloned()
    }
    /// Puts a guest there that nobody asked for.
    pub fn insert_guest(&self, desc: Desc) {
        self.core().change(|state| state.guests.guests.insert(desc.id, SimGuest::new(desc)));
    }
    /// The guest powers itself off, or somebody starts it behind region's back. Unknown guests are left alone.
    pub fn set_power(&self, guest: GuestId, power: PowerState) {
        self.alter(guest, |guest| {
            guest.power = power;
            if power == PowerState::Shutoff {
                guest.ready = false;
                guest.runs = None;
            }
        });
    }
    /// The guest does not answer the power button, so that a stop ends in `quit`.
    pub fn set_deaf(&self, guest: GuestId, deaf: bool) {
        self.alter(guest, |guest| guest.deaf = deaf);
    }

    /// What is wrong with its own system is mended by no safe fix.
    pub fn set_unsafe(&self, guest: GuestId, is_unsafe: bool) {
        self.alter(guest, |guest| guest.unsafe_fix = is_unsafe);
    }
    /// The rescue system reboots; `ready` says whether it has proven itself again.
    pub fn reboot_rescue(&self, guest: GuestId, ready: bool) {
        self.alter(guest, |guest| {
            guest.boot += 1;
            guest.ready = ready;
        });
    }
    /// The guest prints, to all who read its serial console. Returns when all of them have taken it; how many they are.
    pub async fn print(&self, guest: GuestId, data: &[u8]) -> usize {
        let readers: Vec<_> = {
            let mut state = self.core().state();
            state.consoles.retain(|(_, reader)| !reader.is_closed());
            state.consoles.iter().filter(|(of, _)| *of == guest).map(|(_, reader)| reader.clone()).collect()
        };
        let mut taken = 0;
        for reader in &readers {
            taken += usize::from(reader.send(data.to_vec()).await.is_ok());
        }
        taken
    }
    /// Changes anything about a guest. Unknown guests are left alone.
    pub fn alter(&self, guest: GuestId, change: impl FnOnce(&mut SimGuest)) {
        self.core().change(|state| {
            if let Some(guest) = state.guests.guests.get_mut(&guest) {
                change(guest);
            }
        });
    }

    // --- crashes ---

    /// `kill -9` of the agent: connections break, what is at work stops where it is. Ledger and guests stay.
    pub fn crash(&self) {
        if let Some(life) = &*self.life() {
            life.token.cancel();
        }
        self.core().change(|state| {
            state.running.clear();
            state.held.clear();
        });
    }
    /// Starts it again after a [`crash`](Self::crash), on the same port where possible. A ledger in a folder is read anew only by a new
    /// [`SimHost::start`].
    ///
    /// # Errors
    /// As [`SimHost::start`].
    pub async fn restart(&self) -> Result<(), SimError> {
        self.crash();
        let address = self.life().as_ref().map(|life| life.address);
        self.live(address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)))).await
    }
    /// The machine loses power and comes back: every guest is off, and those that ran are told of as interrupted.
    ///
    /// # Errors
    /// As [`SimHost::start`].
    pub async fn reboot(&self) -> Result<(), SimError> {
        self.crash();
        self.core().change(|state| {
            state.boots += 1;
            for guest in state.guests.guests.values_mut() {
                guest.interrupted |= guest.power != PowerState::Shutoff;
                guest.power = PowerState::Shutoff;
                guest.ready = false;
                guest.runs = None;
            }
        });
        self.restart().await
    }
}
