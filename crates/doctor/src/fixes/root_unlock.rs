//! Undoes a lock of root's password, an expiry of its account, and a shell that lets nobody in.

use crate::patient::System;
use crate::rules::root_locked;
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Unlock root: its password of before, no expiry, a shell";

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    let found = root_locked::probe(surgery.patient).map_err(Stop::Refused)?;
    if found.is_empty() {
        return Err(Stop::Nothing("root is not locked".into()));
    }
    let system = surgery.system()?;
    let shadow = with_root(system, "/etc/shadow", "root:*:19000:0:99999:7:::", |fields| {
        if fields[1].starts_with("!$") || fields[1].starts_with("!!$") {
            fields[1] = fields[1].trim_start_matches('!').to_owned();
        }
        if let Some(expires) = fields.get_mut(7) {
            expires.clear();
        }
    });
    let shell = ["/bin/bash", "/bin/sh"].into_iter().find(|path| system.tree.exists(path)).unwrap_or("/bin/sh");
    let usable = |path: &str| !path.ends_with("/nologin") && !path.ends_with("/false") && system.tree.exists(path);
    let passwd = with_root(system, "/etc/passwd", &format!("root:x:0:0:root:/root:{shell}"), |fields| {
        if let Some(old) = fields.get_mut(6).filter(|old| !old.is_empty() && !usable(old)) {
            *old = shell.to_owned();
        }
    });
    if let Some(text) = shadow {
        surgery.write("/etc/shadow", &text, 0o640)?;
    }
    if let Some(text) = passwd {
        surgery.write("/etc/passwd", &text, 0o644)?;
    }
    Ok(format!("undone: {}", found.join("; ")))
}

/// The file with root's line changed, or added before all others; None where that changes nothing.
fn with_root(system: &System, file: &str, missing: &str, change: impl Fn(&mut Vec<String>)) -> Option<String> {
    let old = system.tree.text(file).unwrap_or_default();
    let mut seen = false;
    let mut new = String::new();
    for line in old.lines() {
        if line.starts_with("root:") && !seen {
            seen = true;
            let mut fields: Vec<String> = line.split(':').map(String::from).collect();
            change(&mut fields);
            new += &(fields.join(":") + "\n");
        } else {
            new = new + line + "\n";
        }
    }
    if !seen {
        new = format!("{missing}\n{new}");
    }
    (new != old).then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn roots_own_password_works_again() {
        let folder = Folder::new();
        folder
            .put("bin/sh", "")
            .put("etc/passwd", "root:x:0:0:root:/root:/usr/sbin/nologin\nme:x:1000:1000::/:/bin/sh\n");
        folder.put("etc/shadow", "root:!$6$salt$hash:19000:0:99999:7::1:\nme:!$6$a$b:1::::::\n");
        let mut patient = folder.patient();
        let mut dry = Surgery::new(&mut patient, true);
        run(&mut dry).unwrap();
        assert!(!format!("{:?}", dry.planned).contains("hash"), "nobody is shown a hash");
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert_eq!(folder.read("etc/shadow"), "root:$6$salt$hash:19000:0:99999:7:::\nme:!$6$a$b:1::::::\n");
        assert!(folder.read("etc/passwd").starts_with("root:x:0:0:root:/root:/bin/sh\nme:"));
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
    }

    #[test]
    fn a_lost_line_is_made_without_a_password() {
        let folder = Folder::new();
        folder.put("bin/sh", "").put("etc/passwd", "me:x:1000:1000::/:/bin/sh\n").put("etc/shadow", "me:*:1::::::\n");
        let mut patient = folder.patient();
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert!(folder.read("etc/shadow").starts_with("root:*:"));
        assert!(root_locked::probe(&patient).unwrap().is_empty());
    }
}
