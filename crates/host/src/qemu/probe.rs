//! What a QEMU program can do, asked of itself over QMP: versions are for people, as distributions leave things out and put things in.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use qmp::command::{BlockdevAdd, Capabilities, Command, QomTypes, QueryMachines, Quit};
use qmp::message::{Message, read, write};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use types::desc::{Desc, DiskAio, Machine};

use super::devices;

/// On a busy machine, a QEMU without a machine is up after two seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// What every guest's QEMU gives up; `-sandbox` in QEMU's manual. `spawn` and `elevateprivileges` can't be denied to a QEMU that
/// makes itself a daemon: both include setsid(2), which it calls with the filter in place.
pub const SANDBOX: &str = "on,obsolete=deny,resourcecontrol=deny";

/// One QEMU program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    /// `10.0.2`
    pub version: String,
    pub program: PathBuf,
    /// Whether `-sandbox` works: QEMU may be built without seccomp, or the container may forbid it.
    pub sandbox: bool,
    /// Whether disks may be read by io_uring: QEMU may be built without it, and the kernel or the sandbox may forbid it.
    pub io_uring: bool,
    machines: HashSet<String>,
    devices: HashSet<String>,
}

/// The answers of a program.
struct Abilities {
    machines: HashSet<String>,
    devices: HashSet<String>,
    io_uring: bool,
}

impl Qemu {
    /// Asks. None: it does not run, or is no QEMU.
    pub async fn probe(program: &Path) -> Option<Self> {
        let version = version(program).await?;
        let ask = |sandbox| tokio::time::timeout(LIMIT, abilities(program, sandbox));
        let (sandbox, Abilities { machines, devices, io_uring }) = match ask(true).await.ok().flatten() {
            Some(abilities) => (true, abilities),
            None => (false, ask(false).await.ok().flatten()?),
        };
        Some(Self { version, program: program.to_owned(), sandbox, io_uring, machines, devices })
    }

    #[must_use]
    pub fn knows(&self, machine: Machine) -> bool {
        self.machines.contains(machine.as_str())
    }

    /// What it lacks for a guest, if anything.
    #[must_use]
    pub fn lacks(&self, desc: &Desc) -> Option<String> {
        if !self.knows(desc.machine) {
            return Some(format!("QEMU {} knows no machine {}", self.version, desc.machine));
        }
        if !self.io_uring && desc.disks.iter().any(|disk| disk.io.aio == DiskAio::IoUring) {
            return Some(format!(
                "QEMU {} can't use io_uring on this host: set the disk's aio to threads or native",
                self.version
            ));
        }
        let missing = devices::drivers(desc).into_iter().find(|driver| !self.devices.contains(real_name(driver)));
        missing.map(|driver| format!("QEMU {} has no device {driver}: install all of QEMU's modules", self.version))
    }
}

/// Devices are listed by their own names; these are others that `-device` takes.
fn real_name(driver: &str) -> &str {
    match driver {
        "ahci" => "ich9-ahci",
        driver => driver,
    }
}

/// `10.0.2` from `QEMU emulator version 10.0.2 (Debian ...)`.
async fn version(program: &Path) -> Option<String> {
    let asking =
        tokio::process::Command::new(program).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, asking).await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let word = text.split_ascii_whitespace().skip_while(|word| *word != "version").nth(1)?;
    word.starts_with(|c: char| c.is_ascii_digit()).then(|| word.to_owned())
}

async fn abilities(program: &Path, sandbox: bool) -> Option<Abilities> {
    let mut command = tokio::process::Command::new(program);
    command.args(["-machine", "none", "-nodefaults", "-no-user-config", "-display", "none", "-qmp", "stdio"]);
    if sandbox {
        command.args(["-sandbox", SANDBOX]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().ok()?;
    let mut talk = Talk::with(&mut child)?;
    talk.ask(Capabilities {}).await?;
    let machines = talk.ask(QueryMachines {}).await?;
    let devices = talk.ask(QomTypes { implements: "device".into(), r#abstract: false }).await?;
    // Tried, not looked up: any file that can be read will do, such as the program's own.
    let file = json!({ "driver": "file", "filename": "/proc/self/exe", "aio": "io_uring", "read-only": true, "node-name": "try" });
    let io_uring = talk.ask(BlockdevAdd(file)).await.is_some();
    talk.ask(Quit {}).await?;
    child.wait().await.ok()?;
    let machines = machines.into_iter().flat_map(|machine| [Some(machine.name), machine.alias]).flatten();
    Some(Abilities { machines: machines.collect(), devices: devices.into_iter().map(|it| it.name).collect(), io_uring })
}

/// One question after another, over the program's input and output.
struct Talk {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    fn with(child: &mut Child) -> Option<Self> {
        Some(Self { input: child.stdin.take()?, output: BufReader::new(child.stdout.take()?).lines() })
    }

    async fn ask<C: Command>(&mut self, command: C) -> Option<C::Reply> {
        let line = write(1, C::NAME, serde_json::to_value(&command).ok()?);
        self.input.write_all(&line).await.ok()?;
        loop {
            match read(self.output.next_line().await.ok()??.as_bytes()).ok()? {
                Message::Return { value, .. } => return serde_json::from_value(value).ok(),
                Message::Error { .. } => return None,
                Message::Greeting { .. } | Message::Event(_) | Message::Unknown => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::desc::tests::sample;
    use types::desc::{CdromDesc, DiskDesc, DiskDriver, NicDesc, NicModel, PassthroughDesc, UsbDesc, UsbKind};

    #[test]
    fn what_a_program_lacks_is_named() {
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let mut desc = sample();
        let all = [
            "virtio-rng-pci",
            "pcie-root-port",
            "virtio-blk-pci",
            "virtio-net-pci",
            "virtio-serial-pci",
            "virtserialport",
        ];
        let qemu = Qemu {
            version: "7.2.0".into(),
            program: "/q".into(),
            sandbox: true,
            io_uring: false,
            machines: set(&["q35", "pc"]),
            devices: set(&all),
        };
        assert_eq!(qemu.lacks(&desc), None);
        desc.vnc = true;
        assert!(qemu.lacks(&desc).unwrap().contains("no device VGA"));
        desc.vnc = false;
        desc.nics[0].model = NicModel::E1000;
        assert!(qemu.lacks(&desc).unwrap().contains("e1000"));
        desc.nics.clear();
        desc.cdroms.push(CdromDesc { index: 0, iso: None });
        assert!(qemu.lacks(&desc).unwrap().contains("ide-cd"));
        desc.cdroms.clear();
        desc.machine = Machine::Pc;
        desc.disks[0].driver = DiskDriver::Sata;
        assert!(qemu.lacks(&desc).unwrap().contains("ahci"));
        desc.disks[0].io.aio = DiskAio::IoUring;
        assert!(qemu.lacks(&desc).unwrap().contains("io_uring"));
        desc.disks[0].io.aio = DiskAio::Threads;
        let none = Qemu { machines: set(&["q35"]), ..qemu };
        assert!(none.lacks(&desc).unwrap().contains("no machine pc"));
    }

    /// As an older program answered, word for word.
    #[test]
    fn an_older_qemu_can_run_all_that_a_desc_can_have() {
        let mut answers = include_str!("answers/qemu-7.2.22.txt").lines().filter(|line| !line.starts_with('#'));
        let mut words = || answers.next().unwrap().split(' ').map(str::to_owned).collect::<HashSet<_>>();
        let (machines, devices, io_uring) = (words(), words(), words().contains("io_uring"));
        let qemu = Qemu { version: "7.2.22".into(), program: "/q".into(), sandbox: true, io_uring, machines, devices };
        for machine in [Machine::Q35, Machine::Pc] {
            let mut desc = Desc { machine, vnc: true, guest_agent: true, ..sample() };
            let disk = desc.disks[0].clone();
            desc.disks = DiskDriver::ALL.iter().map(|driver| DiskDesc { driver: *driver, ..disk.clone() }).collect();
            desc.disks[0].io.aio = DiskAio::IoUring;
            desc.nics.push(NicDesc { model: NicModel::E1000, ..desc.nics[0].clone() });
            desc.cdroms.push(CdromDesc { index: 0, iso: None });
            desc.usb = UsbKind::ALL.iter().map(|kind| UsbDesc { index: 0, kind: *kind, host: None }).collect();
            desc.passthrough.push(PassthroughDesc { index: 0, host: "0000:00:00.0".into() });
            assert_eq!(qemu.lacks(&desc), None, "{machine}");
            assert!(devices::drivers(&desc).len() >= 14);
        }
        // One that was installed without its modules says so.
        let without = |name: &str| {
            let devices = qemu.devices.iter().filter(|it| *it != name).cloned().collect();
            Qemu { devices, ..qemu.clone() }
        };
        let desc = Desc { usb: vec![UsbDesc { index: 0, kind: UsbKind::Host, host: None }], ..sample() };
        assert!(without("usb-host").lacks(&desc).unwrap().contains("no device usb-host"));
    }
}
