//! The agent from its start to its end. QEMU processes outlive it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use artifact::evict::Keep;
use artifact::{Images, Trust};
use ledger::{Ledger, Retention};
use proto::host::v1::host_service_server::HostServiceServer;
use rustix::fs::{FlockOperation, flock};
use service::tls::{self, Acceptor};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::base_image::{Address, Copies};
use crate::config::Config;
use crate::env::Env;
use crate::grpc::Service;
use crate::guest::manager::Manager;
use crate::guest::paths::{check_runtime, detached, private_folder, servers};
use crate::guest::{boot_files, overlay};
use crate::lease::Holder;
use crate::network::Network;
use crate::qemu::cmdline::Accelerator;
use crate::qemu::{Binaries, accel, scope, user};
use crate::storage::Storage;
use crate::system;

/// Between two looks for old records.
const PRUNING: Duration = Duration::from_secs(3600);
/// Open files of one guest: its process, two sockets, its ledger, and the port of a rescue system; and some for what comes and goes.
const FILES_PER_GUEST: u64 = 6;
/// For a request to come whole and to be answered; of a stream, to begin. Operations that take longer are reported.
const REQUEST: Duration = Duration::from_secs(60);
/// Open connections may end by themselves before the agent does.
const LINGER: Duration = Duration::from_secs(2);

/// Runs until `stop` is cancelled. Where it listens is written to `ready_file`: `{"grpc": "https://127.0.0.1:NNN"}`.
///
/// # Errors
/// What keeps the agent from starting, with what to do about it.
pub async fn run(config: Config, ready_file: Option<&Path>, stop: CancellationToken) -> anyhow::Result<()> {
    service::tls::check_listener(config.listen, config.tls.as_ref()).context("listen")?;
    check_runtime(&config.runtime_dir).map_err(anyhow::Error::msg)?;
    private_folder(&config.workspace).context("workspace")?;
    private_folder(&servers(&config.workspace)).context("workspace")?;
    private_folder(&detached(&config.workspace)).context("workspace")?;
    private_folder(&config.runtime_dir).context("runtime_dir")?;
    let _only_one = lock(&config.workspace)?;
    let (files, guests) = (system::raise_file_limit(), config.limits.guests as u64);
    if files / FILES_PER_GUEST < guests {
        tracing::warn!(
            files,
            guests,
            "so many guests may need more open files than this service may have: raise its limit (LimitNOFILE)"
        );
    }

    let ledger = Ledger::open(&config.workspace.join("ledger")).context("ledger")?;
    let open = ledger.open_operations();
    if !open.is_empty() {
        tracing::warn!(count = open.len(), "operations were interrupted; they go on when region asks for them again");
    }
    let env = Arc::new(environment(config, ledger).await?);
    env.scope.sweep();
    let manager = Arc::new(Manager::open(Arc::clone(&env)));
    tracing::info!(guests = manager.views().len(), running = running(&manager), "guests found");

    let listener =
        TcpListener::bind(env.config.listen).await.with_context(|| format!("listen on {}", env.config.listen))?;
    let address = listener.local_addr()?;
    let scheme = if env.config.tls.is_some() { "https" } else { "http" };
    let endpoint = format!("{scheme}://{address}");
    let mut ready = serde_json::json!({ "grpc": endpoint });
    if let Some(address) = serve_metrics(&env.config, &manager, &stop).await? {
        ready["metrics"] = format!("http://{address}").into();
    }
    let advertised = Some(env.config.advertise.clone()).filter(|it| !it.is_empty()).unwrap_or_else(|| endpoint.clone());
    let upcalls = start_upcalls(&env, &manager, advertised, &stop)?;
    tokio::spawn(crate::autostart::run(Arc::clone(&env), Arc::clone(&manager)));
    tokio::spawn(prune(Arc::clone(&env), stop.clone()));
    let serving = serve(&env, &manager, listener, stop.clone());
    if let Some(file) = ready_file {
        service::files::write_atomic(file, ready.to_string().as_bytes(), 0o644).context("ready file")?;
    }
    tracing::info!(%endpoint, "serving");
    serving.await?;
    if let Some(upcalls) = upcalls {
        upcalls.abort();
    }
    Ok(())
}

/// Two agents on one workspace would start one guest twice.
fn lock(workspace: &Path) -> anyhow::Result<std::fs::File> {
    let path = workspace.join("agent.lock");
    let file = std::fs::File::create(&path).with_context(|| path.display().to_string())?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => bail!("another host agent uses the workspace {}: end it first", workspace.display()),
    }
}

/// `host start-from-desc FOLDER`: starts the guest without the agent, which may run or not. Gives its process.
///
/// # Errors
/// Why it was not started.
pub async fn start_from_desc(mut config: Config, folder: &Path) -> anyhow::Result<i32> {
    let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
    if let Some(workspace) = folder.parent().and_then(Path::parent) {
        config.workspace = workspace.to_owned();
    }
    let config = config.completed();
    check_runtime(&config.runtime_dir).map_err(anyhow::Error::msg)?;
    private_folder(&config.runtime_dir).context("runtime_dir")?;
    let env = environment(config, Ledger::in_memory()).await?;
    Ok(crate::guest::by_hand::start(&folder, Arc::new(env)).await?)
}

async fn environment(config: Config, ledger: Ledger) -> anyhow::Result<Env> {
    let qemu = Binaries::find(&config.qemu.binaries, std::env::consts::ARCH).await?;
    let probe_kernel = Some(config.qemu.probe_kernel.as_path()).filter(|path| !path.as_os_str().is_empty());
    let cache = config.workspace.join("accelerator.json");
    let accelerator =
        accel::choose(config.accel, (&qemu.newest().version, &qemu.newest().program), probe_kernel, &cache).await;
    let folders = [&config.workspace, &config.store_dir, &config.runtime_dir].map(PathBuf::as_path);
    let (qemu_user, why) =
        user::choose(&config.qemu.user, &folders, accelerator == Accelerator::Kvm).map_err(anyhow::Error::msg)?;
    let (scope, reason) = scope::decide(config.scope, &scope::look(&config.cgroup_root))
        .map_err(|problem| anyhow::anyhow!("scope: {problem}"))?;
    tracing::info!(scope = scope.as_str(), why = reason, "where guests run");
    tracing::info!(user = qemu_user.as_ref().map(|user| &*user.name), why, "who QEMU runs as");
    let revoked: Result<Vec<_>, _> = config.revoked_digests.iter().map(|text| text.parse()).collect();
    let trust = Trust::new(&config.trusted_keys, &config.revoked_keys, &revoked.context("revoked_digests")?)
        .context("trusted_keys")?;
    if trust.is_empty() {
        tracing::warn!("no key is trusted, so no rescue image can be used: set trusted_keys");
    }
    let images = Images::open(&config.store_dir, trust, artifact::download::Config::default()).context("store_dir")?;
    Ok(Env {
        storage: Storage {
            qemu_img: config.qemu.qemu_img.clone(),
            images: config.image_dir.clone(),
            fetcher: base_images(&config)?,
            sources: config.image_sources.clone(),
            detached: detached(&config.workspace),
            moves: Arc::default(),
            copying: Copies::default(),
        },
        network: Network {
            ip: config.network.ip.clone(),
            bridges: config.network.bridges.clone(),
            owner: qemu_user.as_ref().map(|user| user.uid),
        },
        holder: Holder::here(&config.name, &config.workspace),
        downloads: Arc::new(Semaphore::new(config.limits.downloads.max(1))),
        news: watch::Sender::new(0),
        heard: watch::Sender::new(false),
        machine_boot: crate::autostart::machine_boot(&config.boot_id_file),
        config,
        qemu,
        accelerator,
        scope,
        qemu_user,
        images,
        ledger,
    })
}

/// Images from elsewhere are larger than boot files, and may come more slowly.
fn base_images(config: &Config) -> anyhow::Result<Option<artifact::Fetcher>> {
    if config.image_sources.is_empty() {
        return Ok(None);
    }
    if let Some(wrong) = config.image_sources.iter().find(|source| Address::read(source).is_none()) {
        bail!("image_sources: {wrong:?} is no plain address: https://host/path is wanted, without user and '..'");
    }
    let store = artifact::Store::open(&config.workspace.join("base-images")).context("base-images")?;
    let total_timeout = Duration::from_hours(2);
    let limits = artifact::download::Config { max_size: 1 << 40, total_timeout, ..Default::default() };
    Ok(Some(artifact::Fetcher::new(store, limits)?))
}

/// The gRPC server: the host service, health, and reflection in both versions that tools speak.
fn serve(
    env: &Arc<Env>,
    manager: &Arc<Manager>,
    listener: TcpListener,
    stop: CancellationToken,
) -> impl Future<Output = anyhow::Result<()>> + use<> {
    let service = Service { env: Arc::clone(env), manager: Arc::clone(manager), draining: stop.clone() };
    let tls = env.config.tls.clone();
    async move {
        let tls = tls.as_ref().map(Acceptor::new).transpose().context("tls")?;
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<HostServiceServer<Service>>().await;
        let reflection =
            || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(proto::DESCRIPTORS);
        let reflection = || reflection().register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        let router = server(REQUEST)
            .trace_fn(service::rpc::span)
            .add_service(health_service)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?)
            .add_service(HostServiceServer::new(service));
        let serving = tls::serve(router, listener, tls, stop.clone());
        let linger = async {
            stop.cancelled().await;
            tokio::time::sleep(LINGER).await;
        };
        tokio::select! {
            served = serving => served.context("the gRPC server"),
            () = linger => Ok(()),
        }
    }
}

/// What no peer may hold for ever: a connection whose other end is gone, a request that does not come to its end. The size of a
/// message is limited where it is decoded (tonic: 4 MiB).
fn server(request: Duration) -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .timeout(request)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
}

fn start_upcalls(
    env: &Arc<Env>,
    manager: &Arc<Manager>,
    advertised: String,
    stop: &CancellationToken,
) -> anyhow::Result<Option<tokio::task::JoinHandle<()>>> {
    let region = &env.config.region.endpoint;
    if region.is_empty() {
        tracing::warn!("no region is configured; this host reports to nobody");
        return Ok(None);
    }
    let channel =
        service::tls::channel(region, service::tls::REGION, env.config.tls.as_ref()).context("region.endpoint")?;
    let (env, manager, stop) = (Arc::clone(env), Arc::clone(manager), stop.clone());
    Ok(Some(tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = crate::upcall::run(env, manager, channel, advertised) => {}
        }
    })))
}

async fn serve_metrics(
    config: &Config,
    manager: &Arc<Manager>,
    stop: &CancellationToken,
) -> anyhow::Result<Option<SocketAddr>> {
    let listen = &config.metrics.listen;
    if listen.is_empty() {
        return Ok(None);
    }
    let listener = TcpListener::bind(listen).await.with_context(|| format!("metrics.listen {listen}"))?;
    let address = listener.local_addr()?;
    let server =
        axum::serve(listener, service::metrics::routes("host")).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "metrics are not served any more");
        }
    });
    let (manager, stop) = (Arc::clone(manager), stop.clone());
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_secs(5));
        while tokio::time::timeout(Duration::ZERO, stop.cancelled()).await.is_err() {
            tick.tick().await;
            metrics::gauge!("host_guests").set(manager.views().len() as f64);
            metrics::gauge!("host_guests_running").set(running(&manager) as f64);
        }
    });
    Ok(Some(address))
}

fn running(manager: &Manager) -> usize {
    manager.reports().iter().filter(|report| report.power != types::status::PowerState::Shutoff).count()
}

async fn prune(env: Arc<Env>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(PRUNING);
    loop {
        tokio::select! { () = stop.cancelled() => return, _ = tick.tick() => {} }
        let env = Arc::clone(&env);
        let pruned = tokio::task::spawn_blocking(move || {
            let days = env.config.limits.discarded_overlay_days;
            let removed = overlay::prune(&env.config.workspace, Duration::from_hours(24 * days));
            if removed > 0 {
                tracing::info!(removed, "overlays that were discarded {days} days ago are gone");
            }
            boot_files::evict(&env);
            let limits = &env.config.limits;
            let age = Duration::from_hours(24 * limits.base_image_days);
            env.storage.evict(Keep { age, bytes: limits.base_images_mib << 20 });
            env.ledger.prune(Retention::default())
        })
        .await;
        if let Ok(Err(error)) = pruned {
            tracing::warn!(%error, "old records can't be pruned");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use tokio_stream::StreamExt;
    use tonic::client::GrpcService;
    use tonic::codegen::http::Request;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    #[tokio::test]
    async fn a_request_that_does_not_come_whole_ends_and_holds_nobody_else() {
        let (_, health) = tonic_health::server::health_reporter();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let router = server(Duration::from_millis(500)).add_service(health);
        let serving = tokio::spawn(tls::serve(router, listener, None, stop.clone()));
        let mut channel = service::tls::channel(&address, service::tls::REGION, None).unwrap();
        // A message of 100 bytes is announced, and three of them come.
        let half = bytes::Bytes::from_static(&[0, 0, 0, 0, 100, 10, 98, b'x']);
        let half = tokio_stream::once(Ok::<_, Infallible>(half)).chain(tokio_stream::pending());
        let body = tonic::body::Body::new(axum::body::Body::from_stream(half));
        let request = Request::post("/grpc.health.v1.Health/Check").header("content-type", "application/grpc");
        let request = request.header("te", "trailers").body(body).unwrap();
        std::future::poll_fn(|cx| channel.poll_ready(cx)).await.unwrap();
        let slow = tokio::time::timeout(Duration::from_secs(30), channel.call(request));
        let mut other = HealthClient::new(channel.clone());
        let whole = other.check(HealthCheckRequest { service: String::new() });
        let (slow, whole) = tokio::join!(slow, whole);
        whole.unwrap();
        let status = tonic::Status::from_header_map(slow.expect("it ends").unwrap().headers()).unwrap();
        assert!(status.message().contains("Timeout"), "{status:?}");
        stop.cancel();
        serving.await.unwrap().unwrap();
    }
}
