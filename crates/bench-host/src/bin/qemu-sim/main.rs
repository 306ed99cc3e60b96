//! A program that is taken for QEMU by the host agent and boots nothing: for measuring the agent with more guests than a machine can
//! emulate, and its own time where a guest's would be most of it.
//!
//! It takes the agent's command line, becomes a daemon, writes the pid file, opens the sockets that the command line names, answers on
//! the control sockets ([`control`]), and, started as a rescue system, proves itself at once to whoever connects to its port. It waits
//! in one system call and needs no processor until somebody speaks to it ([`serve`]). Asked for its version, or run without a machine
//! (`-machine none -qmp stdio`), it answers as the agent's probe expects.
//!
//! The serial log begins with as much text as the agent keeps of a console, so that the agent's memory is that of guests which have
//! printed much. A test can order rescue systems to fail ([`orders`]).

mod control;
mod options;
mod orders;
mod serve;

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use options::Options;
use orders::Order;

pub const VERSION: [u32; 3] = [10, 0, 0];
/// Set for the process that stays.
const STAYS: &str = "QEMU_SIM_STAYS";
/// Bytes of text in a new serial log.
const BOOT_TEXT: usize = 64 * 1024;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--version" || it == "-version") {
        let [major, minor, micro] = VERSION;
        println!("QEMU emulator version {major}.{minor}.{micro} (simulated: it boots nothing)");
        return ExitCode::SUCCESS;
    }
    let ran = Options::parse(&arguments).and_then(|options| {
        if options.control_on_stdio {
            control::on_stdio().map_err(|error| error.to_string())
        } else if options.daemonize && std::env::var_os(STAYS).is_none() {
            daemonize(&arguments)
        } else {
            stay(&options)
        }
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Whoever started this process as a daemon reads it from there.
            if std::env::var_os(STAYS).is_some() {
                print!("{problem}");
            }
            eprintln!("qemu-sim: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Starts this program once more, and ends when that one has opened its sockets, as `-daemonize` does.
fn daemonize(arguments: &[String]) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg0(std::env::args().next().unwrap_or_default()).args(arguments).env(STAYS, "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).current_dir("/");
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut said = vec![0; 1024];
    let count = child.stdout.take().and_then(|mut output| output.read(&mut said).ok()).unwrap_or_default();
    match &said[..count] {
        b"\n" => Ok(()),
        [] => Err("the daemon ended without a word".into()),
        problem => Err(String::from_utf8_lossy(problem).into_owned()),
    }
}

fn stay(options: &Options) -> Result<(), String> {
    // Fails for the leader of a process group, which a daemon is not.
    let _ = rustix::process::setsid();
    if let Some(log) = &options.serial_log {
        boot_text(log).map_err(|error| format!("{}: {error}", log.display()))?;
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let order = options.secrets.as_ref().and_then(|_| Order::now(&own));
    let guest = serve::Guest::open(options, order)?;
    if let Some(path) = &options.pid_file {
        let written = std::fs::write(path, format!("{}\n", std::process::id()));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let told = std::io::stdout().write_all(b"\n").and_then(|()| std::io::stdout().flush());
    told.map_err(|error| error.to_string())?;
    match (order, &options.serial_log) {
        (Some(Order::Panics), Some(log)) => {
            let mut file = std::fs::OpenOptions::new().append(true).open(log).map_err(|error| error.to_string())?;
            let said = file.write_all(b"Kernel panic - not syncing: ordered\r\n");
            return said.map_err(|error| error.to_string());
        }
        (Some(Order::Dies | Order::Panics), _) => return Ok(()),
        _ => {}
    }
    guest.serve().map_err(|error| error.to_string())
}

fn boot_text(log: &std::path::Path) -> std::io::Result<()> {
    let mut text = String::with_capacity(BOOT_TEXT + 80);
    for line in 0.. {
        if text.len() >= BOOT_TEXT {
            break;
        }
        text += &format!(
            "[{:5}.{:06}] simulated: nothing is booted, this line stands for one of a kernel\r\n",
            line / 9,
            line
        );
    }
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(log)?.write_all(text.as_bytes())
}
