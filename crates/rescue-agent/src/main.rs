//! The program inside the rescue image that makes the machine usable and proves it to the host.
//!
//! Init starts it once the kernel's own file systems are mounted. In order:
//! [`drivers`] loads what the devices ask for (later ones: [`hotplug`]), [`secrets`] reads the session from fw_cfg, [`access`] lets its owner in,
//! [`services`] keeps [`net`]'s DHCP and the [`ssh`] server running, [`disks`] looks at the disks, whose [`names`] it tells, and then the ready report, proven
//! with the session's key, goes out on the virtio-serial [`port`], or on the [`serial`] console. [`console`] tells people what is
//! there. From then on it answers the host, whose requests [`verbs`] carries out, until [`power`] turns the machine off. [`frames`]
//! and [`command`] are helpers.
//!
//! What fails on the way is told on the console (which the host keeps) and left out; only without a session's key is there no
//! proof. Nothing of the session's file is ever printed.

mod access;
mod command;
mod console;
mod disks;
mod drivers;
mod frames;
mod hotplug;
mod mount;
mod names;
mod net;
mod port;
mod power;
mod secrets;
mod serial;
mod services;
mod ssh;
mod verbs;

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use types::rescue::{BootSecrets, CMDLINE_READ_ONLY, Frame, PROTOCOL_VERSION, ReadyReport, SeenDisk};
use types::status::RescueNetwork;
use types::verb::{Verb, VerbFault};

use crate::port::{Port, Step};
use crate::serial::Fallback;
use crate::services::Service;
use crate::ssh::HostKey;
use crate::verbs::Desk;
use crate::verbs::credentials::{Doors, Programs};

const SYS: &str = "/sys";
const DEV: &str = "/dev";
const SERIAL: &str = "/dev/ttyS0";
const PROGRAMS: Programs = Programs { ssh: ssh::service, console: console::service };
/// Where the services that run are on file.
const SERVICES: &str = "/run/lifeboat/services";
/// Where requests of the host and their answers are on file.
const REQUESTS: &str = "/run/lifeboat/requests";

/// Wanted, but not before the proof is out: power button, randomness, a keyboard.
const LATE_MODULES: [&str; 5] = ["button", "evdev", "virtio-rng", "i8042", "atkbd"];
/// Disks that come later than this are missing from the report.
const DISKS_LIMIT: Duration = Duration::from_secs(8);
/// A network that has no answer by then is reported without an address.
const ADDRESS_LIMIT: Duration = Duration::from_millis(1500);
const SSH_LIMIT: Duration = Duration::from_secs(5);
/// One round on the port.
const ROUND: Duration = Duration::from_millis(500);
/// The same while a request is being carried out, whose answer should not wait for the round's end.
const BUSY_ROUND: Duration = Duration::from_millis(20);
/// Before a port is looked for, or opened, once more.
const PAUSE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let mut args = std::env::args();
    let called = args.next().unwrap_or_default();
    if Path::new(&called).file_name().is_some_and(|name| name == mount::NAME) {
        return ExitCode::from(mount::command(args));
    }
    let args: Vec<String> = args.collect();
    let progress: verbs::Tell<'_> = &mut |done, of, text| eprintln!("[{done}/{of}] {text}");
    if let Some((text, code)) = verbs::machine::by_hand(&args, progress) {
        print!("{text}");
        std::process::exit(code);
    }
    if let Err(error) = drivers::load(Path::new(SYS)) {
        warn(&format!("drivers can't be loaded: {error}"));
    }
    match secrets::read(Path::new(SYS)) {
        Ok(Some(secrets)) => rescue(&secrets),
        Ok(None) => without_session(None),
        Err(error) => without_session(Some(error.to_string())),
    }
    ExitCode::FAILURE
}

fn warn(text: &str) {
    eprintln!("lifeboat: {text}");
}

fn rescue(secrets: &BootSecrets) {
    let ways = access::install(Path::new("/"), &secrets.ssh_keys, secrets.password_hash.as_ref(), |text| warn(&text))
        .unwrap_or_else(|error| {
            warn(&format!("credentials can't be written, so nobody can log in: {error}"));
            access::Ways { keys: 0, password: false }
        });

    // Without a network there is nobody to give an address, and nobody to come by ssh.
    let cut_off = secrets.network == Some(RescueNetwork::None);
    let nics = if cut_off { vec![] } else { net::nics(Path::new(SYS)) };
    nics.iter().for_each(|nic| keep(net::service(nic)));
    let asked = Instant::now();

    if let Some(key) = &secrets.host_key
        && let Err(error) = ssh::install(Path::new(ssh::KEY_FILE), key)
    {
        warn(&format!("the session's ssh host key can't be used, so this boot makes one: {error}"));
    }

    // Making a key waits for randomness, a disk for its bus: at the same time.
    let mut doors = Doors::new(PROGRAMS, Path::new("/"), Path::new(SERVICES), ways);
    let (host_key, disks) = std::thread::scope(|scope| {
        let ssh = scope.spawn(|| (ways.ssh() && !cut_off).then(|| start_ssh(&mut doors)).flatten());
        let disks = look_at_disks(secrets);
        (ssh.join().unwrap_or_default(), disks)
    });
    let mut report = ReadyReport {
        session: secrets.session,
        nonce: secrets.nonce.clone(),
        boot: secrets.boot,
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        image: read("/etc/lifeboat-release").trim().to_string(),
        disks,
        addresses: vec![],
        ssh_fingerprint: host_key.as_ref().map(|key| key.fingerprint.clone()),
        ssh_host_key: host_key.map(|key| key.line),
    };
    let left = ADDRESS_LIMIT.saturating_sub(asked.elapsed());
    report.addresses = net::addresses(&nics, Path::new(net::LEASES), Path::new("/proc/net/if_inet6"), left);
    frames::shorten(&mut report);

    write("/etc/motd", &console::greeting(&report));
    let proof = match types::rescue::prove(&secrets.key, &report) {
        Ok(proof) => proof,
        Err(error) => return without_session(Some(format!("no proof can be made: {error}"))),
    };
    let doors = Arc::new(Mutex::new(doors));
    let desk = Desk::open(
        Path::new(REQUESTS),
        at_once(Arc::clone(&doors), report.clone()),
        Box::new(verbs::machine::carry_out),
    );
    let file_systems = drivers::of_file_systems(&report.disks);
    let open_consoles = move || {
        let consoles = terminals();
        if let Ok(mut doors) = doors.lock() {
            let banner = doors.banner(&report);
            write("/etc/issue", &banner);
            doors.open_consoles(&consoles);
            if !doors.ways().password {
                say(&consoles, &banner);
            }
        }
        late(file_systems);
    };
    answer_host(&proof, desk, open_consoles);
}

/// Verbs that take a moment.
fn at_once(doors: Arc<Mutex<Doors>>, report: ReadyReport) -> verbs::Work {
    Box::new(move |verb, _| match verb {
        Verb::Notice { text } => verbs::json(&verbs::notice::show(Path::new(DEV), &terminals(), &text)?),
        Verb::Credentials { ssh_keys, password_hash } => {
            let mut doors =
                doors.lock().map_err(|_| VerbFault { message: "credentials can't be changed any more".into() })?;
            let make_key = || ssh::host_key().map_err(|error| format!("no SSH: {error}"));
            let replaced = doors.replace(&ssh_keys, password_hash.as_ref(), &terminals(), make_key)?;
            write("/etc/issue", &doors.banner(&report));
            verbs::json(&replaced)
        }
        Verb::Diagnose { .. } | Verb::Repair { .. } => Err(VerbFault { message: "this takes longer".into() }),
    })
}

fn terminals() -> Vec<String> {
    console::terminals(&read("/proc/consoles"))
}

/// Starts the SSH server. No key is told that no server answers with: it would send people to a closed door.
fn start_ssh(doors: &mut Doors) -> Option<HostKey> {
    let key = ssh::host_key().inspect_err(|error| warn(&format!("no SSH: {error}"))).ok()?;
    doors.open_ssh(key.clone());
    let answers = ssh::answers(SSH_LIMIT);
    if !answers {
        warn("no SSH: the server does not answer");
    }
    answers.then_some(key)
}

fn look_at_disks(secrets: &BootSecrets) -> Vec<SeenDisk> {
    let cmdline = read("/proc/cmdline");
    let mut disks = disks::settled(Path::new(SYS), disks::expected(&cmdline), DISKS_LIMIT);
    if cmdline.split_ascii_whitespace().any(|word| word == CMDLINE_READ_ONLY) {
        disks::lock(&mut disks);
    }
    disks::recognise(&mut disks);
    names::fill(&mut disks, &secrets.disk_names);
    names::places(&mut disks);
    names::link(Path::new(DEV), &disks);
    write(mount::DISKS, &serde_json::to_string(&disks).unwrap_or_default());
    disks
}

/// Proves readiness to whoever is at the other end, as often as there is someone new, and does what the host asks, until the
/// machine is off. `after_proof` runs once, after the first try to deliver the proof.
fn answer_host(proof: &Frame, mut desk: Desk, after_proof: impl FnOnce()) {
    let start = Instant::now();
    let mut after_proof = Some(after_proof);
    let mut fallback = Fallback::default();
    let mut delivered = false;
    let mut port: Option<Port> = None;
    loop {
        if port.is_none() {
            let found = port::find(Path::new(SYS), Path::new(DEV));
            port = found
                .and_then(|path| {
                    port::open(&path).inspect_err(|error| warn(&format!("the port can't be opened: {error}"))).ok()
                })
                .map(Port::new);
        }
        let step = match port.as_mut() {
            Some(port) => {
                let round = if desk.is_busy() { BUSY_ROUND } else { ROUND };
                port.step(proof, &mut desk, uptime, if delivered { round } else { Duration::ZERO })
            }
            None => Ok(Step::Nothing),
        };
        match step {
            Ok(Step::Shutdown) => power::off(|text| complain(port.as_mut(), text)),
            Ok(Step::Announced) => delivered = true,
            Ok(Step::Nothing) => {}
            Err(error) => {
                warn(&format!("the port to the host is opened anew: {error}"));
                port = None;
            }
        }
        if fallback.due(start.elapsed(), port.is_some(), delivered)
            && let Err(error) = serial::print(Path::new(SERIAL), proof)
        {
            warn(&format!("the serial console can't be written: {error}"));
        }
        if let Some(after_proof) = after_proof.take() {
            after_proof();
        }
        if port.is_none() || !delivered {
            std::thread::sleep(PAUSE);
        }
    }
}

fn complain(port: Option<&mut Port>, message: String) {
    warn(&message);
    if let Some(port) = port {
        let _ = port.send(&Frame::Error { message });
    }
}

/// A boot over the network, or one whose session is unreadable: it says that it is here, and lets nobody in.
fn without_session(fault: Option<String>) {
    let serial = Path::new(SERIAL);
    let _ = serial::print(serial, &Frame::Hello { version: PROTOCOL_VERSION });
    if let Some(message) = fault {
        warn(&message);
        let _ = serial::print(serial, &Frame::Error { message });
    }
    say(&terminals(), console::NO_SESSION);
    late(vec![]);
    loop {
        std::thread::park();
    }
}

fn say(consoles: &[String], text: &str) {
    for tty in consoles {
        if let Err(error) = serial::say(&Path::new(DEV).join(tty), text.as_bytes()) {
            warn(&format!("{tty} can't be written: {error}"));
        }
    }
}

/// What can wait until the proof is out: more drivers, for these file systems too, and the power button, which is watched from then on.
fn late(file_systems: Vec<String>) {
    std::thread::spawn(move || {
        let _ = drivers::modprobe(&LATE_MODULES);
        let _ = drivers::modprobe(&file_systems.iter().map(String::as_str).collect::<Vec<_>>());
        std::thread::spawn(|| {
            if let Err(error) = hotplug::follow() {
                warn(&format!("devices that come from now on get no driver: {error}"));
            }
        });
        power::wait_for_button(Path::new(SYS), Path::new(DEV));
        power::off(|text| warn(&text));
    });
}

fn keep(service: Service) {
    let _always = services::keep(Path::new(SERVICES), service);
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn write(path: &str, text: &str) {
    if let Err(error) = std::fs::write(path, text) {
        warn(&format!("{path} can't be written: {error}"));
    }
}

/// Whole seconds since the kernel started.
fn uptime() -> u64 {
    read("/proc/uptime").split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
}
