//! Host keys: at least one, and none that others can read, which the server would not load.

use crate::patient::{Patient, System};

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    if !system.tree.exists("/usr/sbin/sshd") || makes_its_own(system) {
        return Ok(Vec::new());
    }
    let (good, open) = keys(system);
    Ok(match (good.is_empty(), open.is_empty()) {
        (false, _) => Vec::new(),
        (true, true) => vec!["/etc/ssh holds no host key".into()],
        (true, false) => open.iter().map(|key| format!("{key} can be read by others than root")).collect(),
    })
}

/// Private keys that can be used, and those that are too open.
pub fn keys(system: &System) -> (Vec<String>, Vec<String>) {
    let names = system.tree.names("/etc/ssh").into_iter();
    let keys = names
        .filter(|name| name.starts_with("ssh_host_") && name.ends_with("_key"))
        .map(|name| format!("/etc/ssh/{name}"));
    let full = keys.filter(|path| system.tree.size(path).is_some_and(|size| size > 0));
    full.partition(|path| {
        system.tree.stat(path).is_some_and(|stat| stat.st_mode & 0o077 == 0 || has_group(stat.st_mode, stat.st_gid))
    })
}

/// Fedora and its relatives let a group of their own read the keys.
fn has_group(mode: u32, group: u32) -> bool {
    mode & 0o037 == 0 && group != 0
}

/// Images whose first boot makes keys.
fn makes_its_own(system: &System) -> bool {
    let units = [
        "/lib/systemd/system/sshd-keygen@.service",
        "/usr/lib/systemd/system/sshd-keygen@.service",
        "/lib/systemd/system/sshd-keygen.service",
    ];
    units.iter().any(|path| system.tree.exists(path))
        || (system.tree.exists("/usr/bin/cloud-init") && !system.tree.exists("/var/lib/cloud/instance"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn one_good_key_is_enough() {
        let folder = Folder::new();
        folder.put("usr/sbin/sshd", "").put("etc/ssh/ssh_host_ed25519_key.pub", "x");
        assert_eq!(probe(&folder.patient()).unwrap(), ["/etc/ssh holds no host key"]);
        folder.put("etc/ssh/ssh_host_ed25519_key", "key").mode("etc/ssh/ssh_host_ed25519_key", 0o644);
        assert_eq!(
            probe(&folder.patient()).unwrap(),
            ["/etc/ssh/ssh_host_ed25519_key can be read by others than root"]
        );
        folder.mode("etc/ssh/ssh_host_ed25519_key", 0o600);
        assert!(probe(&folder.patient()).unwrap().is_empty());
    }
}
