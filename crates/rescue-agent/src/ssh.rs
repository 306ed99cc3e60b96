//! The SSH server's host key: the session's, given by the host, so that it stays over reboots; from an older host none comes, and it is new in
//! each boot. It is told to the host in the ready report so that a user can check it at the first connection.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use types::rescue::{HOST_KEY_KIND, HostKeySecret, ssh_fingerprint, unhex};

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

/// Writes the key that the session was given, as dropbear keeps its own: two strings, each behind its length, the kind and 64 bytes,
/// the private key's and the public key's 32 (dropbear's ed25519.c, `buf_put_ed25519_priv_key`).
///
/// # Errors
/// It is no key, or the file can't be written.
pub fn install(file: &Path, key: &HostKeySecret) -> std::io::Result<()> {
    let halves = [key.seed.expose(), key.public.as_str()].map(|text| unhex(text).filter(|bytes| bytes.len() == 32));
    let [Some(seed), Some(public)] = halves else {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "64 hex digits each were expected"));
    };
    let mut bytes = Vec::new();
    for text in [HOST_KEY_KIND.as_bytes(), &[seed, public].concat()] {
        bytes.extend(u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
        bytes.extend(text);
    }
    let new = file.with_extension("new");
    let mut opened = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    opened.write_all(&bytes)?;
    std::fs::rename(new, file)
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
    let line = printed.lines().find(|line| line.starts_with(HOST_KEY_KIND))?;
    let words: Vec<&str> = line.split_ascii_whitespace().take(2).collect();
    Some(HostKey { line: words.join(" "), fingerprint: ssh_fingerprint(line)? })
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
    fn a_given_key_is_kept_as_dropbear_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let key = |seed: &str| HostKeySecret { seed: types::secret::Secret::new(seed), public: "cd".repeat(32) };
        install(&file, &key(&"ab".repeat(32))).unwrap();
        let head = b"\0\0\0\x0bssh-ed25519\0\0\0\x40";
        assert_eq!(std::fs::read(&file).unwrap(), [&head[..], &[0xab; 32], &[0xcd; 32]].concat());
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let error = install(&file, &key("hunter2")).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

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
