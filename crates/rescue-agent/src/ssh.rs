//! The SSH server's host key, new in each boot, told to the host in the ready report so that a user can check it at the first
//! connection.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use crate::command;
use crate::net;
use crate::services::Service;

pub const KEY_FILE: &str = "/etc/dropbear/dropbear_ed25519_host_key";
const LIMIT: Duration = Duration::from_secs(30);

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// As in `known_hosts`, without the host: `ssh-ed25519 AAAA...`.
    pub line: String,
    /// As `ssh-keygen -l` prints it: `SHA256:...`.
    pub fingerprint: String,
}

/// There is no host key, so there is no SSH.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("dropbearkey can't be run: {0}")]
    Run(#[source] std::io::Error),
    #[error("dropbearkey printed no ed25519 key")]
    NoKey,
}

/// Makes the host key, or reads the one that this boot already has.
///
/// # Errors
/// [`KeyError`]; the rescue system is then reachable on its consoles only.
pub fn host_key() -> Result<HostKey, KeyError> {
    let args: &[&str] =
        if Path::new(KEY_FILE).exists() { &["-y", "-f", KEY_FILE] } else { &["-t", "ed25519", "-f", KEY_FILE] };
    let output = command::run("/usr/bin/dropbearkey", args, LIMIT).map_err(KeyError::Run)?;
    public_key(&output.stdout).ok_or(KeyError::NoKey)
}

/// The public key in what dropbearkey prints. The fingerprint is made here: older versions print one of SHA-1.
fn public_key(printed: &str) -> Option<HostKey> {
    const KIND: &str = "ssh-ed25519";
    let mut words = printed.lines().find(|line| line.starts_with(KIND))?.split_ascii_whitespace();
    let (kind, key) = (words.next()?, words.next()?);
    let blob = BASE64_STANDARD.decode(key).ok()?;
    let fingerprint = format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(blob)));
    (kind == KIND).then(|| HostKey { line: format!("{kind} {key}"), fingerprint })
}

/// The server (dropbear(8)): in the foreground, no port forwarding either way, passwords only if one was given.
pub fn service(password: bool) -> Service {
    let no_passwords = if password { "" } else { "-s" };
    Service::new("ssh", &format!("/usr/sbin/dropbear -F -j -k {no_passwords} -r {KEY_FILE}"))
}

/// Waits until the server can be reached, for `limit` at most.
pub fn answers(limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        let tables = ["/proc/net/tcp6", "/proc/net/tcp"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
        if net::listens(&[&tables[0], &tables[1]], 22) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_taken_and_its_fingerprint_made() {
        let printed = format!(
            "Generating 256 bit ed25519 key, this may take a while...\nPublic key portion is:\n\
             ssh-ed25519 {KEY} root@(none)\nFingerprint: sha1!! 00:11\n"
        );
        let wanted = HostKey { line: format!("ssh-ed25519 {KEY}"), fingerprint: FINGERPRINT.into() };
        assert_eq!(public_key(&printed), Some(wanted));
    }
    // Made with ssh-keygen, the fingerprint as `ssh-keygen -l` prints it.
    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIB0Uno1pM/8DFNiQHTRoic49F7YBssz8Hbe4LjeeRf0Z";
    const FINGERPRINT: &str = "SHA256:shJX7O3QGDl75LEMlGNyO00CXyV+P4/sFUvcE6yQhCY";

    #[test]
    fn anything_else_is_no_key() {
        for bad in ["", "ssh-ed25519", "ssh-ed25519 !!!!", "ssh-rsa AAAA x", "ssh-ed25519x AAAA x"] {
            assert_eq!(public_key(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn passwords_are_refused_unless_one_was_given() {
        let has_flag = |password| service(password).command.contains(&"-s".to_string());
        assert!(has_flag(false) && !has_flag(true));
    }
}
