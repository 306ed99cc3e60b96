//! Gives /sbin/init back: its permissions, or the link to the only init that is installed.

use crate::patient::System;
use crate::rules::init_missing::{fault, init};
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Make /sbin/init start the only init that is installed";

/// Where inits are, and how /sbin/init names them.
const KNOWN: [(&str, &str); 5] = [
    ("/lib/systemd/systemd", "/lib/systemd/systemd"),
    ("/usr/lib/systemd/systemd", "../lib/systemd/systemd"),
    ("/sbin/openrc-init", "openrc-init"),
    ("/sbin/runit-init", "runit-init"),
    ("/lib/sysvinit/init", "/lib/sysvinit/init"),
];

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    let system = surgery.system()?;
    let path = init(system);
    let Some(what) = fault(&system.tree, &path) else { return Err(Stop::Nothing(format!("{path} can be started"))) };
    if path != "/sbin/init" {
        return Err(Stop::Refused(format!(
            "{what}, and it is named by init= of the kernel's command line: correct that"
        )));
    }
    if what.ends_with("is not executable") {
        surgery.mode(&path, 0o755)?;
        return Ok(format!("{path} is executable again"));
    }
    let mut found = candidates(system);
    let Some(target) = found.pop() else {
        return Err(Stop::Refused(format!("{what}, and no init is installed: its package has to be installed again")));
    };
    if let Some(other) = found.pop() {
        return Err(Stop::Refused(format!("{what}, and there are two it could be: {target} and {other}")));
    }
    surgery.link(&target, &path)?;
    Ok(format!("{path} is a link to {target} again"))
}

fn candidates(system: &System) -> Vec<String> {
    let tree = &system.tree;
    let usable = |path: &str| fault(tree, path).is_none();
    let mut found: Vec<String> = Vec::new();
    for (path, target) in KNOWN {
        // /lib and /usr/lib are one folder on most systems.
        let twin =
            path.starts_with("/usr/lib/systemd") && found.iter().any(|target| target.ends_with("systemd/systemd"));
        if usable(path) && !twin {
            found.push(target.to_owned());
        }
    }
    // Systems whose programs are all busybox have a table for its init, and most of /sbin leads to it.
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| usable(path));
    if let Some(busybox) = busybox.filter(|_| tree.exists("/etc/inittab")) {
        let links = tree
            .names("/sbin")
            .iter()
            .filter(|name| tree.link(&format!("/sbin/{name}")).as_deref() == Some(busybox))
            .count();
        if links > 5 {
            found.push(busybox.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    fn program(folder: &Folder, path: &str) {
        folder.put(path, "\x7fELF").mode(path, 0o755);
    }

    #[test]
    fn the_only_one_there_is_becomes_init() {
        let folder = Folder::new();
        program(&folder, "lib/systemd/systemd");
        folder.put("sbin/keep", "");
        let mut patient = folder.patient();
        assert_eq!(
            run(&mut Surgery::new(&mut patient, false)).unwrap(),
            "/sbin/init is a link to /lib/systemd/systemd again"
        );
        assert_eq!(std::fs::read_link(folder.path("sbin/init")).unwrap().to_str(), Some("/lib/systemd/systemd"));
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
    }

    #[test]
    fn busyboxs_own_is_known_by_its_neighbours() {
        let folder = Folder::new();
        program(&folder, "bin/busybox");
        folder.put("etc/inittab", "");
        for n in 0..9 {
            folder.link(&format!("sbin/tool{n}"), "/bin/busybox");
        }
        let mut patient = folder.patient();
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert_eq!(std::fs::read_link(folder.path("sbin/init")).unwrap().to_str(), Some("/bin/busybox"));
    }

    #[test]
    fn none_and_two_are_refused_and_permissions_are_given_back() {
        let folder = Folder::new();
        folder.put("sbin/keep", "");
        let mut patient = folder.patient();
        assert!(
            matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Refused(text)) if text.contains("no init is installed"))
        );
        program(&folder, "lib/systemd/systemd");
        program(&folder, "sbin/openrc-init");
        assert!(
            matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Refused(text)) if text.contains("two"))
        );
        program(&folder, "sbin/init");
        folder.mode("sbin/init", 0o644);
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert!(fault(&folder.system().tree, "/sbin/init").is_none());
    }
}
