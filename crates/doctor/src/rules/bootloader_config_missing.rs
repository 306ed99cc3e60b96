//! A boot loader that is installed, but has nothing to go by.

use crate::bootloader;
use crate::patient::Patient;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    let (loader, files) = bootloader::configurations(system);
    let empty: Vec<String> = files.iter().filter(|file| system.tree.size(file) == Some(0)).cloned().collect();
    if loader != "grub" {
        return Ok(empty.into_iter().map(|file| format!("{file} is empty")).collect());
    }
    let folder = if system.tree.is_folder("/boot/grub") { "/boot/grub" } else { "/boot/grub2" };
    // Of Fedora's and its relatives' two folders, one has only GRUB's environment.
    let others = files.iter().any(|file| system.tree.size(file).is_some_and(|size| size > 0));
    let mut evidence: Vec<String> = Vec::new();
    if !others {
        let state = if empty.is_empty() { "is not there" } else { "is empty" };
        evidence.push(format!("{folder}/grub.cfg {state}"));
    } else if bootloader::entries(system).is_empty() && !starts_something(patient) {
        evidence.push(format!("{folder}/grub.cfg names no kernel"));
    }
    Ok(evidence)
}

/// Other ways to begin: what is read from elsewhere.
fn starts_something(patient: &Patient) -> bool {
    let Some(system) = &patient.system else { return true };
    ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"]
        .iter()
        .filter_map(|file| system.tree.text(file))
        .any(|text| ["blscfg", "configfile", "chainloader", "linux", "uki"].iter().any(|word| text.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn a_configuration_has_to_be_there_and_to_start_something() {
        let folder = Folder::new();
        assert!(probe(&folder.patient()).unwrap().is_empty(), "no boot loader at all is another matter");
        folder.put("boot/grub/grubenv", "");
        assert_eq!(probe(&folder.patient()).unwrap(), ["/boot/grub/grub.cfg is not there"]);
        folder.put("boot/grub/grub.cfg", "");
        assert_eq!(probe(&folder.patient()).unwrap(), ["/boot/grub/grub.cfg is empty"]);
        folder.put("boot/grub/grub.cfg", "set timeout=0\n");
        assert_eq!(probe(&folder.patient()).unwrap(), ["/boot/grub/grub.cfg names no kernel"]);
        folder.put("boot/grub/grub.cfg", "linux /boot/vmlinuz root=LABEL=root\n");
        assert!(probe(&folder.patient()).unwrap().is_empty());
    }
}
