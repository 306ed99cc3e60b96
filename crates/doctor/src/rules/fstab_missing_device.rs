//! Lines of /etc/fstab whose device does not exist, and that the boot insists on.

use crate::devices::Meaning;
use crate::fstab::Line;
use crate::patient::Patient;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    patient.system()?;
    Ok(lines(patient).iter().map(Line::shown).collect())
}

/// The root file system's line is left to the kernel's command line: the machine came as far as reading fstab without it.
pub fn lines(patient: &Patient) -> Vec<Line> {
    let missing = |line: &Line| patient.devices.meaning(&line.device) == Meaning::Missing;
    let mut lines = patient.fstab();
    lines.retain(|line| line.fault().is_none() && !line.is_optional() && !line.is_network() && missing(line));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn only_what_the_boot_insists_on_is_named() {
        let folder = Folder::new();
        folder.put(
            "etc/fstab",
            "LABEL=root / ext4 defaults 0 1\nLABEL=no-such /data ext4 defaults 0 2\nUUID=bb /a xfs nofail 0 0\n\
             UUID=cc none swap sw 0 0\n/dev/vdz1 /z ext4 noauto 0 0\nsrv:/x /n nfs defaults 0 0\ntmpfs /tmp tmpfs defaults 0 0\n",
        );
        let evidence = probe(&folder.patient()).unwrap();
        assert_eq!(evidence, ["/etc/fstab line 2: LABEL=no-such /data ext4 defaults 0 2"]);
    }

    #[test]
    fn without_a_system_nothing_can_be_told() {
        let mut patient = Folder::new().patient();
        patient.system = None;
        assert_eq!(probe(&patient), Err("no root file system was found".into()));
    }
}
