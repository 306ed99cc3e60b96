//! `default.target` that is missing, or leads to rescue, emergency, or a stop of the machine.

use crate::patient::Patient;
use crate::tree::Tree;

pub const OWN: &str = "/etc/systemd/system/default.target";
pub const SHIPPED: [&str; 2] = ["/lib/systemd/system/default.target", "/usr/lib/systemd/system/default.target"];
const NO_LOGIN: [&str; 9] =
    ["rescue", "emergency", "poweroff", "reboot", "halt", "shutdown", "kexec", "suspend", "sleep"];

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    let systemd = ["/lib/systemd/systemd", "/usr/lib/systemd/systemd"].iter().any(|path| system.tree.exists(path));
    if !systemd {
        return Ok(Vec::new());
    }
    Ok(fault(&system.tree).into_iter().collect())
}

fn fault(tree: &Tree) -> Option<String> {
    if tree.has_name(OWN) {
        return of(tree, OWN);
    }
    match SHIPPED.iter().find(|path| tree.has_name(path)) {
        Some(path) => of(tree, path),
        None => Some("there is no default.target".into()),
    }
}

/// What is wrong with the link at `path`.
pub fn of(tree: &Tree, path: &str) -> Option<String> {
    let target = tree.link(path).map(|target| crate::tools::clean(&target));
    if !tree.exists(path) {
        return Some(format!("{path} leads to {}, which is not there", target.unwrap_or_default()));
    }
    let target = target?;
    let name = target.rsplit('/').next()?.strip_suffix(".target")?.to_owned();
    NO_LOGIN.contains(&name.as_str()).then(|| format!("{path} leads to {target}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn a_target_without_a_login_is_told() {
        let folder = Folder::new();
        assert!(probe(&folder.patient()).unwrap().is_empty(), "not a system with systemd");
        folder.put("lib/systemd/systemd", "");
        assert_eq!(probe(&folder.patient()).unwrap(), ["there is no default.target"]);
        folder
            .put("lib/systemd/system/graphical.target", "")
            .link("lib/systemd/system/default.target", "graphical.target");
        assert!(probe(&folder.patient()).unwrap().is_empty());
        folder
            .put("lib/systemd/system/rescue.target", "")
            .link(OWN.trim_start_matches('/'), "/lib/systemd/system/rescue.target");
        assert_eq!(probe(&folder.patient()).unwrap(), [format!("{OWN} leads to /lib/systemd/system/rescue.target")]);
        std::fs::remove_file(folder.path("lib/systemd/system/rescue.target")).unwrap();
        assert!(probe(&folder.patient()).unwrap()[0].ends_with("which is not there"));
    }
}
