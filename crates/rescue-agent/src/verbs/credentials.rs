//! Who may get in from now on, and the doors that belong to it: the SSH server, and logins on the consoles.

use std::path::{Path, PathBuf};

use types::rescue::ReadyReport;
use types::secret::Secret;
use types::verb::{CredentialsReplaced, VerbFault};

use crate::access::{self, Ways};
use crate::console;
use crate::services::{self, Kept, Service};
use crate::ssh::HostKey;

/// How doors are opened: the SSH server, with passwords or without, and a login on a terminal.
#[derive(Clone, Copy)]
pub struct Programs {
    pub ssh: fn(bool) -> Service,
    pub console: fn(&str) -> Service,
}

/// What is open, and how to open more.
pub struct Doors {
    programs: Programs,
    root: PathBuf,
    services: PathBuf,
    ways: Ways,
    /// The key that the SSH server proves itself with; none until there is a server.
    key: Option<HostKey>,
    ssh: Option<Kept>,
    consoles: Vec<Kept>,
}

impl Doors {
    /// Nothing is open yet. `root` holds root's files, `services` the marks of what runs.
    pub fn new(programs: Programs, root: &Path, services: &Path, ways: Ways) -> Self {
        Self {
            programs,
            root: root.into(),
            services: services.into(),
            ways,
            key: None,
            ssh: None,
            consoles: Vec::new(),
        }
    }

    pub fn ways(&self) -> Ways {
        self.ways
    }

    /// Starts the SSH server with this key, if anybody may come that way.
    pub fn open_ssh(&mut self, key: HostKey) {
        self.key = Some(key);
        self.ssh = self.ways.ssh().then(|| services::keep(&self.services, (self.programs.ssh)(self.ways.password)));
    }

    /// Starts logins on the terminals, where they are not yet, if there is a password to log in with.
    pub fn open_consoles(&mut self, terminals: &[String]) {
        if self.ways.password && self.consoles.is_empty() {
            let keep = |tty: &String| services::keep(&self.services, (self.programs.console)(tty));
            self.consoles = terminals.iter().map(keep).collect();
        }
    }

    /// Replaces keys and password, and opens or shuts doors accordingly. `make_key` is asked where there was no SSH server before.
    /// Logins that are open stay open.
    ///
    /// # Errors
    /// A credential is not usable, or can't be written; in the first case nothing is changed.
    pub fn replace(
        &mut self,
        ssh_keys: &[String],
        password_hash: Option<&Secret>,
        terminals: &[String],
        make_key: impl FnOnce() -> Result<HostKey, String>,
    ) -> Result<CredentialsReplaced, VerbFault> {
        access::check(ssh_keys, password_hash).map_err(|error| VerbFault { message: error.to_string() })?;
        let before = self.ways;
        self.ways = access::install(&self.root, ssh_keys, password_hash, |_| {})
            .map_err(|error| VerbFault { message: format!("the credentials can't be written: {error}") })?;
        match (&self.ssh, self.ways.ssh()) {
            (Some(server), true) if before.password != self.ways.password => {
                server.change(Some((self.programs.ssh)(self.ways.password)));
            }
            (Some(_), true) | (None, false) => {}
            (Some(server), false) => {
                server.change(None);
                self.ssh = None;
            }
            (None, true) => {
                let key = match self.key.clone() {
                    Some(key) => key,
                    None => make_key().map_err(|message| VerbFault { message })?,
                };
                self.open_ssh(key);
            }
        }
        self.open_consoles(terminals);
        let key = self.key.as_ref().filter(|_| self.ways.ssh());
        Ok(CredentialsReplaced {
            keys: self.ways.keys,
            password: self.ways.password,
            ssh_host_key: key.map(|key| key.line.clone()),
            ssh_fingerprint: key.map(|key| key.fingerprint.clone()),
        })
    }

    /// What stands above a login now.
    pub fn banner(&self, report: &ReadyReport) -> String {
        console::banner(report, self.ways)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$6$saltsalt$abcdefghijklmnop./0123";

    struct House {
        folder: tempfile::TempDir,
        doors: Doors,
    }

    fn house() -> House {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("etc")).unwrap();
        std::fs::create_dir_all(folder.path().join("services")).unwrap();
        std::fs::write(folder.path().join("etc/shadow"), "root:*:19000:0:99999:7:::\n").unwrap();
        let programs = Programs { ssh: |_| Service::new("ssh", "true"), console: |_| Service::new("console", "true") };
        let doors =
            Doors::new(programs, folder.path(), &folder.path().join("services"), Ways { keys: 0, password: false });
        House { folder, doors }
    }
    fn host_key() -> Result<HostKey, String> {
        Ok(HostKey { line: "ssh-ed25519 AAAA".into(), fingerprint: "SHA256:x".into() })
    }
    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(ToString::to_string).collect()
    }
    fn read(house: &House, path: &str) -> String {
        std::fs::read_to_string(house.folder.path().join(path)).unwrap()
    }

    #[test]
    fn a_system_that_let_nobody_in_opens_and_shuts_again() {
        let mut house = house();
        let open = house.doors.replace(&keys(&["ssh-ed25519 AAAA me"]), None, &[], host_key).unwrap();
        assert_eq!((open.keys, open.password, open.ssh_fingerprint.as_deref()), (1, false, Some("SHA256:x")));
        assert!(house.doors.ssh.is_some());
        assert_eq!(read(&house, "root/.ssh/authorized_keys"), "ssh-ed25519 AAAA me\n");

        let hash = Secret::new(HASH);
        let both = house.doors.replace(&[], Some(&hash), &["ttyS9".into()], || Err("asked again".into())).unwrap();
        assert_eq!((both.keys, both.password), (0, true));
        assert_eq!(house.doors.consoles.len(), 1);
        assert_eq!(read(&house, "root/.ssh/authorized_keys"), "");
        assert!(read(&house, "etc/shadow").contains(HASH));

        let shut = house.doors.replace(&[], None, &[], || Err("asked again".into())).unwrap();
        assert_eq!((shut.keys, shut.password, shut.ssh_host_key), (0, false, None));
        assert!(house.doors.ssh.is_none());
        assert!(read(&house, "etc/shadow").starts_with("root:*:"));
    }

    #[test]
    fn what_is_not_usable_changes_nothing_and_is_not_repeated() {
        let mut house = house();
        for (list, hash) in [(&["hunter2\nhunter2"][..], None), (&[][..], Some("hunter2")), (&["#hunter2"][..], None)] {
            let hash = hash.map(Secret::new);
            let fault = house.doors.replace(&keys(list), hash.as_ref(), &[], host_key).unwrap_err();
            assert!(!fault.message.contains("hunter2"), "{fault}");
        }
        assert!(house.doors.ssh.is_none());
        assert_eq!(read(&house, "etc/shadow"), "root:*:19000:0:99999:7:::\n");
    }
}
