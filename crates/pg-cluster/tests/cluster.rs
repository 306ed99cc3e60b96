//! Real clusters: made, used, adopted, killed, stopped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diesel::sql_types::Integer;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use pg_cluster::{Cluster, Options, TEST_PG, TestServer};

#[derive(diesel::QueryableByName)]
struct N {
    #[diesel(sql_type = Integer)]
    n: i32,
}

async fn query(url: &str, sql: &str) -> i32 {
    let mut conn = AsyncPgConnection::establish(url).await.expect(url);
    diesel::sql_query(sql).get_result::<N>(&mut conn).await.expect(sql).n
}

async fn run(url: &str, sql: &str) {
    let mut conn = AsyncPgConnection::establish(url).await.expect(url);
    diesel::sql_query(sql).execute(&mut conn).await.expect(sql);
}

/// A folder that the user Postgres runs as can get to.
fn folder() -> (tempfile::TempDir, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let dir = root.path().join("pg");
    (root, dir)
}

fn kept() -> Options {
    Options { temporary: false, ..Options::for_tests() }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn alive(pid: u32) -> bool {
    // A zombie is dead; whoever started it has not looked yet.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn data_survive_stop_and_kill() {
    let (_root, dir) = folder();
    let cluster = Cluster::builder(&dir).options(kept()).start().unwrap();
    let url = cluster.ensure_database("boat").unwrap();
    assert_eq!(cluster.ensure_database("boat").unwrap(), url);
    run(&url, "CREATE TABLE t AS SELECT 7 AS n").await;
    assert_eq!(query(&url, "SELECT current_setting('server_encoding')::name = 'UTF8' AS b, n FROM t").await, 7);
    assert_eq!(
        query(&url, "SELECT count(*)::int AS n FROM pg_settings WHERE name = 'listen_addresses' AND setting = ''")
            .await,
        1
    );
    let pid = cluster.pid().unwrap();
    cluster.stop().unwrap();
    assert!(!alive(pid));

    // `kill -9` leaves a pid file, and orphans for a moment.
    let cluster = Cluster::builder(&dir).options(kept()).start().unwrap();
    kill(cluster.pid().unwrap(), "KILL");
    drop(cluster);
    let cluster = Cluster::builder(&dir).options(kept()).start().unwrap();
    assert_eq!(query(&url, "SELECT n FROM t").await, 7);
    let pid = cluster.pid().unwrap();
    drop(cluster);
    assert!(!alive(pid), "dropping it stops it");
    assert!(dir.join("data/PG_VERSION").exists());
}

#[tokio::test]
async fn a_pid_file_with_the_number_of_another_process_is_no_obstacle() {
    let (_root, dir) = folder();
    let cluster = Cluster::builder(&dir).options(kept()).start().unwrap();
    let file = std::fs::read_to_string(dir.join("data/postmaster.pid")).unwrap();
    cluster.stop().unwrap();
    let (_, rest) = file.split_once('\n').unwrap();
    std::fs::write(dir.join("data/postmaster.pid"), format!("{}\n{rest}", std::process::id())).unwrap();
    assert!(Cluster::running(&dir).unwrap().is_none());
    let cluster = Cluster::builder(&dir).options(kept()).start().unwrap();
    assert_eq!(query(&cluster.url("postgres"), "SELECT 1 AS n").await, 1);
}

#[tokio::test]
async fn a_cluster_that_runs_is_adopted_and_left_alone() {
    let (_root, dir) = folder();
    let first = Cluster::builder(&dir).options(kept()).survives(true).start().unwrap();
    let pid = first.pid().unwrap();
    drop(first);
    assert!(alive(pid), "it may survive");
    let second = Cluster::builder(&dir).options(kept()).start().unwrap();
    assert_eq!(second.pid(), Some(pid));
    assert_eq!(query(&second.url("postgres"), "SELECT 1 AS n").await, 1);
    drop(second);
    assert!(alive(pid), "who adopts does not own");
    Cluster::running(&dir).unwrap().expect("runs").stop().unwrap();
    assert!(!alive(pid));
    assert!(Cluster::running(&dir).unwrap().is_none());
}

#[tokio::test]
async fn a_restart_keeps_a_temporary_cluster_and_a_stop_removes_it() {
    let cluster = TestServer::start().unwrap();
    let dir = cluster.log().parent().unwrap().parent().unwrap().to_owned();
    run(&cluster.url("postgres"), "CREATE TABLE t AS SELECT 3 AS n").await;
    let cluster = cluster.restart().unwrap();
    assert_eq!(query(&cluster.url("postgres"), "SELECT n FROM t").await, 3);
    cluster.stop().unwrap();
    assert!(!dir.exists());
}

#[tokio::test]
async fn a_long_path_still_gets_a_socket() {
    let (_root, dir) = folder();
    let dir = dir.with_file_name("x".repeat(100));
    let cluster = Cluster::builder(&dir).options(Options::for_tests()).start().unwrap();
    let socket = cluster.socket_folder().to_owned();
    assert!(!socket.starts_with(&dir));
    assert_eq!(query(&cluster.url("postgres"), "SELECT 1 AS n").await, 1);
    cluster.stop().unwrap();
    assert!(!dir.exists() && !socket.exists());
}

#[tokio::test]
async fn each_test_gets_a_database_of_its_own_from_a_template_made_once() {
    let server = TestServer::shared();
    let name = format!("template_{}", uuid::Uuid::new_v4().simple());
    let made = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                server
                    .template(&name, |url| {
                        made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        psql(url, "CREATE TABLE t AS SELECT 5 AS n")
                    })
                    .unwrap();
            });
        }
    });
    assert_eq!(made.into_inner(), 1);
    let (one, two) = (server.database(Some(&name)).unwrap(), server.database(Some(&name)).unwrap());
    run(one.url(), "UPDATE t SET n = 6").await;
    assert_eq!((query(one.url(), "SELECT n FROM t").await, query(two.url(), "SELECT n FROM t").await), (6, 5));
    let url = one.url().to_owned();
    drop(one);
    assert!(AsyncPgConnection::establish(&url).await.is_err());
    drop(two);
    server.drop_database(&format!("postgres:///{name}")).unwrap();
}

#[test]
fn exec_runs_a_command_with_a_server_and_returns_its_code() {
    let program = env!("CARGO_BIN_EXE_pg-cluster");
    let done = Command::new(program)
        .args(["exec", "--", "sh", "-c", "psql -X -At -d \"$LIFEBOAT_TEST_PG\" -c 'SHOW data_directory'; exit 7"])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(7), "{done:?}");
    let data = String::from_utf8(done.stdout).unwrap();
    assert!(data.trim().ends_with("/data") && !Path::new(data.trim()).exists(), "{data}");
}

#[test]
fn a_starter_that_is_killed_takes_its_server_along() {
    let mut starter = Command::new(env!("CARGO_BIN_EXE_pg-cluster"))
        .args([
            "exec",
            "--",
            "sh",
            "-c",
            "echo $$; psql -X -At -d \"$LIFEBOAT_TEST_PG\" -c 'SHOW data_directory'; exec sleep 600 >&-",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(starter.stdout.take().unwrap()));
    let command: u32 = lines.next().unwrap().unwrap().parse().unwrap();
    let data = PathBuf::from(lines.next().unwrap().unwrap());
    let file = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
    let pid: u32 = file.lines().next().unwrap().parse().unwrap();
    starter.kill().unwrap();
    starter.wait().unwrap();
    until("the server goes with its starter", || !alive(pid));
    until("its folder goes too", || !data.parent().unwrap().exists());
    // The command itself is nobody's business but ours.
    kill(command, "KILL");
}

#[test]
fn a_server_that_nobody_watches_any_more_ends() {
    let (_root, dir) = folder();
    let cluster = Cluster::builder(&dir).options(kept()).start().unwrap();
    let pid = cluster.pid().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let shell: u32 = stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    kill(shell, "KILL");
    until("the kernel tells the server", || !alive(pid));
}

#[test]
fn a_folder_behind_a_closed_one_is_refused_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let started = Cluster::builder(root.path().join("pg")).options(kept()).start();
    // An ordinary user runs Postgres as itself, and enters what it owns.
    match (rustix::process::geteuid().is_root(), started) {
        (true, Err(refused)) => assert!(refused.to_string().contains(root.path().to_str().unwrap()), "{refused}"),
        (false, Ok(_)) => {}
        (_, other) => panic!("{other:?}"),
    }
}

#[test]
fn the_variable_is_a_contract() {
    assert_eq!(TEST_PG, "LIFEBOAT_TEST_PG");
}

fn kill(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status().unwrap().success());
}

fn psql(url: &str, sql: &str) -> Result<(), String> {
    let done = Command::new("psql").args(["-X", "-q", "-d", url, "-c", sql]).output().map_err(|e| e.to_string())?;
    done.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&done.stderr).into_owned())
}
