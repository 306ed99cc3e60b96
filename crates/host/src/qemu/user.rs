//! Who QEMU runs as. An agent that is root starts its guests as a user with no rights of its own: before the program runs, so no image
//! is ever read with root's rights, and with no group but one. What such a QEMU needs is given to it, file by file; see
//! [`crate::guest::access`].
//!
//! All guests of a host have one user: it keeps a guest that breaks out of QEMU away from the host, not from other guests' files.

use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Who is looked for where nobody is named, in this order: our own, Debian's of libvirt, Fedora's.
pub const KNOWN: [&str; 3] = ["lifeboat-qemu", "libvirt-qemu", "qemu"];
/// How to make the first of them.
pub const HOW_TO_MAKE: &str = "groupadd --system --force kvm && useradd --system --no-create-home --shell /usr/sbin/nologin --gid kvm lifeboat-qemu (then restart the agent)";
const KVM: &str = "/dev/kvm";

/// A user that is not root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    /// The only group that QEMU has.
    pub gid: u32,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.name, self.uid, self.gid)
    }
}

/// None: QEMU runs as the agent does. The text says why.
pub type Choice = (Option<User>, String);

/// Chooses. `wanted`: `auto`, `none`, a name, or `UID:GID`. `folders`: those that QEMU has to get to; `kvm`: whether it is to use it.
///
/// # Errors
/// The one who is wanted can't be had, and what to do.
pub fn choose(wanted: &str, folders: &[&Path], kvm: bool) -> Result<Choice, String> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let root = rustix::process::geteuid().is_root();
    let found = pick(wanted, &passwd, root)?;
    let Some(user) = found else {
        let why = match (wanted, root) {
            ("auto", true) => format!("there is no user {}", KNOWN.join(", ")),
            ("auto", false) => "the agent is not root".to_owned(),
            _ => "[qemu] user says so".to_owned(),
        };
        return Ok((None, why));
    };
    let ready = user.with_kvm(kvm).and_then(|user| {
        // What lies in another of them is ours, and lets it pass when a guest starts.
        let outermost = folders.iter().filter(|it| !folders.iter().any(|other| *it != other && it.starts_with(other)));
        let unreachable = outermost.filter_map(|folder| user.kept_out(folder.parent()?)).next();
        match unreachable {
            None => Ok(user),
            Some(folder) => {
                Err(format!("{user} can't get below {folder}: chmod o+x {folder}, or choose folders elsewhere"))
            }
        }
    });
    match ready {
        Ok(user) => {
            let why = user.to_string();
            Ok((Some(user), why))
        }
        Err(why) if wanted == "auto" => Ok((None, why)),
        Err(why) => Err(format!("[qemu] user: {why}")),
    }
}

/// The user, before it is known whether it gets to everything. Pure.
fn pick(wanted: &str, passwd: &str, root: bool) -> Result<Option<User>, String> {
    let named = |name: &str| {
        passwd.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let [found, _, uid, gid, ..] = fields[..] else { return None };
            Some(User { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()? })
                .filter(|_| found == name)
        })
    };
    let user = match wanted {
        "none" => return Ok(None),
        "auto" => match KNOWN.iter().find_map(|name| named(name)).filter(|_| root) {
            Some(user) => user,
            None => return Ok(None),
        },
        _ => {
            let numbers = wanted
                .split_once(':')
                .and_then(|(uid, gid)| Some((uid.parse::<u32>().ok()?, gid.parse::<u32>().ok()?)));
            let user = match numbers {
                Some((uid, gid)) => Some(User { name: uid.to_string(), uid, gid }),
                None => named(wanted),
            };
            user.ok_or_else(|| {
                format!(
                    "[qemu] user: there is no user '{wanted}' in /etc/passwd: auto, none, a user's name, or UID:GID"
                )
            })?
        }
    };
    if user.uid == 0 {
        return Err("[qemu] user: root needs no user to run QEMU as: say none".into());
    }
    if !root {
        return Err(format!(
            "[qemu] user: only root can run QEMU as {}: run the agent as root, or say none",
            user.name
        ));
    }
    Ok(Some(user))
}

impl User {
    /// With the group that may use KVM.
    fn with_kvm(mut self, kvm: bool) -> Result<Self, String> {
        let Ok(data) = std::fs::metadata(KVM) else { return Ok(self) };
        if !kvm || self.has(&data, 0o6) {
            return Ok(self);
        }
        if data.gid() == 0 || data.mode() & 0o060 != 0o060 {
            return Err(format!("{self} can't use {KVM}: chgrp kvm {KVM} && chmod 660 {KVM}"));
        }
        self.gid = data.gid();
        Ok(self)
    }

    /// Whether its rights on a file hold all of these bits (4 read, 2 write, 1 enter).
    #[must_use]
    pub fn has(&self, data: &std::fs::Metadata, wanted: u32) -> bool {
        let shift = match () {
            () if data.uid() == self.uid => 6,
            () if data.gid() == self.gid => 3,
            () => 0,
        };
        (data.mode() >> shift) & wanted == wanted
    }

    /// The first of the folders down to this one that it can't enter; those that are not there yet will be made by us.
    #[must_use]
    pub fn kept_out(&self, folder: &Path) -> Option<String> {
        let mut above: Vec<_> = folder.ancestors().collect();
        above.reverse();
        let closed = above.into_iter().find(|it| std::fs::metadata(it).is_ok_and(|data| !self.has(&data, 0o1)));
        closed.map(|it| it.display().to_string())
    }

    /// Lets it into a folder of ours, where it could not go; nobody else.
    ///
    /// # Errors
    /// As the file system says.
    pub fn let_into(&self, folder: &Path) -> std::io::Result<()> {
        let data = std::fs::metadata(folder)?;
        if self.has(&data, 0o1) {
            return Ok(());
        }
        std::os::unix::fs::chown(folder, None, Some(self.gid))?;
        // What the group had was another group's.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(data.mode() & 0o7707 | 0o010))
    }

    /// Gives it a file or a device.
    ///
    /// # Errors
    /// As the file system says.
    pub fn give(&self, path: &Path) -> std::io::Result<()> {
        let data = std::fs::metadata(path)?;
        if (data.uid(), data.gid()) == (self.uid, self.gid) {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
    }

    /// Why it can't read a file that is not ours to give, with what to do.
    ///
    /// # Errors
    /// That.
    pub fn reads(&self, path: &Path) -> Result<(), String> {
        let whole = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        if let Some(folder) = whole.parent().and_then(|folder| self.kept_out(folder)) {
            return Err(format!("QEMU runs as {self}, who can't get below {folder}: chmod o+x {folder}"));
        }
        match std::fs::metadata(&whole) {
            Ok(data) if self.has(&data, 0o4) => Ok(()),
            _ => Err(format!("QEMU runs as {self}, who can't read {0}: chmod o+r {0}", whole.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0::/root:/bin/sh\nlibvirt-qemu:x:64055:104::/:/bin/false\nme:x:1000:1000::/:/bin/sh\nbroken\n";

    #[test]
    fn who_is_picked() {
        type Expected = Result<Option<User>, &'static str>;
        let named = |name: &str, uid, gid| -> Expected { Ok(Some(User { name: name.into(), uid, gid })) };
        let libvirt = || named("libvirt-qemu", 64055, 104);
        for (wanted, root, expected) in [
            ("auto", true, libvirt()),
            ("auto", false, Ok(None)),
            ("none", true, Ok(None)),
            ("libvirt-qemu", true, libvirt()),
            ("1:2", true, named("1", 1, 2)),
            ("nobody-here", true, Err("there is no user 'nobody-here'")),
            ("1:x", true, Err("there is no user")),
            ("root", true, Err("say none")),
            ("0:5", true, Err("say none")),
            ("me", false, Err("only root can")),
        ] {
            match (pick(wanted, PASSWD, root), expected) {
                (Err(said), Err(word)) => assert!(said.contains(word), "{said}"),
                (got, expected) => assert_eq!(got, expected.map_err(str::to_owned), "{wanted} {root}"),
            }
        }
        let ours = format!("{PASSWD}lifeboat-qemu:x:999:998::/:/bin/false\n");
        assert_eq!(pick("auto", &ours, true).unwrap(), named("lifeboat-qemu", 999, 998).unwrap());
        assert_eq!(pick("auto", "", true), Ok(None));
    }

    #[test]
    fn rights_are_read_as_the_kernel_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let data = std::fs::metadata(folder.path()).unwrap();
        let owner = User { name: "o".into(), uid: data.uid(), gid: data.gid() };
        let group = User { uid: data.uid() + 1, ..owner.clone() };
        let other = User { gid: data.gid() + 1, ..group.clone() };
        for (mode, expected) in
            [(0o700, [true, false, false]), (0o070, [false, true, false]), (0o701, [true, false, true])]
        {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let data = std::fs::metadata(folder.path()).unwrap();
            assert_eq!([&owner, &group, &other].map(|user| user.has(&data, 0o1)), expected, "{mode:o}");
        }
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "").unwrap();
        let said = other.reads(&file).unwrap_err();
        assert!(said.contains("chmod o+x") && said.contains(&*folder.path().to_string_lossy()), "{said}");
        owner.reads(&file).unwrap();
    }
}
