//! One region process: sees to the database's schema, then serves REST and gRPC and works on tasks until it is stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use proto::region::v1::agent_upcall_service_server::AgentUpcallServiceServer;
use proto::region::v1::host_upcall_service_server::HostUpcallServiceServer;
use service::tls::{self, Acceptor, check_listener};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Inner};
use crate::auth::oidc::Issuers;
use crate::auth::{Authority, bootstrap};
use crate::config::{Config, Migrate};
use crate::host_client::Hosts;
use crate::secrets::SecretKey;
use crate::stream::Feed;
use crate::upcall::{Upcall, reports};
use crate::{http, reconcile, task};

/// Why a region does not start. The chain says what to mend.
pub type StartError = anyhow::Error;

/// Changes to the engine that only tests make.
pub type EngineSetup = Box<dyn FnOnce(task_engine::Builder<App>) -> task_engine::Builder<App> + Send>;

/// Few: what hosts say is short, and must not keep people waiting when all say it at once.
const UPCALL_CONNECTIONS: usize = 4;

/// How long another process is waited for that migrates the database.
const MIGRATION: Duration = Duration::from_secs(300);

/// A caller that says nothing for the first is asked whether it is there, and has the second to answer: a host that lost its power or its
/// network does not close its connection.
const ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// A running region.
pub struct Region {
    pub app: App,
    pub http: SocketAddr,
    pub grpc: SocketAddr,
    stop: CancellationToken,
    engine: Option<task_engine::Handle>,
    servers: JoinSet<()>,
}

impl Region {
    /// Returns once both listeners are open and the engine runs.
    ///
    /// # Errors
    /// [`StartError`] names the part and what to mend.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, Box::new(|engine| engine)).await
    }

    /// Brings the database up to date, or waits until somebody has: what a region does first.
    ///
    /// # Errors
    /// [`StartError`] says what is missing, or who is at it.
    pub async fn migrate(how: Migrate, url: &str) -> Result<(), StartError> {
        use anyhow::Context;
        match how {
            Migrate::Auto | Migrate::Only => db::migrate::run(url, MIGRATION).await,
            Migrate::Never => db::migrate::wait(url, MIGRATION).await,
        }
        .context("database")
    }

    /// As [`Region::start`], with the engine changed for a test.
    ///
    /// # Errors
    /// As [`Region::start`].
    pub async fn start_with(config: Config, setup: EngineSetup) -> Result<Self, StartError> {
        use anyhow::Context;
        let url = config.database.url.clone();
        Self::migrate(config.database.migrate, &url).await?;
        let pool = db::connect(&url, config.database.pool)?;
        let secrets = SecretKey::load_or_make(&config.secrets.key_file).context("secrets.key_file")?;
        let issuers = Issuers::new(&config.auth.oidc)?;
        let console = http::router::console(&config.web).context("web.root")?;
        if console.as_ref().is_some_and(|files| !files.are_built()) {
            tracing::info!("the web console is not compiled in: /ui/ says how to build it");
        }
        let proxies = http::via::Trust::new(&config.http).context("http.trusted_proxies")?;
        let trust =
            artifact::Trust::new::<_, &str>(&config.rescue.trusted_keys, &[], &[]).context("rescue.trusted_keys")?;
        if trust.is_empty() {
            tracing::warn!("rescue.trusted_keys is empty: no rescue image will be offered");
        }
        {
            let mut conn = pool.get().await?;
            bootstrap::run(&mut conn, &config.bootstrap).await.context("bootstrap.password_file")?;
        }

        let http_listener = listen(&config.http.listen).await.context("http.listen")?;
        let grpc_listener = listen(&config.grpc.listen).await.context("grpc.listen")?;
        let (http_at, grpc_at) = (http_listener.local_addr()?, grpc_listener.local_addr()?);
        check_listener(grpc_at, config.tls.as_ref()).context("grpc.listen")?;
        let public_url = match config.http.public_url.trim_end_matches('/') {
            "" => format!("http://{http_at}"),
            url => url.to_owned(),
        };

        let (reports, gathered) = reports::channel();
        let (feed, reader) = Feed::new();
        let task_pool = db::connect_by_index(&url, config.database.pool)?;
        let app = App::new(Inner {
            task_pool: task_pool.clone(),
            hosts: Hosts::new(config.tls.clone()),
            pool,
            secrets,
            authority: Authority::default(),
            attempts: Default::default(),
            issuers,
            policies: Default::default(),
            totals: Default::default(),
            upcall_pool: db::connect_by_index(&url, UPCALL_CONNECTIONS)?,
            waker: Default::default(),
            reports,
            host_names: Default::default(),
            feed,
            consoles: Default::default(),
            public_url,
            trust,
            config,
        });
        let workers = app.config.tasks.workers;
        let lease = Duration::from_secs(app.config.tasks.lease_s.max(1).into());
        let tuning = task_engine::Tuning { lease, ..Default::default() };
        let feed_url = url.clone();
        let engine = task_engine::Engine::builder(task_pool, url, Arc::new(app.clone()))
            .workers(workers)
            .tuning(tuning)
            .span(task::span::of)
            .waker(app.waker.clone());
        let engine = setup(task::register_all(engine)?).start();

        let stop = CancellationToken::new();
        let mut servers = JoinSet::new();
        let router = http::router::build(app.clone(), console, proxies);
        let stopped = stop.clone();
        let http_config = app.config.http.clone();
        servers.spawn(async move { http::listener::serve(http_listener, router, &http_config, stopped).await });
        let grpc = grpc(&app).await?;
        let acceptor = app.config.tls.as_ref().map(Acceptor::new).transpose().context("tls")?;
        let stopped = stop.clone();
        servers.spawn(async move {
            if let Err(error) = tls::serve(grpc, grpc_listener, acceptor, stopped).await {
                tracing::error!(%error, "the gRPC listener ended");
            }
        });
        servers.spawn(gathered.run(app.upcall_pool.clone(), app.waker.clone()));
        servers.spawn(reconcile::run(app.clone(), stop.clone()));
        servers.spawn(reader.run(feed_url, stop.clone()));
        tracing::info!(http = %http_at, grpc = %grpc_at, "region serves");
        Ok(Self { app, http: http_at, grpc: grpc_at, stop, engine: Some(engine), servers })
    }

    /// Serves what is under way to its end, lets go of tasks, and stops.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        self.app.consoles.end(Duration::from_secs(5)).await;
        if let Some(engine) = self.engine.take() {
            engine.shutdown(Duration::from_secs(10)).await;
        }
        let ended =
            tokio::time::timeout(Duration::from_secs(10), async { while self.servers.join_next().await.is_some() {} });
        if ended.await.is_err() {
            tracing::warn!("connections are still open; they are cut");
        }
    }

    /// As if the process were killed: nothing is finished, nothing let go.
    pub async fn kill(mut self) {
        if let Some(engine) = self.engine.take() {
            engine.kill().await;
        }
        self.servers.shutdown().await;
    }
}

async fn listen(address: &str) -> Result<TcpListener, std::io::Error> {
    TcpListener::bind(address).await.map_err(|e| std::io::Error::new(e.kind(), format!("{address}: {e}")))
}

async fn grpc(app: &App) -> Result<tonic::transport::server::Router, StartError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<HostUpcallServiceServer<Upcall>>().await;
    health.set_serving::<AgentUpcallServiceServer<Upcall>>().await;
    let reflect = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(ALIVE.0))
        .http2_keepalive_timeout(Some(ALIVE.1))
        .add_service(health_service)
        .add_service(reflect().build_v1()?)
        .add_service(reflect().build_v1alpha()?)
        .add_service(HostUpcallServiceServer::new(Upcall(app.clone())))
        .add_service(AgentUpcallServiceServer::new(Upcall(app.clone()))))
}
