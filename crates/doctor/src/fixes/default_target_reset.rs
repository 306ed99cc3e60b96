//! Lets systemd start into the target that the distribution ships.

use crate::rules::default_target_broken::{self, OWN, SHIPPED, of};
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Remove a default.target that leads to no login";

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    if default_target_broken::probe(surgery.patient).map_err(Stop::Refused)?.is_empty() {
        return Err(Stop::Nothing("default.target leads to a login".into()));
    }
    let tree = &surgery.system()?.tree;
    let shipped = SHIPPED.iter().find(|path| tree.exists(path)).filter(|path| of(tree, path).is_none());
    if let Some(shipped) = shipped.filter(|_| tree.has_name(OWN)) {
        surgery.remove(OWN)?;
        return Ok(format!("{OWN} was removed; {shipped} applies"));
    }
    let multi = ["/lib/systemd/system/multi-user.target", "/usr/lib/systemd/system/multi-user.target"]
        .into_iter()
        .find(|path| tree.exists(path));
    let Some(multi) = multi else { return Err(Stop::Refused("the system has no multi-user.target".into())) };
    surgery.link(multi, OWN)?;
    Ok(format!("{OWN} is a link to {multi}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn the_shipped_one_applies_again_or_multi_user_does() {
        let folder = Folder::new();
        folder
            .put("lib/systemd/systemd", "")
            .put("lib/systemd/system/multi-user.target", "")
            .link(&OWN[1..], "/nowhere.target");
        let mut patient = folder.patient();
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert!(default_target_broken::probe(&patient).unwrap().is_empty());
        std::fs::remove_file(folder.path(&OWN[1..])).unwrap();
        folder.link(&OWN[1..], "/lib/systemd/system/emergency.target").put("lib/systemd/system/emergency.target", "");
        folder.link("lib/systemd/system/default.target", "multi-user.target");
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert!(!folder.system().tree.has_name(OWN));
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
    }
}
