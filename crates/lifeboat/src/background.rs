//! `up` returns when all parts serve, and leaves a supervisor behind: the same program, in a session of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::board::{Board, Condition, SUPERVISOR};
use crate::clock::Clock;
use crate::process::{Process, machines_under};
use crate::stack::{Options, Stack};
use crate::state::{State, tail};

/// All parts together; the first start also makes keys and a database.
const UP_LIMIT: Duration = Duration::from_secs(240);
/// The supervisor ends its parts one after another.
const DOWN_LIMIT: Duration = Duration::from_secs(120);

/// Starts a supervisor in the background, relays what it says until all is ready, and prints how to go on.
///
/// # Errors
/// The stack did not come up: which part, where its log is, what it said last.
pub async fn up(state: &State, options: &Options) -> Result<()> {
    state.prepare()?;
    if state.lock()?.is_none() {
        eprintln!("it runs already");
        return print_summary(state);
    }
    // One that was killed may have left it.
    let ready = state.ready(SUPERVISOR);
    let _ = std::fs::remove_file(&ready);
    let log = state.log(SUPERVISOR);
    let said = File::create(&log).with_context(|| format!("can't write {}", log.display()))?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["up", "--foreground", "--detached", "--state"])
        .arg(state.root())
        .args(options.as_args())
        .env("DATABASE_URL", options.database_url.as_deref().unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .spawn()
        .context("can't start the supervisor")?;
    let mut lines = BufReader::new(File::open(&log)?).lines();
    let end = Instant::now() + UP_LIMIT;
    loop {
        let ended = child.try_wait()?;
        let is_ready = ready.exists();
        for line in lines.by_ref().map_while(Result::ok) {
            eprintln!("{line}");
        }
        if let Some(status) = ended {
            bail!("the stack did not come up ({status}); the whole log: {}", log.display());
        }
        if is_ready {
            return print_summary(state);
        }
        if Instant::now() >= end {
            let _ = child.kill().await;
            bail!(
                "the stack did not come up within {} s; logs: {}\n{}",
                UP_LIMIT.as_secs(),
                state.path("log").display(),
                tail(&log, 15).join("\n")
            );
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// The supervisor itself: until SIGTERM, SIGINT or (in the foreground) Ctrl-C.
///
/// # Errors
/// A part did not come up. Those that did are ended again.
pub async fn supervise(state: &State, options: &Options, detached: bool) -> Result<()> {
    if detached {
        rustix::process::setsid().context("can't begin a session")?;
    }
    service::telemetry::init(&service::telemetry::LogConfig::default());
    let stop = service::shutdown::on_signals()?;
    let clock = Clock::start();
    let say = |what: &str| clock.say(what);
    let _ = std::fs::remove_file(state.ready(SUPERVISOR));
    let stack = tokio::select! {
        stack = Stack::start(state, options, &say) => stack?,
        () = stop.cancelled() => bail!("ended while it was starting"),
    };
    let us = Process::of(std::process::id());
    stack.board.set(SUPERVISOR, us, Condition::Ready, json!({ "state": state.root() }));
    state.write(&format!("ready/{SUPERVISOR}.json"), "{}", 0o644)?;
    if !detached {
        print_summary(state)?;
    }
    stop.cancelled().await;
    stack.stop().await;
    let _ = std::fs::remove_file(state.ready(SUPERVISOR));
    let left = machines_under(state.root()).len();
    if left > 0 {
        eprintln!("{left} guests run on; `lifeboat up` finds them again, `lifeboat down` ends them");
    }
    Ok(())
}

/// Ends guests, supervisor, and what a supervisor that was killed has left.
///
/// # Errors
/// Something would not end.
pub async fn down(state: &State, keep_guests: bool) -> Result<()> {
    if !state.root().exists() {
        eprintln!("nothing runs in {}", state.root().display());
        return Ok(());
    }
    if !keep_guests {
        crate::stack::end_guests(state).await?;
    }
    let rows = Board::last(state)?;
    if state.lock()?.is_none() {
        let Some(supervisor) = rows.get(SUPERVISOR).and_then(|row| row.process) else {
            bail!("the stack in {} is just starting; try again when it is up", state.root().display());
        };
        supervisor.signal(rustix::process::Signal::TERM);
        if !supervisor.gone_within(DOWN_LIMIT).await {
            bail!("the supervisor, pid {}, does not end; its log: {}", supervisor.pid, state.log(SUPERVISOR).display());
        }
    }
    crate::stack::sweep(state).await?;
    eprintln!("down");
    Ok(())
}

fn print_summary(state: &State) -> Result<()> {
    let rc = crate::rc::Rc::read(state)?;
    let place = shorter(state);
    let bin = std::env::current_exe()?.parent().map(|p| p.display().to_string()).unwrap_or_default();
    let bin = bin.strip_prefix(&format!("{}/", std::env::current_dir()?.display())).unwrap_or(&bin).to_owned();
    let image = crate::stack::guests(state).and_then(|folder| crate::image::guest_images(&folder).into_iter().next());
    let tries = tries(&bin, image.as_deref(), &way_in());
    let (bold, plain) = if std::io::stdout().is_terminal() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    println!(
        "
{bold}Lifeboat is up.{plain}
  API        {url}
  console    {url}/ui/
  user       {user}
  password   {password}     (also in {place}/rc, mode 0600)
  logs       {place}/log

Try:
  export LIFEBOAT_RC={place}/rc
{tries}
End it with: make down   (or: {bin}/lifeboat down --state {place})",
        url = rc.base(),
        user = rc.user,
        password = rc.password.expose(),
    );
    Ok(())
}

/// What a newcomer types first: a server with a way in, its rescue, and back. Without a guest's image there is only the host to look at.
fn tries(bin: &str, image: Option<&str>, access: &str) -> String {
    let Some(image) = image else { return format!("  {bin}/climc host-list") };
    let lines = [
        format!("server-create web1 --disk image={image} --net hostfwd=2222:22 --auto-start --wait"),
        format!("server-start-rescue web1 {access} --wait"),
        "server-ssh-rescue web1               # or: server-console web1; Ctrl-] leaves".into(),
        "server-stop-rescue web1 --wait".into(),
    ];
    lines.map(|line| format!("  {bin}/climc {line}")).join("\n")
}

/// The user's own public key; without one a password that is made and shown once.
fn way_in() -> String {
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from).unwrap_or_default();
    let key =
        ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"].into_iter().find(|key| home.join(".ssh").join(key).exists());
    key.map_or_else(|| "--password generate".into(), |key| format!("--ssh-key ~/.ssh/{key}"))
}

/// The state folder as one would type it here.
fn shorter(state: &State) -> String {
    let root = state.root();
    std::env::current_dir()
        .ok()
        .and_then(|here| root.strip_prefix(here).ok().map(|p| p.display().to_string()))
        .unwrap_or_else(|| root.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_tried_has_a_way_in() {
        let told = tries("bin", Some("tiny.qcow2"), "--password generate");
        assert!(told.contains("--net hostfwd=2222:22") && told.contains("bin/climc server-ssh-rescue web1"), "{told}");
        assert_eq!(tries("bin", None, ""), "  bin/climc host-list");
    }
}
