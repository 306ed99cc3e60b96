//! Systems that enforce SELinux, whose most important files have no label.

use crate::patient::{Patient, System};

const FILES: [&str; 6] =
    ["/etc/passwd", "/etc/shadow", "/etc/fstab", "/sbin/init", "/etc/ssh/sshd_config", "/etc/pam.d/login"];

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    if !is_enforcing(system) || system.tree.has_name("/.autorelabel") {
        return Ok(Vec::new());
    }
    let mut bare = Vec::new();
    for file in FILES.iter().filter(|file| system.tree.size(file).is_some()) {
        match system.tree.has_attribute(file, "security.selinux") {
            Ok(true) => {}
            Ok(false) => bare.push(format!("{file} has no label")),
            Err(error) => return Err(format!("labels can't be read: {error}")),
        }
    }
    Ok(bare)
}

pub fn is_enforcing(system: &System) -> bool {
    system.value("/etc/selinux/config", "SELINUX") == "enforcing"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn labels_are_missed_only_where_they_are_enforced() {
        let folder = Folder::new();
        folder.put("etc/passwd", "root").put("etc/selinux/config", "# x\nSELINUX=permissive\n");
        assert!(probe(&folder.patient()).unwrap().is_empty());
        folder.put("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n");
        // Where files can have no such attribute at all, the rule can't be asked.
        if let Ok(found) = probe(&folder.patient()) {
            assert_eq!(found, ["/etc/passwd has no label"]);
        }
        folder.put(".autorelabel", "");
        assert!(probe(&folder.patient()).unwrap().is_empty());
    }
}
