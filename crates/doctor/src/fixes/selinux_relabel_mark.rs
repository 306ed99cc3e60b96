//! Asks the next boot to label all files anew.

use crate::rules::selinux_relabel;
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Let the next boot label all files anew (/.autorelabel)";

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    if selinux_relabel::probe(surgery.patient).map_err(Stop::Refused)?.is_empty() {
        return Err(Stop::Nothing("labels are there, or SELinux is not enforcing, or it is asked for already".into()));
    }
    surgery.write("/.autorelabel", "", 0o644)?;
    Ok("/.autorelabel is there; the next boot takes longer and starts once more".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn it_is_not_asked_for_where_nothing_is_enforced() {
        let folder = Folder::new();
        let mut patient = folder.patient();
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
        assert!(!folder.path(".autorelabel").exists());
    }
}
