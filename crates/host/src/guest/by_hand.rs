//! Starting a guest without region, at a bad moment or for a test: a shell script beside the desc, and `host start-from-desc`. The agent
//! takes charge of what was started so as soon as it sees the pid file.
//!
//! Both start the guest's own disks only. A rescue system is region's: it has proofs to give and an end to come to.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use types::desc::{Desc, NicBackend};
use types::operation::{Failure, FailureCode};

use super::access;
use super::actor::Guest;
use super::paths::servers;
use super::state::Runs;
use super::{broken, failure};
use crate::env::Env;
use crate::network;
use crate::qemu::cmdline::{Launch, arguments};

impl Guest {
    /// Writes `startvm` for the desc on disk. A failure is logged: it is for people, nothing of ours depends on it.
    pub(super) async fn renew_script(&self) {
        let Some(desc) = self.stored.as_ref().map(|stored| &stored.desc) else { return };
        let script = match &desc.rescue {
            Some(section) => refusal(&format!("the guest is in rescue session {}: end that first", section.session)),
            None => match self.script(desc).await {
                Ok(script) => script,
                Err(failure) => refusal(&failure.message),
            },
        };
        if let Err(error) = service::files::write_atomic(&self.paths.script(), script.as_bytes(), 0o700) {
            tracing::warn!(guest = %self.id, %error, "startvm can't be written");
        }
    }

    async fn script(&self, desc: &Desc) -> Result<String, Failure> {
        if desc.nics.iter().any(|nic| nic.backend == NicBackend::Macvtap) {
            return Err(failure(FailureCode::WrongState, "a guest with a macvtap is started by: host start-from-desc"));
        }
        let launch = self.launch(desc, None).await?;
        let program = &self.qemu(desc, None)?.program;
        let ip = quoted(&self.env.network.ip.to_string_lossy());
        let mut interfaces = String::new();
        for call in desc.nics.iter().flat_map(|nic| network::up(desc.id, nic, self.env.network.owner)) {
            let words: Vec<_> = call.iter().map(|word| quoted(word)).collect();
            // What is there already is as good.
            let _ = writeln!(interfaces, "{ip} {} || :", words.join(" "));
        }
        let mut as_user = String::new();
        let mut before = interfaces;
        if let Some(user) = &self.env.qemu_user {
            let path = |path: &Path| quoted(&path.to_string_lossy());
            before += &access::script(user, &launch, &self.env.config, &self.paths, path);
            as_user = format!("setpriv --reuid={} --regid={} --clear-groups -- ", user.uid, user.gid);
        }
        Ok(script(
            &format!("{as_user}{}", quoted(&program.to_string_lossy())),
            &arguments(desc, &launch),
            &launch,
            desc,
            &before,
        ))
    }

    /// Starts it as region would have it started.
    ///
    /// # Errors
    /// There is no desc, it is in rescue, it runs already, or QEMU says no.
    pub async fn start_by_hand(&mut self) -> Result<i32, Failure> {
        let Some(desc) = self.stored.as_ref().map(|stored| stored.desc.clone()) else {
            return Err(failure(
                FailureCode::UnknownGuest,
                format!("there is no desc in {}", self.paths.folder.display()),
            ));
        };
        if let Some(section) = &desc.rescue {
            let message = format!("the guest is in rescue session {}: end that first", section.session);
            return Err(failure(FailureCode::WrongState, message));
        }
        if self.runs() != Runs::Nothing {
            return Err(failure(FailureCode::WrongState, "the guest runs already"));
        }
        self.finish_revert(&super::actor::Cx::default()).await?;
        self.boot(&desc, None).await?;
        let pid = self.running.as_ref().map(|running| running.machine.process.pid);
        pid.ok_or_else(|| failure(FailureCode::Qemu, "the guest has just ended"))
    }
}

/// `host start-from-desc DIR`: the guest whose folder this is.
///
/// # Errors
/// As [`Guest::start_by_hand`]; the folder is no guest's of this workspace.
pub async fn start(folder: &Path, env: Arc<Env>) -> Result<i32, Failure> {
    let id = folder.file_name().and_then(|name| name.to_str()?.parse().ok());
    let here = folder.parent() == Some(&servers(&env.config.workspace));
    let Some(id) = id.filter(|_| here) else {
        let message = format!("{} is no guest's folder: it is <workspace>/servers/<id>", folder.display());
        return Err(failure(FailureCode::UnknownGuest, message));
    };
    let mut guest = Guest::open(id, env)?;
    guest.paths.make().map_err(broken(folder.display()))?;
    guest.start_by_hand().await
}

fn refusal(why: &str) -> String {
    format!("#!/bin/sh\necho {} >&2\nexit 1\n", quoted(why))
}

/// The start as a script. It refuses while the process of the pid file lives, whosever it is; beneath, QEMU's lock on the disks decides.
fn script(program: &str, arguments: &[String], launch: &Launch, desc: &Desc, before: &str) -> String {
    let runtime = launch.sockets.agent.parent().unwrap_or(Path::new("/"));
    let above = quoted(&runtime.parent().unwrap_or(runtime).to_string_lossy());
    let runtime = quoted(&runtime.to_string_lossy());
    let pid_file = quoted(&launch.pid_file.to_string_lossy());
    let mut text = format!(
        r#"#!/bin/sh
# Starts guest {} without region, as the file `desc` beside this one describes it. Written by the host agent, which takes
# charge of the guest as soon as it runs; changes made here are lost.
set -eu
umask 077
if [ -e {pid_file} ] && kill -0 "$(cat {pid_file})" 2>/dev/null; then
  echo "the guest runs already, as process $(cat {pid_file})" >&2
  exit 1
fi
(umask 022; mkdir -p {above})
mkdir -p {runtime}
rm -f {runtime}/*
{before}exec {program}"#,
        desc.id,
    );
    for argument in arguments {
        let _ = write!(text, "{}{}", if argument.starts_with('-') { " \\\n  " } else { " " }, quoted(argument));
    }
    text.push('\n');
    text
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_what_was_quoted() {
        let words = ["", "plain-1.2", "two words", "it's", r#"{"a":"$HOME `id` \\"}"#, "ends'", "line\nfeed"];
        let line: String = words.map(quoted).join(" ");
        let output = std::process::Command::new("sh").arg("-c").arg(format!("printf '%s\\0' {line}")).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), words.map(|word| format!("{word}\0")).concat());
    }
}
