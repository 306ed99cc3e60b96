//! Lines of /etc/fstab whose third field is not what is on the device.

use crate::devices::Meaning;
use crate::fstab::Line;
use crate::mounts::is_known;
use crate::patient::Patient;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    patient.system()?;
    Ok(lines(patient).into_iter().map(|(line, real)| format!("{}: on the device is {real}", line.shown())).collect())
}

/// Lines, and what is really there.
pub fn lines(patient: &Patient) -> Vec<(Line, String)> {
    let mut found = Vec::new();
    for line in patient.fstab().into_iter().filter(|line| line.fault().is_none() && !line.is_optional()) {
        if let Meaning::Device(device) = patient.devices.meaning(&line.device)
            && (is_known(&device.filesystem) || device.filesystem == "swap")
            && !line.kind.split(',').any(|kind| kind == "auto" || same(kind, &device.filesystem))
        {
            let real = device.filesystem.clone();
            found.push((line, real));
        }
    }
    found
}

/// One driver serves ext2 to ext4, and names of FAT are several.
fn same(written: &str, real: &str) -> bool {
    written == real
        || (written.starts_with("ext") && real.starts_with("ext"))
        || (real == "vfat" && written == "msdos")
        || written == "none"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn another_type_is_named() {
        let folder = Folder::new();
        folder.put("etc/fstab", "LABEL=root / xfs defaults 0 1\n");
        assert_eq!(
            probe(&folder.patient()).unwrap(),
            ["/etc/fstab line 1: LABEL=root / xfs defaults 0 1: on the device is ext4"]
        );
        for good in ["ext4", "ext3", "auto"] {
            folder.put("etc/fstab", format!("LABEL=root / {good} defaults 0 1\n"));
            assert!(probe(&folder.patient()).unwrap().is_empty(), "{good}");
        }
    }
}
