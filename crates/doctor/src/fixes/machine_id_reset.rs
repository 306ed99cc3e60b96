//! Empties /etc/machine-id, so that systemd makes a new one.

use crate::rules::machine_id;
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Empty /etc/machine-id, so that the next boot makes a new id";

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    if machine_id::probe(surgery.patient).map_err(Stop::Refused)?.is_empty() {
        return Err(Stop::Nothing("/etc/machine-id is valid".into()));
    }
    surgery.write("/etc/machine-id", "", 0o444)?;
    Ok("/etc/machine-id is empty; the machine gets a new id at its next boot".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn an_invalid_one_is_emptied_and_a_valid_one_stays() {
        let folder = Folder::new();
        folder.put("lib/systemd/systemd", "").put("etc/machine-id", "broken\n");
        let mut patient = folder.patient();
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert_eq!(folder.read("etc/machine-id"), "");
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
    }
}
