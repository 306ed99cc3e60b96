//! Who brings the database up to date: `--migrate auto | only | never`, several at once, and one that waits without being in the way.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use db::migrate::{self, MigrateError};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use pg_cluster::{TestDatabase, TestServer};
use region::Config;
use region::config::Migrate;
use testing::{LIMIT, RegionProcess, eventually};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_region"))
}

async fn empty() -> TestDatabase {
    tokio::task::spawn_blocking(|| TestServer::shared().database(None)).await.unwrap().expect("a database")
}

fn config(database: &TestDatabase, folder: &Path, migrate: Migrate) -> Config {
    let mut config = Config::default();
    config.http.listen = "127.0.0.1:0".into();
    config.grpc.listen = "127.0.0.1:0".into();
    config.database.url = database.url().into();
    config.database.pool = 4;
    config.database.migrate = migrate;
    config.bootstrap.password_file = folder.join("password");
    config.secrets.key_file = folder.join("key");
    config
}

/// `region --migrate MODE`, to its end.
fn run(database: &TestDatabase, folder: &Path, mode: &str) -> std::process::Output {
    let file = folder.join("once.yaml");
    std::fs::write(&file, serde_json::to_vec(&config(database, folder, Migrate::Auto)).unwrap()).unwrap();
    let mut command = Command::new(program());
    command.arg("--config").arg(file).args(["--migrate", mode]).env_remove("DATABASE_URL").env_remove("RUST_LOG");
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_that_start_at_once_migrate_once() {
    let (database, folder) = (empty().await, tempfile::tempdir().unwrap());
    let known = migrate::missing(database.url()).await.unwrap().len();
    assert!(known > 5, "an empty database lacks everything");
    // One that may not migrate is among them, and waits for the others.
    let start = async |n: usize| {
        let how = if n == 0 { Migrate::Never } else { Migrate::Auto };
        let config = config(&database, folder.path(), how);
        RegionProcess::start(program(), &config, folder.path(), &format!("region{n}")).await
    };
    let started = futures::future::join_all((0..4).map(start)).await;
    let lines = |n: usize| started[n].log().lines().filter(|line| line.contains("migrated")).count();
    assert_eq!(lines(0), 0);
    assert_eq!((1..4).map(lines).sum::<usize>(), known, "each by one of them");
    assert!(migrate::missing(database.url()).await.unwrap().is_empty());

    // A process of its own has metrics of its own.
    service::install_crypto();
    let shown = [
        "region_task_stalled_seconds 0\n",
        "region_rescue_sessions_overdue 0\n",
        "region_database_connections{pool=\"tasks\",state=\"waiting\"} 0\n",
        "build_info{service=\"region\",version=",
    ];
    eventually("its gauges are shown", async || {
        let text = reqwest::get(format!("{}/metrics", started[1].http)).await.ok()?.text().await.ok()?;
        shown.iter().all(|line| text.contains(line)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_migrates_and_ends_and_never_waits_for_it() {
    let (database, folder) = (empty().await, tempfile::tempdir().unwrap());
    let waiting = config(&database, folder.path(), Migrate::Never);
    let waiting = RegionProcess::start(program(), &waiting, folder.path(), "waits");
    let migrated = async {
        let log = folder.path().join("waits.log");
        let waits = async || std::fs::read_to_string(&log).ok().filter(|text| text.contains("waiting for somebody"));
        eventually("it waits", waits).await;
        let only = run(&database, folder.path(), "only");
        assert!(only.status.success(), "{}", String::from_utf8_lossy(&only.stderr));
    };
    let (waited, ()) = tokio::join!(waiting, migrated);
    assert!(!waited.log().contains("migrated"));
    assert!(run(&database, folder.path(), "only").status.success(), "again: nothing is left to do");
    let wrong = run(&database, folder.path(), "sometimes");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("auto, only, never"), "{wrong:?}");
}

/// A session that waited for the lock in a statement would hold a snapshot, and the index would wait for that.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_the_lock_is_not_in_the_way_of_a_concurrent_index() {
    let database = empty().await;
    let connect = async || AsyncPgConnection::establish(database.url()).await.unwrap();
    let (mut worker, mut look) = (connect().await, connect().await);
    let lock = "select pg_advisory_lock(x'4c696665626f6174'::bigint)";
    diesel::sql_query(lock).execute(&mut worker).await.unwrap();

    let url = database.url().to_owned();
    let waits = tokio::spawn(async move { migrate::run(&url, LIMIT).await });
    eventually("it has asked for the lock", async || {
        let asked = "select 1 from pg_stat_activity where datname = current_database() and query like '%try_advisory%' \
                     and pid <> pg_backend_pid()";
        (diesel::sql_query(asked).execute(&mut look).await.unwrap() > 0).then_some(())
    })
    .await;
    for statement in ["set statement_timeout = '60s'", "create table t (a int)", "create index concurrently i on t (a)"]
    {
        diesel::sql_query(statement).execute(&mut worker).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }

    let patience = Duration::from_millis(10);
    let busy = migrate::run(database.url(), patience).await.unwrap_err();
    assert!(matches!(busy, MigrateError::Busy(_)) && busy.to_string().contains("pg_locks"), "{busy}");
    let behind = migrate::wait(database.url(), patience).await.unwrap_err();
    assert!(behind.to_string().contains("region --migrate only"), "{behind}");
    drop(worker);
    waits.await.unwrap().unwrap();
    assert!(migrate::missing(database.url()).await.unwrap().is_empty());
}
