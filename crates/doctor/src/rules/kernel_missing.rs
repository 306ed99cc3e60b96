//! No kernel at all, or not the one that the boot loader starts.

use std::collections::BTreeSet;

use crate::bootloader;
use crate::patient::Patient;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    let kernels = bootloader::kernels(system);
    let entries = bootloader::entries(system);
    let missing: BTreeSet<(String, String)> = entries
        .iter()
        .filter(|entry| system.tree.size(&entry.kernel).is_none())
        .map(|entry| (entry.kernel.clone(), entry.place()))
        .collect();
    // Some entries of a menu may be stale; the first one is what starts by default.
    let first_is_missing = entries.first().is_some_and(|entry| system.tree.size(&entry.kernel).is_none());
    let mut evidence: Vec<String> = Vec::new();
    if first_is_missing || (kernels.is_empty() && !missing.is_empty()) {
        evidence.extend(
            missing.into_iter().take(4).map(|(kernel, place)| format!("{kernel}, named in {place}, is not there")),
        );
    }
    if kernels.is_empty() && entries.is_empty() && has_boot(patient) {
        evidence.push("/boot holds no kernel".into());
    }
    if !evidence.is_empty() && !kernels.is_empty() {
        evidence.push(format!("installed are {}", kernels.into_iter().collect::<Vec<_>>().join(", ")));
    }
    Ok(evidence)
}

/// Containers, and machines that are started with a kernel from outside, have no modules either.
fn has_boot(patient: &Patient) -> bool {
    patient.system.as_ref().is_some_and(|system| {
        ["/lib/modules", "/usr/lib/modules"].iter().any(|folder| !system.tree.names(folder).is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn the_kernel_that_is_started_has_to_be_there() {
        let folder = Folder::new();
        folder.put("boot/grub/grub.cfg", "linux /boot/vmlinuz-6.1 root=LABEL=root\n").put("boot/vmlinuz-6.1", "x");
        assert!(probe(&folder.patient()).unwrap().is_empty());
        std::fs::remove_file(folder.path("boot/vmlinuz-6.1")).unwrap();
        assert_eq!(
            probe(&folder.patient()).unwrap(),
            ["/boot/vmlinuz-6.1, named in /boot/grub/grub.cfg line 1, is not there"]
        );
        folder.put("boot/vmlinuz-5.10", "x");
        assert_eq!(probe(&folder.patient()).unwrap()[1], "installed are /boot/vmlinuz-5.10");
    }

    #[test]
    fn a_stale_entry_further_down_is_no_matter() {
        let folder = Folder::new();
        folder
            .put("boot/vmlinuz-6.1", "x")
            .put("boot/grub/grub.cfg", "linux /boot/vmlinuz-6.1\nlinux /boot/vmlinuz-5\n");
        assert!(probe(&folder.patient()).unwrap().is_empty());
    }

    #[test]
    fn a_system_that_never_had_one_is_content() {
        assert!(probe(&Folder::new().patient()).unwrap().is_empty());
    }
}
