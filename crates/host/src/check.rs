//! `host check`: whether this machine can be a host, part by part, and how to mend what is wrong. It may be run beside the agent, and changes
//! nothing but a file that it removes again.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use types::desc::Machine;

use crate::config::Config;
use crate::qemu::cmdline::Accelerator;
use crate::qemu::{Binaries, accel, scope, user};
use crate::system;

/// For one answer from elsewhere.
const LIMIT: Duration = Duration::from_secs(10);
/// Nothing of this program is older.
const BUILT_AFTER: Duration = Duration::from_secs(1_735_689_600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Good,
    /// It works, but not as well as it might, or not for every guest.
    Poor,
    Broken,
}

/// What was seen of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    pub part: &'static str,
    pub seen: String,
    /// What to do; empty where nothing need be done.
    pub mend: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Good => "ok",
            Level::Poor => "poor",
            Level::Broken => "BROKEN",
        };
        write!(f, "{level:<7}{:<9}{}", self.part, self.seen)?;
        if self.mend.is_empty() { Ok(()) } else { write!(f, "\n{:16}-> {}", "", self.mend) }
    }
}

pub(crate) fn good(part: &'static str, seen: impl Into<String>) -> Finding {
    Finding { level: Level::Good, part, seen: seen.into(), mend: String::new() }
}
pub(crate) fn poor(part: &'static str, seen: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { level: Level::Poor, part, seen: seen.into(), mend: mend.into() }
}
pub(crate) fn broken(part: &'static str, seen: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { level: Level::Broken, part, seen: seen.into(), mend: mend.into() }
}

/// Looks at everything.
pub async fn all(config: &Config) -> Vec<Finding> {
    let mut findings = qemu(config).await;
    findings.push(qemu_img(&config.qemu.qemu_img).await);
    findings.push(firmware(config));
    findings.extend(
        [("workspace", &config.workspace), ("images", &config.image_dir), ("store", &config.store_dir)]
            .map(|(part, folder)| storage(part, folder, config.limits.reserved_disk_mib)),
    );
    findings.push(sockets(config));
    findings.extend(crate::check_network::bridges(config));
    findings.push(where_guests_run(config));
    findings.push(memory(config));
    findings.push(clock(SystemTime::now()));
    findings.push(trust(config));
    findings.push(region(config).await);
    findings
}

async fn qemu(config: &Config) -> Vec<Finding> {
    let binaries = match Binaries::find(&config.qemu.binaries, std::env::consts::ARCH).await {
        Ok(binaries) => binaries,
        Err(error) => return vec![broken("qemu", error.to_string(), "apt-get install qemu-system-x86")],
    };
    let newest = binaries.newest();
    let mut findings = vec![good("qemu", binaries.versions().join(", "))];
    if !newest.sandbox {
        let mend = "a QEMU built with seccomp, and a container that allows it to filter its own system calls";
        findings.push(poor("sandbox", "QEMU can't give up system calls that it does not need", mend));
    }
    if let Some(machine) = Machine::ALL.iter().find(|machine| !newest.knows(**machine)) {
        findings.push(poor("qemu", format!("no machine {machine}"), "a QEMU with all machine types"));
    }
    let kernel = Some(config.qemu.probe_kernel.as_path()).filter(|path| !path.as_os_str().is_empty());
    let cache = config.workspace.join("accelerator.json");
    let (accelerator, why) = accel::explain(config.accel, (&newest.version, &newest.program), kernel, &cache).await;
    let seen = format!("{}: {why}", accelerator.as_str());
    findings.push(qemu_user(config, accelerator == Accelerator::Kvm));
    findings.push(match accelerator {
        Accelerator::Kvm => good("kvm", seen),
        Accelerator::Tcg => {
            poor("kvm", seen, "guests run, but slowly: allow virtualisation in the firmware, load kvm_intel or kvm_amd")
        }
    });
    findings
}

fn qemu_user(config: &Config, kvm: bool) -> Finding {
    let folders = [&config.workspace, &config.store_dir, &config.runtime_dir].map(PathBuf::as_path);
    match user::choose(&config.qemu.user, &folders, kvm) {
        Ok((Some(user), _)) => good("user", format!("QEMU runs as {user}")),
        Ok((None, why)) => {
            let mend = if why.contains("get below") || why.contains("can't use") {
                "what stands above".to_owned()
            } else {
                format!("run the agent as root, set [qemu] user = \"auto\", and make the user: {}", user::HOW_TO_MAKE)
            };
            poor("user", format!("QEMU runs with the agent's own rights: {why}"), mend)
        }
        Err(problem) => broken("user", problem, format!("to make one: {}", user::HOW_TO_MAKE)),
    }
}

async fn qemu_img(program: &Path) -> Finding {
    let asking =
        tokio::process::Command::new(program).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(LIMIT, asking).await {
        Ok(Ok(output)) if output.status.success() => {
            good("qemu-img", String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default())
        }
        _ => broken("qemu-img", format!("{} does not run", program.display()), "apt-get install qemu-utils"),
    }
}

fn firmware(config: &Config) -> Finding {
    let missing: Vec<_> = [&config.uefi.code, &config.uefi.vars].into_iter().filter(|path| !path.is_file()).collect();
    match missing.first() {
        None => good("uefi", config.uefi.code.display().to_string()),
        Some(path) => poor(
            "uefi",
            format!("{} is missing; guests with UEFI are refused", path.display()),
            "apt-get install ovmf, or set [uefi] code and vars",
        ),
    }
}

fn storage(part: &'static str, folder: &Path, reserved: u64) -> Finding {
    // What the agent makes itself when it starts.
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let probe = there.join(format!(".lifeboat-check-{}", std::process::id()));
    let written = std::fs::write(&probe, b"x").and_then(|()| std::fs::File::open(&probe)?.sync_all());
    let _ = std::fs::remove_file(&probe);
    let free = system::disk_free_mib(there);
    match written {
        // Images may be a folder that is only read.
        Err(error) if part == "images" && folder.is_dir() && std::fs::read_dir(folder).is_ok() => {
            good(part, format!("{}, read only ({error})", folder.display()))
        }
        Err(error) => broken(
            part,
            format!("{}: {error}", there.display()),
            "choose another folder, or give this user the right to write there",
        ),
        Ok(()) if free < reserved => broken(
            part,
            format!("{}: {free} MiB free", folder.display()),
            format!("at least {reserved} MiB are kept free"),
        ),
        Ok(()) => good(part, format!("{}, {free} MiB free", folder.display())),
    }
}

fn sockets(config: &Config) -> Finding {
    let folder: PathBuf = config.runtime_dir.clone();
    match crate::guest::paths::check_runtime(&folder) {
        Ok(()) => good("sockets", folder.display().to_string()),
        Err(problem) => broken("sockets", problem, "set runtime_dir to a shorter path"),
    }
}

fn where_guests_run(config: &Config) -> Finding {
    let seen = scope::look(&config.cgroup_root);
    match scope::decide(config.scope, &seen) {
        Err(problem) => {
            broken("scope", problem, "set scope to auto, or give the agent what it needs: see its configuration")
        }
        Ok((scope::Scope::Session, why)) if !seen.at_the_top => poor(
            "scope",
            format!("guests end with the agent's unit or container: {why}"),
            "run the agent under systemd as root, or, in a container, mount the machine's cgroup tree at cgroup_root",
        ),
        Ok((scope, why)) => good("scope", format!("QEMU runs in {}: {why}", scope.as_str())),
    }
}

fn memory(config: &Config) -> Finding {
    let (free, all, reserved) =
        (system::memory_available_mib(), system::memory_mib(), config.limits.reserved_memory_mib);
    let seen = format!("{free} of {all} MiB available, {} processors", system::cpus());
    if free > reserved { good("memory", seen) } else { poor("memory", seen, "no guest can be started now: stop some") }
}

fn clock(now: SystemTime) -> Finding {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seen = chrono::DateTime::<chrono::Utc>::from(now).format("%Y-%m-%d %H:%M:%S UTC").to_string();
    if since < BUILT_AFTER {
        return broken("clock", seen, "set it: certificates and signatures are not valid yet by this clock");
    }
    let keepers = ["/run/systemd/timesync/synchronized", "/run/chrony", "/run/ntpd.pid", "/run/openntpd"];
    if keepers.iter().any(|path| Path::new(path).exists()) {
        good("clock", seen)
    } else {
        poor(
            "clock",
            format!("{seen}; nothing is seen that keeps it right"),
            "run systemd-timesyncd, chrony or another",
        )
    }
}

fn trust(config: &Config) -> Finding {
    let revoked: Result<Vec<_>, _> = config.revoked_digests.iter().map(|text| text.parse()).collect();
    let Ok(revoked) = revoked else {
        return broken("trust", "revoked_digests has what is no digest", "64 hex digits each");
    };
    match artifact::Trust::new(&config.trusted_keys, &config.revoked_keys, &revoked) {
        Err(error) => broken("trust", error.to_string(), "trusted_keys: minisign .pub files, or the keys themselves"),
        Ok(trust) if trust.is_empty() => {
            broken("trust", "no key is trusted, so no rescue image can be used", "set trusted_keys")
        }
        Ok(_) => good("trust", format!("{} keys under rescue images count", config.trusted_keys.len())),
    }
}

async fn region(config: &Config) -> Finding {
    let endpoint = &config.region.endpoint;
    if endpoint.is_empty() {
        return poor(
            "region",
            "none is configured",
            "set [region] endpoint; without it this host does nothing by itself",
        );
    }
    let channel = match service::tls::channel(endpoint, service::tls::REGION, config.tls.as_ref()) {
        Ok(channel) => channel,
        Err(error) => return broken("region", format!("{error:#}"), "see [tls] and [region] endpoint"),
    };
    let request = HealthCheckRequest { service: String::new() };
    match tokio::time::timeout(LIMIT, HealthClient::new(channel).check(request)).await {
        Ok(Ok(_)) => good("region", format!("{endpoint} answers")),
        // It answered, and knows us well enough to say no.
        Ok(Err(status)) if matches!(status.code(), tonic::Code::Unimplemented | tonic::Code::NotFound) => {
            good("region", format!("{endpoint} answers"))
        }
        Ok(Err(status)) => broken(
            "region",
            format!("{endpoint}: {}", status.message()),
            "is it up, is the address right, and are both certificates of one authority and not expired?",
        ),
        Err(_) => broken("region", format!("{endpoint} did not answer within {LIMIT:?}"), "is a firewall in between?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_of_before_this_program_is_broken() {
        assert_eq!(clock(SystemTime::UNIX_EPOCH).level, Level::Broken);
        assert_ne!(clock(SystemTime::UNIX_EPOCH + BUILT_AFTER).level, Level::Broken);
    }

    #[test]
    fn a_folder_that_can_not_be_written_or_is_too_full_is_broken_and_nothing_is_left_in_a_good_one() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("made/later");
        assert_eq!(storage("store", &absent, 0).level, Level::Good);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(storage("store", &absent, u64::MAX).level, Level::Broken);
        assert_eq!(storage("store", Path::new("/proc/none"), 0).level, Level::Broken);
        assert_eq!(storage("images", Path::new("/proc"), 0).level, Level::Good);
    }

    #[tokio::test]
    async fn each_fault_is_named_with_its_remedy() {
        let config = Config {
            trusted_keys: vec!["nonsense".into()],
            region: crate::config::RegionConfig { endpoint: "http://127.0.0.1:1".into() },
            ..Config::default()
        };
        for finding in [region(&config).await, trust(&config), qemu_img(Path::new("/no/such/program")).await] {
            assert!(finding.level == Level::Broken && !finding.mend.is_empty(), "{finding}");
            assert!(finding.to_string().starts_with("BROKEN"));
        }
        assert_eq!(trust(&Config::default()).level, Level::Broken);
    }
}
