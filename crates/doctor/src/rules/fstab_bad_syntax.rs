//! Lines of /etc/fstab that are not in the form of fstab(5).

use crate::fstab::Line;
use crate::patient::Patient;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    patient.system()?;
    Ok(lines(patient).into_iter().map(|(line, fault)| format!("{}: {fault}", line.shown())).collect())
}

pub fn lines(patient: &Patient) -> Vec<(Line, String)> {
    patient.fstab().into_iter().filter_map(|line| line.fault().map(|fault| (line, fault))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn a_line_with_too_few_fields_is_named() {
        let folder = Folder::new();
        folder.put("etc/fstab", "LABEL=root / ext4 defaults 0 1\n/dev/vdb1 /data\n");
        assert_eq!(
            probe(&folder.patient()).unwrap(),
            ["/etc/fstab line 2: /dev/vdb1 /data: it has 2 of at least 3 fields (device, mount point, type)"]
        );
        folder.put("etc/fstab", "# nothing\n");
        assert!(probe(&folder.patient()).unwrap().is_empty());
    }
}
