//! Where a guest's files are. Sockets have a folder apart: their paths may have 107 bytes at most (unix(7)).

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use types::desc::DiskDesc;
use types::id::{DiskId, GuestId, SessionId};

use crate::qemu::cmdline::Sockets;

/// What a socket's path may have, without the closing zero.
const SOCKET_PATH: usize = 107;

/// The folders of one guest.
#[derive(Debug, Clone)]
pub struct Paths {
    /// `<workspace>/servers/<id>`, mode 0700.
    pub folder: PathBuf,
    runtime: PathBuf,
}

impl Paths {
    #[must_use]
    pub fn new(workspace: &Path, runtime: &Path, guest: GuestId) -> Self {
        Self {
            folder: servers(workspace).join(guest.to_string()),
            runtime: runtime.join(guest.uuid().simple().to_string()),
        }
    }

    #[must_use]
    pub fn desc(&self) -> PathBuf {
        self.folder.join("desc")
    }
    /// The same once more: see [`crate::guest::recover`].
    #[must_use]
    pub fn desc_copy(&self) -> PathBuf {
        self.folder.join("desc.copy")
    }
    /// A desc that could not be read.
    #[must_use]
    pub fn unreadable_desc(&self) -> PathBuf {
        self.folder.join("desc.unreadable")
    }
    /// The desc of before a rescue session.
    #[must_use]
    pub fn source_desc(&self, session: SessionId) -> PathBuf {
        self.folder.join(format!("source-desc.{session}"))
    }
    #[must_use]
    pub fn pid_file(&self) -> PathBuf {
        self.folder.join("qemu.pid")
    }
    /// Starts the guest by hand.
    #[must_use]
    pub fn script(&self) -> PathBuf {
        self.folder.join("startvm")
    }
    /// What this boot is: see [`crate::guest::start::Boot`].
    #[must_use]
    pub fn boot(&self) -> PathBuf {
        self.folder.join("boot.json")
    }
    /// How it was stopped last: see [`crate::guest::stop::StopRecord`].
    #[must_use]
    pub fn last_stop(&self) -> PathBuf {
        self.folder.join("last-stop.json")
    }
    #[must_use]
    pub fn serial_log(&self) -> PathBuf {
        self.folder.join("serial.log")
    }
    #[must_use]
    pub fn disks(&self) -> PathBuf {
        self.folder.join("disks")
    }
    #[must_use]
    pub fn disk(&self, disk: &DiskDesc) -> PathBuf {
        self.disks().join(format!("{}.{}", disk.id, disk.format))
    }
    /// The guest's own firmware variables.
    #[must_use]
    pub fn uefi_vars(&self) -> PathBuf {
        self.folder.join("uefi-vars.fd")
    }
    /// The firmware variables of before a rescue session.
    #[must_use]
    pub fn source_uefi_vars(&self, session: SessionId) -> PathBuf {
        self.folder.join(format!("source-uefi-vars.{session}"))
    }
    /// What a rescue session needs besides the disks, all of it thrown away at its end.
    #[must_use]
    pub fn rescue(&self) -> PathBuf {
        self.folder.join("rescue")
    }
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.rescue().join("secrets.json")
    }
    #[must_use]
    pub fn rescue_uefi_vars(&self) -> PathBuf {
        self.rescue().join("uefi-vars.fd")
    }
    #[must_use]
    pub fn overlay(&self, disk: DiskId) -> PathBuf {
        self.rescue().join(format!("{disk}.overlay"))
    }
    #[must_use]
    pub fn sockets(&self) -> Sockets {
        let socket = |name: &str| self.runtime.join(name);
        Sockets {
            agent: socket("qmp"),
            operator: socket("qmp-operator"),
            serial: socket("serial"),
            vnc: socket("vnc"),
            guest_agent: socket("guest-agent"),
            rescue: socket("rescue"),
        }
    }

    /// Makes the guest's folder.
    ///
    /// # Errors
    /// As the file system says.
    pub fn make(&self) -> io::Result<()> {
        private_folder(&self.folder)
    }
    /// The folder of sockets.
    #[must_use]
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// Makes the folder of sockets, empty. Only while no QEMU runs.
    ///
    /// # Errors
    /// As the file system says.
    pub fn make_runtime(&self) -> io::Result<()> {
        self.remove_runtime()?;
        private_folder(&self.runtime)
    }
    /// # Errors
    /// As the file system says; one that is not there is removed already.
    pub fn remove_runtime(&self) -> io::Result<()> {
        gone(std::fs::remove_dir_all(&self.runtime))
    }
    /// # Errors
    /// As the file system says; one that is not there is removed already.
    pub fn remove_rescue(&self) -> io::Result<()> {
        gone(std::fs::remove_dir_all(self.rescue()))
    }
}

/// Not found is as good as removed.
pub(crate) fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Where the guests' folders are.
#[must_use]
pub fn servers(workspace: &Path) -> PathBuf {
    workspace.join("servers")
}

/// Where the images of disks are that no guest has.
#[must_use]
pub fn detached(workspace: &Path) -> PathBuf {
    workspace.join("disks")
}

/// Makes a folder that is only ours (mode 0700), and refuses one that is not. Folders above it are made as the umask says: they have
/// nothing to hide, and QEMU may have to pass.
///
/// # Errors
/// As the file system says, or when somebody else owns the folder or may write there.
pub fn private_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let data = std::fs::symlink_metadata(path)?;
    if !data.is_dir() || data.uid() != rustix::process::geteuid().as_raw() || data.mode() & 0o022 != 0 {
        let message = format!("{} must be a folder that only this user can write", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    Ok(())
}

/// The folder of sockets where none is configured: short, and the same after a restart, as running guests use it.
#[must_use]
pub fn default_runtime(workspace: &Path) -> PathBuf {
    let digest = types::rescue::hex(&Sha256::digest(workspace.as_os_str().as_encoded_bytes())[..6]);
    let user = rustix::process::geteuid();
    if user.is_root() {
        return Path::new("/run/lifeboat").join(digest);
    }
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|path| path.len() < 40 && Path::new(path).is_dir()) {
        Some(folder) => Path::new(&folder).join(format!("lifeboat-{digest}")),
        None => PathBuf::from(format!("/tmp/lifeboat-{}-{digest}", user.as_raw())),
    }
}

/// Refuses a folder below which a socket's path would be too long.
///
/// # Errors
/// Says how long it may be.
pub fn check_runtime(runtime: &Path) -> Result<(), String> {
    let longest = Paths::new(Path::new("/"), runtime, GuestId::from_uuid(uuid::Uuid::nil())).sockets().operator;
    let over = longest.as_os_str().len().saturating_sub(SOCKET_PATH);
    if over > 0 {
        return Err(format!(
            "runtime_dir {} is {over} bytes too long for sockets below it: choose a shorter one",
            runtime.display()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_fit_below_every_default() {
        check_runtime(Path::new("/run/lifeboat/0123456789ab")).unwrap();
        check_runtime(Path::new("/tmp/lifeboat-4294967295-0123456789ab")).unwrap();
        let error = check_runtime(Path::new(&format!("/{}", "x".repeat(80)))).unwrap_err();
        assert!(error.contains("too long"), "{error}");
    }

    #[test]
    fn a_folder_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        private_folder(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        private_folder(&path).expect("ours already");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(private_folder(&path).is_err());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert!(private_folder(&link).is_err());
    }
}
