//! Starting, adopting and stopping a cluster.
//!
//! A cluster is tied to its starter unless it may survive: a small shell stands between the two, holds the other end of
//! a pipe, and stops Postgres when the pipe breaks, however the starter ended. Should the shell be killed as well, the
//! kernel tells Postgres (PR_SET_PDEATHSIG).

use std::fs::{File, OpenOptions};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::layout::{Layout, SOCKET};
use crate::{Binaries, Error, url};

/// How a cluster runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Survive a power cut: fsync and synchronous commit. Without, a crash of the machine loses the cluster.
    pub durable: bool,
    /// Go on when the process that started it ends. Such a cluster is stopped by [`Cluster::stop`] only.
    pub survives: bool,
    /// Remove the whole folder once it has stopped.
    pub temporary: bool,
    pub max_connections: u32,
    /// MiB.
    pub shared_buffers: u32,
    /// How long a start may take, the making of the cluster and the recovery after a crash included.
    pub start_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durable: true,
            survives: false,
            temporary: false,
            max_connections: 200,
            shared_buffers: 128,
            start_limit: Duration::from_secs(120),
        }
    }
}

impl Options {
    /// Fast and forgetful, and gone with its starter.
    pub fn for_tests() -> Self {
        Self { durable: false, temporary: true, shared_buffers: 64, max_connections: 400, ..Self::default() }
    }

    fn settings(&self, run: &Path) -> Vec<String> {
        let mut settings = vec![
            "listen_addresses=".to_owned(),
            "port=5432".to_owned(),
            format!("unix_socket_directories={}", quoted(run)),
            "unix_socket_permissions=0700".to_owned(),
            format!("max_connections={}", self.max_connections),
            format!("shared_buffers={}MB", self.shared_buffers),
            "timezone=UTC".to_owned(),
            "log_timezone=UTC".to_owned(),
            "lc_messages=C".to_owned(),
            "logging_collector=off".to_owned(),
            "log_destination=stderr".to_owned(),
            "log_line_prefix=%m [%p] %d ".to_owned(),
        ];
        let durability = if self.durable { "on" } else { "off" };
        for name in ["fsync", "synchronous_commit", "full_page_writes"] {
            settings.push(format!("{name}={durability}"));
        }
        settings
    }
}

/// In a list of folders a name stands in double quotes.
fn quoted(folder: &Path) -> String {
    format!("\"{}\"", folder.display().to_string().replace('"', "\"\""))
}

/// Says where and how; see [`Cluster::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    dir: PathBuf,
    options: Options,
}

impl Builder {
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// See [`Options::survives`].
    pub fn survives(mut self, survives: bool) -> Self {
        self.options.survives = survives;
        self
    }

    /// Makes the cluster if there is none yet, starts it if it does not run yet, and waits until it takes connections.
    pub fn start(self) -> Result<Cluster, Error> {
        let binaries = Binaries::find()?;
        let layout = Layout::prepare(&self.dir)?;
        let until = Instant::now() + self.options.start_limit;
        if !layout.data.join("PG_VERSION").is_file() {
            initdb(&binaries, &layout, &self.options)?;
        }
        let mut cluster =
            Cluster { dir: self.dir, run: layout.run.clone(), layout, options: self.options, tie: Tie::None };
        loop {
            match cluster.postmaster() {
                // Ours, or of a starter before us. It may lie elsewhere if the rule for socket folders has changed.
                Some(found) => {
                    cluster.run = found.run.unwrap_or_else(|| cluster.layout.run.clone());
                    if found.ready && UnixStream::connect(cluster.run.join(SOCKET)).is_ok() {
                        return Ok(cluster);
                    }
                }
                None if matches!(cluster.tie, Tie::None) => cluster.launch(&binaries)?,
                None => {}
            }
            if let Some(why) = cluster.tie.ended() {
                let tail = tail(&cluster.layout.log);
                // After `kill -9` of the postmaster its children need a moment to notice.
                if tail.contains("still in use") && Instant::now() < until {
                    cluster.tie = Tie::None;
                    std::thread::sleep(Duration::from_millis(200));
                    continue;
                }
                return Err(Error::NotUp { why, log: cluster.layout.log.clone(), tail });
            }
            if Instant::now() >= until {
                let why = format!("it takes no connections after {:?}", cluster.options.start_limit);
                return Err(Error::NotUp { why, log: cluster.layout.log.clone(), tail: tail(&cluster.layout.log) });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A running cluster. Dropping it stops it, if it was started here and may not survive.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    run: PathBuf,
    layout: Layout,
    options: Options,
    tie: Tie,
}

/// What holds us and Postgres together.
#[derive(Debug)]
enum Tie {
    /// Adopted: started by somebody else.
    None,
    /// The shell between; dropping its input ends both.
    Shell { shell: Child, pipe: Option<ChildStdin> },
    /// Our child, but on its own.
    Free(Child),
}

impl Tie {
    fn ended(&mut self) -> Option<String> {
        let child = match self {
            Tie::None => return None,
            Tie::Shell { shell, .. } => shell,
            Tie::Free(child) => child,
        };
        child.try_wait().ok().flatten().map(|status| format!("it ended with {status}"))
    }
}

/// What `postmaster.pid` says.
struct Postmaster {
    pid: Pid,
    run: Option<PathBuf>,
    ready: bool,
}

impl Cluster {
    /// A cluster in `dir`, which is made if it does not exist.
    pub fn builder(dir: impl Into<PathBuf>) -> Builder {
        Builder { dir: dir.into(), options: Options::default() }
    }

    /// One that runs in `dir` at present, if any does.
    pub fn running(dir: impl Into<PathBuf>) -> Result<Option<Self>, Error> {
        let dir = dir.into();
        if !dir.join("data/postmaster.pid").exists() {
            return Ok(None);
        }
        let layout = Layout::prepare(&dir)?;
        let mut cluster = Self { dir, run: layout.run.clone(), layout, options: Options::default(), tie: Tie::None };
        Ok(cluster.postmaster().map(|found| {
            cluster.run = found.run.unwrap_or_else(|| cluster.layout.run.clone());
            cluster
        }))
    }

    /// For tokio-postgres, diesel-async, psql. The database `postgres` always exists.
    pub fn url(&self, database: &str) -> String {
        url::of_socket(&self.run, database)
    }

    /// The folder of its socket.
    pub fn socket_folder(&self) -> &Path {
        &self.run
    }

    /// The log.
    pub fn log(&self) -> &Path {
        &self.layout.log
    }

    /// The process id of the server, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.postmaster().map(|found| found.pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// Makes a database if there is none of that name.
    pub fn ensure_database(&self, name: &str) -> Result<String, Error> {
        let server = self.url("postgres");
        let known = psql(&server, &format!("SELECT 1 FROM pg_database WHERE datname = {}", literal(name)))?;
        if known.trim().is_empty() {
            psql(&server, &format!("CREATE DATABASE {}", identifier(name)))?;
        }
        Ok(self.url(name))
    }

    /// Stops the server (connections are ended, nothing is lost) and waits until it is gone.
    pub fn stop(mut self) -> Result<(), Error> {
        self.halt()
    }

    /// As [`Cluster::stop`] and a start, with the same options: for tests of what survives that.
    pub fn restart(self) -> Result<Self, Error> {
        self.end_and_start(|_| {})
    }

    /// The same, but the server ends as if it had crashed: no connection is closed, nothing is written out.
    pub fn crash_and_restart(self) -> Result<Self, Error> {
        self.end_and_start(|pid| {
            let _ = rustix::process::kill_process(pid, Signal::QUIT);
        })
    }

    fn end_and_start(mut self, end: impl FnOnce(Pid)) -> Result<Self, Error> {
        let keep = self.dir.join(KEEP);
        if self.options.temporary {
            File::create(&keep).map_err(Error::io("can't create", &keep))?;
        }
        if let Some(found) = self.postmaster() {
            end(found.pid);
        }
        self.halt()?;
        let again = Builder { dir: self.dir.clone(), options: self.options.clone() }.start();
        let _ = std::fs::remove_file(&keep);
        again
    }

    fn halt(&mut self) -> Result<(), Error> {
        match &mut self.tie {
            Tie::Shell { shell, pipe } => {
                drop(pipe.take());
                let until = Instant::now() + STOP_LIMIT;
                loop {
                    match shell.try_wait() {
                        Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
                        Ok(None) => {
                            let pid = shell.id();
                            return Err(Error::NotDown { pid, log: self.layout.log.clone() });
                        }
                        Ok(Some(_)) | Err(_) => {
                            self.tie = Tie::None;
                            return Ok(());
                        }
                    }
                }
            }
            Tie::None | Tie::Free(_) => self.signal_and_wait(),
        }
    }

    fn signal_and_wait(&mut self) -> Result<(), Error> {
        let Some(found) = self.postmaster() else { return Ok(()) };
        let until = Instant::now() + STOP_LIMIT;
        let _ = rustix::process::kill_process(found.pid, Signal::INT);
        loop {
            if let Tie::Free(child) = &mut self.tie {
                let _ = child.try_wait();
            }
            // The pid file goes first, the process a moment later.
            if !is_running(found.pid) {
                return Ok(());
            }
            if Instant::now() >= until {
                let pid = found.pid.as_raw_nonzero().get().unsigned_abs();
                return Err(Error::NotDown { pid, log: self.layout.log.clone() });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn launch(&mut self, binaries: &Binaries) -> Result<(), Error> {
        self.forget_stale_pid()?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.layout.log)
            .map_err(Error::io("can't open", &self.layout.log))?;
        let tied = !self.options.survives;
        let mut postgres = self.layout.command(&binaries.postgres, tied);
        postgres.arg("-D").arg(&self.layout.data);
        for setting in self.options.settings(&self.layout.run) {
            postgres.arg("-c").arg(setting);
        }
        self.tie = if tied {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", WATCH, "pg-cluster"]);
            shell.arg(if self.options.temporary { self.dir.as_os_str() } else { "".as_ref() });
            shell.arg(if self.layout.run.starts_with(&self.dir) { "".as_ref() } else { self.layout.run.as_os_str() });
            shell.arg(postgres.get_program()).args(postgres.get_args());
            for (name, value) in postgres.get_envs() {
                match value {
                    Some(value) => shell.env(name, value),
                    None => shell.env_remove(name),
                };
            }
            shell.current_dir("/").stdin(Stdio::piped());
            let mut shell = self.spawn(shell, log)?;
            let pipe = shell.stdin.take();
            Tie::Shell { shell, pipe }
        } else {
            postgres.stdin(Stdio::null());
            Tie::Free(self.spawn(postgres, log)?)
        };
        Ok(())
    }

    fn spawn(&self, mut command: Command, log: File) -> Result<Child, Error> {
        let second = log.try_clone().map_err(Error::io("can't use", &self.layout.log))?;
        // A group of its own: an interrupt typed at the terminal is for the starter.
        command.stdout(log).stderr(second).process_group(0);
        command.spawn().map_err(Error::io("can't run", command.get_program()))
    }

    /// The server that runs on our data, whoever started it.
    fn postmaster(&self) -> Option<Postmaster> {
        let text = std::fs::read_to_string(self.layout.data.join("postmaster.pid")).ok()?;
        let lines: Vec<&str> = text.lines().collect();
        let pid = Pid::from_raw(lines.first()?.trim().parse().ok()?)?;
        // Its working folder is its data; another process that has the same number by now is somewhere else.
        let cwd = std::fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).ok()?;
        if cwd != self.layout.data {
            return None;
        }
        let run = lines.get(4).filter(|run| !run.is_empty()).map(PathBuf::from);
        Some(Postmaster { pid, run, ready: lines.get(7).is_some_and(|state| state.trim() == "ready") })
    }

    /// Postgres refuses to start if its old process id is in use by anybody; and it deals with all other left-overs.
    fn forget_stale_pid(&self) -> Result<(), Error> {
        let file = self.layout.data.join("postmaster.pid");
        let Ok(text) = std::fs::read_to_string(&file) else { return Ok(()) };
        let pid = text.lines().next().and_then(|line| line.trim().parse().ok()).and_then(Pid::from_raw);
        let in_use = pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
        if in_use || pid.is_none() {
            std::fs::remove_file(&file).map_err(Error::io("can't remove", &file))?;
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // An error here could only be told to nobody; the shell goes on trying.
        if let Tie::Shell { .. } = self.tie {
            let _ = self.halt();
        }
    }
}

/// Not gone, and more than a zombie that nobody has asked for yet.
fn is_running(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
        .is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

const STOP_LIMIT: Duration = Duration::from_secs(60);

/// In the folder of a temporary cluster: it will be started again.
const KEEP: &str = "keep";

/// $1: the folder to remove in the end, or nothing; $2: a socket folder outside it; the rest: the server.
const WATCH: &str = r#"
dir=$1; run=$2; shift 2
"$@" </dev/null &
server=$!
exec 3<&0
{ read -r _ <&3; kill -INT "$server"; } 2>/dev/null &
reader=$!
wait "$server"
code=$?
kill "$reader" 2>/dev/null
[ -z "$dir" ] || [ -e "$dir/keep" ] || rm -rf -- "$dir" ${run:+"$run"}
exit "$code"
"#;

fn initdb(binaries: &Binaries, layout: &Layout, options: &Options) -> Result<(), Error> {
    // Made beside its place and moved there at the end, so that one that was cut off is not taken for a cluster.
    let fresh = layout.data.with_file_name("data.new");
    let mut failure = None;
    for locale in ["C.UTF-8", "C"] {
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh).map_err(Error::io("can't remove", &fresh))?;
        }
        let mut command = layout.command(&binaries.initdb, true);
        command.arg("-D").arg(&fresh).args(["-U", url::USER, "-E", "UTF8", "--auth=trust"]);
        command.arg(format!("--locale={locale}"));
        if !options.durable {
            command.arg("--no-sync");
        }
        match output(command) {
            Ok(_) => {
                return std::fs::rename(&fresh, &layout.data).map_err(Error::io("can't move into place", &layout.data));
            }
            Err(error) => failure.get_or_insert(error),
        };
    }
    Err(failure.expect("two locales were tried"))
}

/// Runs one statement with psql; returns its rows, unaligned.
pub(crate) fn psql(server: &str, statement: &str) -> Result<String, Error> {
    let mut command = Command::new(Binaries::find()?.psql);
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", server, "-c", statement]);
    output(command)
}

pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn output(mut command: Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().map_err(Error::io("can't run", &program))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let output = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(Error::Program { program, status: done.status.to_string(), output })
}

/// The last lines of the log.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
