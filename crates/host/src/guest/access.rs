//! What a boot's QEMU may touch, where it runs as a user of its own ([`crate::qemu::user`]): its disks, its log, its sockets are given
//! to that user; folders of ours on the way there let it pass, and nobody else; what is not ours must be readable as it is.
//!
//! Done at each start, so that it follows the configuration, and files that were made in between.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use types::desc::{NicBackend, NicDesc};
use types::operation::{Failure, FailureCode};

use super::actor::Guest;
use super::failure;
use super::paths::Paths;
use crate::config::Config;
use crate::qemu::cmdline::Launch;
use crate::qemu::user::User;

/// Where taps come from. Everybody may open it: what can be done there is decided by other rights.
const TUN: &str = "/dev/net/tun";

/// Files by what QEMU does with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Given to the user.
    pub own: Vec<PathBuf>,
    /// Made first, if they are not there: QEMU can make no file in a folder of ours.
    pub made: Vec<PathBuf>,
    /// Of the host, or of the store, where all is readable.
    pub read: Vec<PathBuf>,
}

impl Access {
    /// Of a boot. Pure.
    #[must_use]
    pub fn of(launch: &Launch) -> Self {
        let mut own: Vec<PathBuf> = Vec::new();
        for disk in &launch.disks {
            own.push(disk.path.clone());
            own.extend(disk.overlay.clone());
        }
        let mut read: Vec<_> = launch.isos.iter().flatten().cloned().collect();
        if let Some((code, variables)) = &launch.uefi {
            read.push(code.clone());
            own.push(variables.clone());
        }
        if let Some(rescue) = &launch.rescue {
            read.extend([rescue.kernel.clone(), rescue.initramfs.clone()]);
            own.push(rescue.secrets.clone());
        }
        Self { own, made: vec![launch.pid_file.clone(), launch.serial_log.clone()], read }
    }

    /// The folders of ours on the way to all of these, from the top. Pure.
    #[must_use]
    pub fn passed(&self, config: &Config, runtime: &Path) -> Vec<PathBuf> {
        let ours = [&config.workspace, &config.store_dir, &config.runtime_dir];
        let files = self.own.iter().chain(&self.made).chain(&self.read).map(PathBuf::as_path);
        let above = files.chain([runtime]).flat_map(|path| path.ancestors().skip(1));
        let mut folders: Vec<_> =
            above.filter(|it| ours.iter().any(|root| it.starts_with(root))).map(Path::to_owned).collect();
        folders.sort();
        folders.dedup();
        folders
    }
}

impl Guest {
    /// Lets the QEMU of a boot get to its files. The folder of sockets is there already.
    pub(super) fn let_qemu_in(&self, launch: &Launch) -> Result<(), Failure> {
        let Some(user) = &self.env.qemu_user else { return Ok(()) };
        let access = Access::of(launch);
        let runtime = self.paths.runtime();
        for folder in access.passed(&self.env.config, runtime) {
            user.let_into(&folder).map_err(|error| not_given(user, &folder, &error))?;
        }
        for path in &access.made {
            let made = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
            made.map_err(|error| not_given(user, path, &error))?;
        }
        for path in access.own.iter().chain(&access.made).map(PathBuf::as_path).chain([runtime]) {
            self.give_qemu(path)?;
        }
        access.read.iter().try_for_each(|path| self.qemu_reads(path))
    }

    /// Whether QEMU can open taps.
    pub(super) fn qemu_taps(&self, nics: &[NicDesc]) -> Result<(), Failure> {
        let Some(user) = &self.env.qemu_user else { return Ok(()) };
        let opens = std::fs::metadata(TUN).is_ok_and(|data| user.has(&data, 0o6));
        if opens || !nics.iter().any(|nic| nic.backend == NicBackend::Tap) {
            return Ok(());
        }
        let message = format!("QEMU runs as {user}, who can't open {TUN}: chmod 666 {TUN}, as udev does");
        Err(failure(FailureCode::Resource, message))
    }

    /// Gives QEMU's user a file, or a device of the host that the guest is to have.
    pub(super) fn give_qemu(&self, path: &Path) -> Result<(), Failure> {
        match &self.env.qemu_user {
            Some(user) => user.give(path).map_err(|error| not_given(user, path, &error)),
            None => Ok(()),
        }
    }

    /// Whether QEMU can read what is not ours.
    pub(super) fn qemu_reads(&self, path: &Path) -> Result<(), Failure> {
        let Some(user) = &self.env.qemu_user else { return Ok(()) };
        user.reads(path).map_err(|problem| failure(FailureCode::Resource, problem))
    }
}

fn not_given(user: &User, path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    let message = format!(
        "{path} can't be given to {user}, whom QEMU runs as: {error}; [qemu] user = \"none\" needs no such gift"
    );
    failure(FailureCode::Resource, message)
}

/// The same for a shell that is root: what is done before QEMU is run as the user. `quoted` makes one word of a path.
#[must_use]
pub fn script(
    user: &User,
    launch: &Launch,
    config: &Config,
    paths: &Paths,
    quoted: impl Fn(&Path) -> String,
) -> String {
    let access = Access::of(launch);
    let list = |paths: &[PathBuf]| paths.iter().map(|path| quoted(path)).collect::<Vec<_>>().join(" ");
    let folders = access.passed(config, paths.runtime());
    let own = [&access.own[..], &access.made, &[paths.runtime().to_owned()]].concat();
    let (touched, given, passed, uid, gid) = (list(&access.made), list(&own), list(&folders), user.uid, user.gid);
    format!(
        r#"touch {touched}
chown {uid}:{gid} {given}
for folder in {passed}; do
  setpriv --reuid={uid} --regid={gid} --clear-groups test -x "$folder" || {{ chgrp {gid} "$folder"; chmod g=x "$folder"; }}
done
"#
    )
}
