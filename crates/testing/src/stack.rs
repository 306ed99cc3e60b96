//! The stack, and what stories are told with.

use std::time::Duration;

use anyhow::Context;
use api::list::ListQuery;
use api::server::{DiskCreate, Server, ServerCreate, Servers};
use api::task::{Task, TaskState, Tasks};
use client::{Client, ClientOptions, Credentials};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use host_sim::{SimHandle, SimHost, SimOptions};
use pg_cluster::{TestDatabase, TestServer};
use region::app::App;
use region::{Config, Region};
use types::{GuestStatus, Secret, TaskId};

use crate::SignedImage;
use crate::agent::Agents;

/// How long a test waits for anything. Long, because machines are shared; a test that passes does not wait.
pub const LIMIT: Duration = Duration::from_secs(120);

/// What a test changes about the stack.
#[derive(Default)]
pub struct Setup {
    pub config: Config,
    /// No agent registers.
    pub no_agent: bool,
    pub engine: Option<region::EngineSetup>,
    /// An empty database of a server that the test looks after (and may restart); otherwise a migrated one of the shared server.
    pub database_url: Option<String>,
}

pub struct Stack {
    region: Option<Region>,
    config: Config,
    pub host: SimHandle,
    pub client: Client,
    pub image: SignedImage,
    folder: tempfile::TempDir,
    database: Database,
    agents: Agents,
}

enum Database {
    Own(TestDatabase),
    Given(String),
}

impl Database {
    fn url(&self) -> &str {
        match self {
            Self::Own(database) => database.url(),
            Self::Given(url) => url,
        }
    }
}

impl Stack {
    /// # Panics
    /// With the reason, if anything can't be started: no test could go on.
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    /// # Panics
    /// As [`Stack::start`].
    pub async fn start_with(setup: Setup) -> Self {
        match Self::try_start(setup).await {
            Ok(stack) => stack,
            Err(error) => panic!("the stack does not start: {error:#}"),
        }
    }

    async fn try_start(setup: Setup) -> anyhow::Result<Self> {
        service::install_crypto();
        service::telemetry::init(&service::telemetry::LogConfig { filter: "warn".into(), ..Default::default() });
        let database = match setup.database_url {
            Some(url) => Database::Given(url),
            None => Database::Own(tokio::task::spawn_blocking(database).await??),
        };
        let folder = tempfile::tempdir()?;
        let image = SignedImage::new("small")?;
        let mut config = setup.config;
        config.http.listen = "127.0.0.1:0".into();
        config.grpc.listen = "127.0.0.1:0".into();
        config.database.url = database.url().into();
        config.database.pool = config.database.pool.min(8);
        config.bootstrap.password_file = folder.path().join("password");
        config.secrets.key_file = folder.path().join("key");
        config.rescue.trusted_keys = vec![image.public_key.clone()];
        let region = Region::start_with(config.clone(), setup.engine.unwrap_or_else(fast)).await?;
        // A restarted region must be found where it was.
        config.http.listen = region.http.to_string();
        config.grpc.listen = region.grpc.to_string();
        let agents = Agents::default();
        if !setup.no_agent {
            agents.register(&config.grpc.listen, &image, "agent1").await.context("agent")?;
        }
        let options = SimOptions::new("host1").region(format!("http://{}", region.grpc));
        let host = SimHost::start(options).await?;
        host.wait_registered().await;
        let password = std::fs::read_to_string(folder.path().join("password"))?;
        let client = client_of(&format!("http://{}", region.http), password.trim())?;
        Ok(Self { region: Some(region), config, host, client, image, folder, database, agents })
    }

    /// The running region's parts.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.region.as_ref().expect("region runs").app
    }

    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.config.http.listen)
    }

    /// What region runs with; for one that is started otherwise.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Gone with the stack.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The administrator at another region, by its base URL.
    #[must_use]
    pub fn client_at(&self, base_url: &str) -> Client {
        client_of(base_url, &self.password()).expect("a client")
    }

    #[must_use]
    pub fn database_url(&self) -> &str {
        self.database.url()
    }

    /// The password of the administrator.
    #[must_use]
    pub fn password(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("password")).expect("region wrote it").trim().to_owned()
    }

    /// Ends region as `kill -9` would: nothing is finished, nothing let go.
    pub async fn kill_region(&mut self) {
        if let Some(region) = self.region.take() {
            region.kill().await;
        }
    }

    /// Starts region again, where it was.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_region(&mut self) {
        self.start_region_with(fast).await;
    }

    /// The same, with another engine.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_region_with(&mut self, engine: impl Fn() -> region::EngineSetup) {
        assert!(self.region.is_none(), "region runs");
        let config = self.config.clone();
        // The port may take a moment to be free again.
        let started =
            eventually("region starts again", async || Region::start_with(config.clone(), engine()).await.ok());
        self.region = Some(started.await);
        self.agents.greet(&self.config.grpc.listen).await.expect("agents find the region");
    }

    /// A second region process on the same database, with ports of its own.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn replica(&self) -> Region {
        self.replica_with(fast()).await
    }

    /// The same, with another engine.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn replica_with(&self, engine: region::EngineSetup) -> Region {
        let mut config = self.config.clone();
        config.http.listen = "127.0.0.1:0".into();
        config.grpc.listen = "127.0.0.1:0".into();
        Region::start_with(config, engine).await.expect("a replica starts")
    }

    /// Registers an agent with the signed image. It sends heartbeats while the stack lives.
    ///
    /// # Panics
    /// If region refuses it.
    pub async fn register_agent(&self, name: &str) {
        self.register_image(name, &self.image).await;
    }

    /// Registers an agent with another image that is signed by the same key.
    ///
    /// # Panics
    /// Region does not take it.
    pub async fn register_image(&self, name: &str, image: &SignedImage) {
        self.agents.register(&self.config.grpc.listen, image, name).await.expect("an agent registers");
    }

    /// Plain requests with the administrator's token.
    pub async fn web(&self) -> Web {
        let http = reqwest::Client::new();
        let body = serde_json::json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "name": "admin", "domain": {"name": "Default"}, "password": self.password()}}}}});
        let request = http.post(format!("{}/v3/auth/tokens", self.base_url())).json(&body);
        let answer = request.send().await.expect("an answer to a log-in");
        let token = answer.headers().get("x-subject-token").and_then(|t| t.to_str().ok()).expect("a token");
        Web { http, base: self.base_url(), token: Secret::new(token) }
    }

    /// What `create` wants of a server with one disk.
    #[must_use]
    pub fn body(name: &str, on: bool) -> ServerCreate {
        let disk = DiskCreate { size: 100, ..DiskCreate::default() };
        ServerCreate { auto_start: on, ..ServerCreate::new(name, vec![disk]) }
    }

    /// A server with one disk, off or on.
    pub async fn server(&self, name: &str, on: bool) -> Server {
        let created = self.client.create::<Servers>(&Self::body(name, on)).await.expect("create is accepted");
        let task = self.ended(created.task.expect("create has a task").id).await;
        assert_eq!(task.state, TaskState::Succeeded, "{:?}", task.cause);
        let server = self.show(name).await;
        assert_eq!(server.status, if on { GuestStatus::Running } else { GuestStatus::Ready });
        server
    }

    pub async fn show(&self, ident: &str) -> Server {
        self.client.get::<Servers>(ident).await.expect("the server is there")
    }

    /// The task, once it has ended.
    pub async fn ended(&self, id: TaskId) -> Task {
        eventually(&format!("task {id} ends"), async || {
            self.client.get::<Tasks>(&id.to_string()).await.ok().filter(|task| task.is_complete)
        })
        .await
    }

    /// The events of an object, oldest first, as `action success new_status`.
    pub async fn story(&self, ident: &str) -> Vec<String> {
        let query = ListQuery { limit: 200, obj_id: Some(ident.into()), ..ListQuery::default() };
        let mut events = self.client.list::<api::event::Events>(&query).await.expect("events").data;
        events.reverse();
        let line = |e: api::event::Event| {
            let ended = if e.success { "ok" } else { "failed" };
            format!("{} {ended} {}", e.action, e.new_status.unwrap_or_else(|| "-".into()))
        };
        events.into_iter().map(line).collect()
    }

    /// A connection of the test's own, which needs no region.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn connection(&self) -> db::Conn {
        <db::Conn as diesel_async::AsyncConnection>::establish(self.database_url()).await.expect("a connection")
    }

    /// Ends the test: no task may be left alive, and nobody may still hold secrets.
    ///
    /// # Panics
    /// If one is.
    pub async fn finish(mut self) {
        use task_engine::schema::tasks::dsl as t;
        let mut conn = self.connection().await;
        let alive: Vec<(String, String)> = t::tasks
            .filter(t::ended_at.is_null())
            .select((t::name, t::stage_name))
            .load(&mut conn)
            .await
            .expect("tasks");
        assert!(alive.is_empty(), "tasks are left alive: {alive:?}");
        drop(conn);
        if let Some(region) = self.region.take() {
            region.kill().await;
        }
    }
}

/// An engine that waits less. The crash of a region costs two seconds: with a shorter lease, engines on a machine that is busy with other
/// things lose theirs before they come to extend it, again and again.
fn fast() -> region::EngineSetup {
    Box::new(|engine| engine.tuning(tuning()))
}

/// The times of the engines of a [`Stack`].
#[must_use]
pub fn tuning() -> task_engine::Tuning {
    task_engine::Tuning { lease: Duration::from_secs(2), ..task_engine::Tuning::for_tests() }
}

fn client_of(base_url: &str, password: &str) -> Result<Client, client::Error> {
    Client::new(ClientOptions::new(
        Some(format!("{base_url}/v3")),
        Credentials::Password {
            user: "admin".into(),
            domain: "Default".into(),
            password: Some(Secret::new(password)),
            project: Some("system".into()),
        },
    ))
}

/// A database of its own, copied from a migrated one.
fn database() -> anyhow::Result<TestDatabase> {
    let server = TestServer::shared();
    // A server lives for one run, so the template always fits the migrations.
    const TEMPLATE: &str = "lifeboat_migrated";
    server
        .template(TEMPLATE, |url| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            runtime.block_on(db::migrate::run(url, Duration::from_secs(60))).map_err(anyhow::Error::from)
        })
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(server.database(Some(TEMPLATE))?)
}

/// Asks again until there is an answer.
///
/// # Panics
/// When [`LIMIT`] has passed.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = tokio::time::timeout(LIMIT, async {
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        loop {
            pause.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    });
    match asked.await {
        Ok(answer) => answer,
        Err(_) => panic!("not within {LIMIT:?}: {what}"),
    }
}

/// Plain HTTP, for what the typed client would not send.
pub struct Web {
    pub http: reqwest::Client,
    pub base: String,
    pub token: Secret,
}

impl Web {
    /// A request with the token.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("an HTTP method");
        self.http.request(method, format!("{}{path}", self.base)).header("x-auth-token", self.token.expose())
    }

    /// Sends it; the status, and the body as JSON (null if it is none).
    pub async fn send(&self, request: reqwest::RequestBuilder) -> (u16, serde_json::Value) {
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }
}
