//! A region as a process of its own, to be killed, stopped and continued as the kernel does it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use region::Config;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::eventually;

/// Ends, by SIGKILL, with this value.
pub struct RegionProcess {
    child: Child,
    /// Its addresses, as base URLs.
    pub http: String,
    pub grpc: String,
    log: PathBuf,
}

#[derive(Deserialize)]
struct Ready {
    http: String,
    grpc: String,
}

impl RegionProcess {
    /// Until it serves. Its files lie in `folder`, which must last as long, under `name`.
    ///
    /// # Panics
    /// With its log, if it does not serve.
    pub async fn start(program: &Path, config: &Config, folder: &Path, name: &str) -> Self {
        assert!(program.exists(), "{} is not there: build it with `cargo build -p region`", program.display());
        let at = |suffix: &str| folder.join(format!("{name}.{suffix}"));
        let (file, ready, log) = (at("yaml"), at("ready"), at("log"));
        // JSON is YAML.
        std::fs::write(&file, serde_json::to_vec(config).expect("plain data")).expect("a configuration file");
        let child = Command::new(program)
            .arg("--config")
            .arg(&file)
            .arg("--ready-file")
            .arg(&ready)
            .env_remove("DATABASE_URL")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log file"))
            .spawn()
            .expect("the region program starts");
        let mut process = Self { child, http: String::new(), grpc: String::new(), log };
        let told = eventually("region serves", async || {
            let text = std::fs::read(&ready).ok()?;
            if let Ok(Some(ended)) = process.child.try_wait() {
                panic!("region has ended: {ended}\n{}", process.log());
            }
            serde_json::from_slice::<Ready>(&text).ok()
        });
        let told = told.await;
        (process.http, process.grpc) = (told.http, told.grpc);
        process
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL; returns when it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// SIGTERM, as an update sends it; returns when it has ended by itself.
    ///
    /// # Panics
    /// If it ends with anything but 0, or not at all.
    pub async fn terminate(mut self) {
        self.signal(Signal::TERM);
        let ended = eventually("region ends", async || self.child.try_wait().ok().flatten()).await;
        assert!(ended.success(), "{ended}\n{}", self.log());
    }

    /// SIGSTOP: it stands still, and knows nothing of it.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("it is our child");
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for RegionProcess {
    fn drop(&mut self) {
        self.end();
    }
}
