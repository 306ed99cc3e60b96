//! Trying a repair: the guest's own system boots on what its rescue session has written, while the disks beneath stay as they are. It
//! is up when it asks for a login on the serial console, or when its guest agent answers; it is not when it says that it gave up.

use std::time::Duration;

use chrono::Utc;
use types::id::SessionId;
use types::operation::{Failure, FailureCode, Outcome};
use types::status::DiskMode;

use super::actor::{Cx, Guest};
use super::{failure, serial};
use crate::qemu::guest_agent;

/// Between two looks at the console.
const LOOK: Duration = Duration::from_millis(500);

/// What a system prints that goes no further by itself: its firmware, boot loader, initramfs, kernel, init.
const GAVE_UP: [&str; 15] = [
    "Kernel panic - not syncing",
    "You are in emergency mode",
    "Entering emergency mode",
    "You are in rescue mode",
    "Cannot open access to console, the root account is locked",
    "Freezing execution",
    "(initramfs)",
    "dracut:/#",
    "grub rescue>",
    "grub>",
    "No bootable device",
    "No bootable option or device was found",
    "Boot failed: not a bootable disk",
    "Shell>",
    "Give root password for maintenance",
];

/// What the console says of a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Nothing,
    Login(String),
    GaveUp(String),
}

/// A prompt counts from anywhere in the boot: the kernel may print behind it.
fn said(lines: &[String]) -> Said {
    if let Some(prompt) = lines.iter().find_map(|line| prompt(line)) {
        return Said::Login(prompt);
    }
    let gave_up = lines.iter().rev().find(|line| GAVE_UP.iter().any(|words| line.contains(words)));
    gave_up.map_or(Said::Nothing, |line| Said::GaveUp(line.clone()))
}

/// agetty(8) and busybox's getty ask in a line of their own, with the name of the machine: `web1 login:`.
fn prompt(line: &str) -> Option<String> {
    let (host, _) = line.split_once(" login:")?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '(' | ')');
    (!host.is_empty() && host != "Last" && host.chars().all(is_name)).then(|| format!("{host} login:"))
}

/// What came of the waiting.
enum Waited {
    Up(String),
    GaveUp(String),
    Ended(Option<String>),
    TimedOut,
}

impl Guest {
    pub(super) async fn confirm_boot(
        &mut self,
        session: SessionId,
        timeout: Duration,
        cx: &Cx,
    ) -> Result<Outcome, Failure> {
        let section = self.stored.as_ref().and_then(|stored| Some((stored.desc.clone(), stored.desc.rescue.clone()?)));
        let Some((desc, _)) = section.filter(|(_, it)| it.session == session && it.disk_mode == DiskMode::Overlay)
        else {
            let message = "only what was written beside the disks can be tried: the session's disk mode is not overlay";
            return Err(failure(FailureCode::WrongState, message));
        };
        cx.progress.say("starting the server's own system on what was written beside its disks");
        self.finish_revert(cx).await?;
        self.boot(&desc, None).await?;
        let Some(running) = &self.running else {
            return Err(failure(FailureCode::Boot, "the server's own system ended as soon as it had started"));
        };
        cx.progress.say("waiting for the server's own system to ask for a login");
        let log = self.paths.serial_log();
        let from = running.boot.serial_from;
        let socket = desc.guest_agent.then(|| self.paths.sockets().guest_agent);
        let waiting = async {
            let console = async {
                loop {
                    let log = log.clone();
                    let lines = tokio::task::spawn_blocking(move || serial::lines(&log, from)).await;
                    match said(&lines.unwrap_or_default()) {
                        Said::Login(prompt) => return Waited::Up(prompt),
                        Said::GaveUp(line) => return Waited::GaveUp(line),
                        Said::Nothing => tokio::time::sleep(LOOK).await,
                    }
                }
            };
            let agent = async {
                match &socket {
                    Some(socket) => guest_agent::until_it_answers(socket).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                seen = console => seen,
                () = agent => Waited::Up("its guest agent answers".into()),
                reason = running.machine.ended() => Waited::Ended(reason),
                () = tokio::time::sleep(timeout) => Waited::TimedOut,
            }
        };
        let waited = cx.unless_overtaken(waiting).await?;
        let seconds = (Utc::now() - running.boot.began).num_milliseconds().max(0) as f64 / 1000.0;
        let console = serial::evidence(&log, from);
        let fail = |message: String| Err(Failure { code: FailureCode::Boot, message, evidence: console.clone() });
        match waited {
            Waited::Up(sign) => Ok(Outcome::Confirmed { sign, seconds, console }),
            Waited::GaveUp(line) => fail(format!("the server's own system gave up after {seconds:.0} s: {line}")),
            Waited::Ended(reason) => {
                let reason = reason.unwrap_or_else(|| "no reason given".into());
                fail(format!("the server went off after {seconds:.0} s, before it asked for a login ({reason})"))
            }
            Waited::TimedOut => {
                fail(format!("the server did not ask for a login on its serial console within {} s", timeout.as_secs()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Said {
        said(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_login_prompt_is_known_wherever_it_stands_and_nothing_else_is_one() {
        for line in
            ["web1 login:", "Debian GNU/Linux 13 web1 ttyS0\n\nweb1 login: ", "web1 login: [   9.1] random: crng"]
        {
            assert_eq!(of(line), Said::Login("web1 login:".into()), "{line}");
        }
        assert_eq!(of("(none) login:"), Said::Login("(none) login:".into()));
        for line in ["", "Last login: Mon Nov 23", "systemd-logind: new login: x/y login:", "login:", "a\"b login:"] {
            assert_eq!(of(line), Said::Nothing, "{line}");
        }
    }

    #[test]
    fn what_goes_no_further_is_known_unless_a_prompt_came() {
        for line in GAVE_UP {
            let text = format!("Linux version 6.12\n[ 1.0] {line}\nmore");
            assert_eq!(of(&text), Said::GaveUp(format!("[ 1.0] {line}")));
            assert_eq!(of(&format!("{text}\nweb1 login:")), Said::Login("web1 login:".into()));
        }
    }
}
