//! Lets those who may enter the rescue system into the machine itself: its keys are added for root, its password becomes root's.

use std::path::Path;

use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Give root of the machine the keys and the password of this rescue session";
const KEYS: &str = "/root/.ssh/authorized_keys";

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    from(surgery, Path::new("/"))
}

/// `rescue`: the rescue system's own root.
fn from(surgery: &mut Surgery<'_>, rescue: &Path) -> Outcome {
    let read = |path: &str| std::fs::read_to_string(rescue.join(path)).unwrap_or_default();
    let keys = read("root/.ssh/authorized_keys");
    let shadow = read("etc/shadow");
    let hash = shadow
        .lines()
        .find_map(|line| line.strip_prefix("root:")?.split(':').next())
        .filter(|hash| hash.starts_with('$'));
    if keys.trim().is_empty() && hash.is_none() {
        return Err(Stop::Refused("this rescue session has neither keys nor a password to give".into()));
    }
    let mut said = Vec::new();
    let system = surgery.system()?;
    let old = system.tree.text(KEYS).unwrap_or_default();
    let new: Vec<&str> =
        keys.lines().filter(|key| !key.trim().is_empty() && !old.lines().any(|line| line == *key)).collect();
    if !new.is_empty() {
        let dry = surgery.dry_run;
        let tree = &surgery.system()?.tree;
        if !dry {
            let failed = |error: std::io::Error| Stop::Failed(format!("/root/.ssh can't be made: {error}"));
            tree.make_folder("/root", 0o700).map_err(failed)?;
            tree.make_folder("/root/.ssh", 0o700).map_err(failed)?;
        }
        let before = if old.is_empty() || old.ends_with('\n') { old } else { old + "\n" };
        surgery.write(KEYS, &(before + &new.join("\n") + "\n"), 0o600)?;
        said.push(format!("{} keys for root", new.len()));
    }
    if let Some(hash) = hash {
        let old = surgery.system()?.tree.text("/etc/shadow").unwrap_or_default();
        let mut found = false;
        let mut text = String::new();
        for line in old.lines() {
            match line.strip_prefix("root:").and_then(|rest| rest.split_once(':')) {
                Some((_, rest)) => {
                    found = true;
                    text += &format!("root:{hash}:{rest}\n");
                }
                None => text = text + line + "\n",
            }
        }
        if !found {
            text = format!("root:{hash}:19000:0:99999:7:::\n{text}");
        }
        if text != old {
            surgery.write("/etc/shadow", &text, 0o640)?;
            said.push("the session's password for root".into());
        }
    }
    if said.is_empty() { Err(Stop::Nothing("root has them already".into())) } else { Ok(said.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn what_the_session_has_is_given_once() {
        let (folder, rescue) = (Folder::new(), Folder::new());
        folder
            .put("etc/shadow", "root:!$6$old$x:1::::::\nme:*:1::::::\n")
            .put("root/.ssh/authorized_keys", "ssh-rsa OLD");
        let mut patient = folder.patient();
        let give = |patient: &mut crate::patient::Patient| from(&mut Surgery::new(patient, false), &rescue.path(""));
        assert!(matches!(give(&mut patient), Err(Stop::Refused(_))));
        rescue.put("etc/shadow", "root:$6$new$y:19000::::::\n").put("root/.ssh/authorized_keys", "ssh-ed25519 NEW\n");
        assert_eq!(give(&mut patient).unwrap(), "1 keys for root, the session's password for root");
        assert_eq!(folder.read("root/.ssh/authorized_keys"), "ssh-rsa OLD\nssh-ed25519 NEW\n");
        assert_eq!(folder.read("etc/shadow"), "root:$6$new$y:1::::::\nme:*:1::::::\n");
        assert!(matches!(give(&mut patient), Err(Stop::Nothing(_))));
    }
}
