//! Host keys for the SSH server: closes those that are too open, and makes new ones where none is left.

use std::time::Duration;

use crate::rules::sshd_keys_missing::keys;
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Make SSH host keys where none is left, and close those that others can read";
const LIMIT: Duration = Duration::from_secs(180);

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    let system = surgery.system()?;
    if !system.tree.exists("/usr/sbin/sshd") {
        return Err(Stop::Nothing("no SSH server is installed".into()));
    }
    let (good, open) = keys(system);
    if !good.is_empty() {
        return Err(Stop::Nothing("the server has a host key".into()));
    }
    if !open.is_empty() {
        for key in &open {
            surgery.mode(key, 0o600)?;
        }
        return Ok(format!("only root can read {} now", open.join(", ")));
    }
    surgery.chroot(&["ssh-keygen", "-A"], LIMIT)?;
    if !surgery.dry_run && keys(surgery.system()?).0.is_empty() {
        return Err(Stop::Failed("ssh-keygen made no key".into()));
    }
    Ok("new host keys were made; clients that know the old ones will say that they changed".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn open_keys_are_closed_and_new_ones_made_only_without_any() {
        let folder = Folder::new();
        folder.put("usr/sbin/sshd", "").put("etc/ssh/ssh_host_rsa_key", "k").mode("etc/ssh/ssh_host_rsa_key", 0o644);
        let mut patient = folder.patient();
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
        std::fs::remove_file(folder.path("etc/ssh/ssh_host_rsa_key")).unwrap();
        let mut dry = Surgery::new(&mut patient, true);
        run(&mut dry).unwrap();
        assert_eq!(dry.log, ["would run in the machine's own system: ssh-keygen -A"]);
    }
}
