//! A database for each test.
//!
//! One server serves all: that of `$LIFEBOAT_TEST_PG` (`pg-cluster exec -- cargo test` sets it), or else one that this
//! process starts on first use and that ends with it.

use std::fs::File;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use crate::server::{identifier, literal, psql};
use crate::{Cluster, Error, Options, url};

/// The variable that names a running server: a URL or a socket folder.
pub const TEST_PG: &str = "LIFEBOAT_TEST_PG";

/// The server that a test run shares.
#[derive(Debug)]
pub struct TestServer {
    url: String,
    /// Kept for its end. A process that ends normally does not drop it either; the pipe to its shell breaks, and that
    /// stops it.
    _cluster: Option<Cluster>,
}

impl TestServer {
    /// The one of this process. Panics with the reason if there can be none: no test could go on.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<TestServer> = OnceLock::new();
        SHARED.get_or_init(|| match Self::find_or_start() {
            Ok(server) => server,
            Err(error) => panic!("no Postgres for tests: {error}"),
        })
    }

    fn find_or_start() -> Result<Self, Error> {
        if let Ok(given) = std::env::var(TEST_PG)
            && !given.is_empty()
        {
            return Ok(Self { url: url::with_database(&given, "postgres")?, _cluster: None });
        }
        let cluster = Self::start()?;
        Ok(Self { url: cluster.url("postgres"), _cluster: Some(cluster) })
    }

    /// A temporary cluster of its own, for a test that restarts it.
    pub fn start() -> Result<Cluster, Error> {
        Self::start_with(Options::for_tests())
    }

    /// The same with other options: one that is to be crashed must be durable, or it forgets the last commits.
    pub fn start_with(options: Options) -> Result<Cluster, Error> {
        // Only a name: the cluster makes and owns the folder.
        let dir = std::env::temp_dir().join(format!("pg-test-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]));
        Cluster::builder(dir).options(options).start()
    }

    /// The URL of the database `postgres`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A new database with a name of its own, empty or a copy of `template`.
    pub fn create_database(&self, template: Option<&str>) -> Result<String, Error> {
        let name = format!("t_{}", uuid::Uuid::new_v4().simple());
        let template = template.unwrap_or("template0");
        psql(&self.url, &format!("CREATE DATABASE {} TEMPLATE {}", identifier(&name), identifier(template)))?;
        url::with_database(&self.url, &name)
    }

    /// Ends its connections and drops it. One that is not there is fine.
    pub fn drop_database(&self, url: &str) -> Result<(), Error> {
        let place = url.split('?').next().unwrap_or_default();
        let name = place.rsplit('/').next().unwrap_or_default();
        psql(&self.url, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(name))).map(drop)
    }

    /// A new database that is dropped with the value.
    pub fn database(&'static self, template: Option<&str>) -> Result<TestDatabase, Error> {
        Ok(TestDatabase { url: self.create_database(template)?, server: self })
    }

    /// Makes the template `name` if there is none yet: `prepare` gets the URL of an empty database, migrates it and
    /// closes its connections. Processes that share a server wait for each other. The name must change with what
    /// `prepare` does, with a digest of the migrations for instance.
    pub fn template<E>(&self, name: &str, prepare: impl FnOnce(&str) -> Result<(), E>) -> Result<(), TemplateError<E>> {
        let lock = self.lock_file(name);
        let file = File::options().create(true).truncate(false).write(true).open(&lock);
        let file = file.and_then(|file| file.lock().map(|()| file)).map_err(Error::io("can't lock", &lock))?;
        let known = psql(&self.url, &format!("SELECT 1 FROM pg_database WHERE datname = {}", literal(name)))?;
        if known.trim().is_empty() {
            let unready = self.create_database(None)?;
            prepare(&unready).map_err(TemplateError::Prepare)?;
            let place = unready.split('?').next().unwrap_or_default();
            let unready = place.rsplit('/').next().unwrap_or_default();
            self.rename(unready, name)?;
        }
        drop(file);
        Ok(())
    }

    /// Connections that were just dropped take a moment to be gone.
    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        let statement = format!("ALTER DATABASE {} RENAME TO {}", identifier(from), identifier(to));
        for _ in 0..100 {
            match psql(&self.url, &statement) {
                Err(Error::Program { output, .. }) if output.contains("being accessed") => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                done => return done.map(drop),
            }
        }
        psql(&self.url, &statement).map(drop)
    }

    /// Beside the socket, so that it goes with the server; a server that is elsewhere has it among the temporary files.
    fn lock_file(&self, name: &str) -> PathBuf {
        match url::socket_folder(&self.url).filter(|folder| folder.is_dir()) {
            Some(folder) => folder.join(format!("{name}.lock")),
            None => std::env::temp_dir().join(format!("pg-test-{name}.lock")),
        }
    }
}

/// Why a template could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError<E> {
    #[error(transparent)]
    Server(#[from] Error),
    #[error("the template could not be prepared: {0}")]
    Prepare(E),
}

/// A database that is dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    server: &'static TestServer,
}

impl TestDatabase {
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // What can't be dropped goes with the server.
        let _ = self.server.drop_database(&self.url);
    }
}
