//! GRUB on the EFI system partition: a short configuration beside each loader looks for the file system that holds GRUB's own folder,
//! and goes on there.

use crate::devices::{Device, Meaning};
use crate::patient::Patient;

/// A line of such a configuration that looks for a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// On the EFI system partition: `/EFI/debian/grub.cfg`.
    pub file: String,
    pub line: usize,
    /// As fstab would name it: `UUID=...`, `LABEL=...`.
    pub name: String,
    /// What GRUB puts the device's name into: `root`, `dev`.
    pub variable: String,
}

/// All of them, in the order of the folders.
#[must_use]
pub fn searches(patient: &Patient) -> Vec<Search> {
    let Some(esp) = &patient.esp else { return Vec::new() };
    let mut found = Vec::new();
    for folder in esp.names("/EFI") {
        let file = format!("/EFI/{folder}/grub.cfg");
        let text = esp.text(&file).unwrap_or_default();
        // A whole configuration may look for other systems' file systems in its entries.
        if !text.contains("configfile") || text.contains("menuentry") {
            continue;
        }
        found.extend(text.lines().enumerate().filter_map(|(index, line)| {
            let (name, variable) = searched(line)?;
            Some(Search { file: file.clone(), line: index + 1, name, variable })
        }));
    }
    found
}

/// The name and the variable of `search.fs_uuid UUID root HINT...`, `search.fs_label`, and
/// `search [--no-floppy] --fs-uuid|--label|-u|-l --set=root NAME` (GRUB manual, `search`).
fn searched(line: &str) -> Option<(String, String)> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next()?;
    let rest: Vec<&str> = words.collect();
    let (key, value, variable) = match first {
        "search.fs_uuid" => ("UUID", *rest.first()?, *rest.get(1)?),
        "search.fs_label" => ("LABEL", *rest.first()?, *rest.get(1)?),
        "search" => {
            let has = |names: [&str; 3]| rest.iter().any(|word| names.contains(word));
            let key = if has(["--fs-uuid", "-u", "--fs_uuid"]) {
                "UUID"
            } else if has(["--label", "-l", "--fs-label"]) {
                "LABEL"
            } else {
                return None;
            };
            let (name, before) = rest.split_last()?;
            let set = before.iter().position(|word| word.starts_with("--set"))?;
            let variable = match before[set].strip_prefix("--set=") {
                Some(variable) => variable,
                None => before.get(set + 1).filter(|word| !word.starts_with('-')).copied().unwrap_or("root"),
            };
            (key, *name, variable)
        }
        _ => return None,
    };
    let value = value.trim_matches(['"', '\'']);
    let plain = !value.is_empty() && !value.starts_with('-') && !value.contains('$');
    plain.then(|| (format!("{key}={value}"), variable.to_owned()))
}

/// Those that find nothing, on a machine that starts by UEFI; empty where any of them finds something, as others may be left from systems
/// that are gone.
#[must_use]
pub fn lost(patient: &Patient) -> Vec<Search> {
    if !patient.uefi {
        return Vec::new();
    }
    let all = searches(patient);
    let lost: Vec<Search> =
        all.iter().filter(|search| patient.devices.meaning(&search.name) == Meaning::Missing).cloned().collect();
    if lost.len() == all.len() { lost } else { Vec::new() }
}

/// The device that holds GRUB's folder, and the folder's path on it: `/grub` where /boot is a file system of its own. None where that is not
/// known: on btrfs, GRUB counts from the top, above the subvolume that is the root here.
#[must_use]
pub fn home(patient: &Patient) -> Option<(&Device, String)> {
    let (device, folder) = home_of(patient)?;
    (device.filesystem != "btrfs").then_some((device, folder))
}

fn home_of(patient: &Patient) -> Option<(&Device, String)> {
    let system = patient.system.as_ref()?;
    let folder = ["/boot/grub", "/boot/grub2"].into_iter().find(|folder| system.tree.is_folder(folder))?;
    let lines = patient.fstab();
    match lines.iter().find(|line| line.point == "/boot") {
        None => Some((&system.device, folder.to_owned())),
        Some(line) => match patient.devices.meaning(&line.device) {
            Meaning::Device(device) => Some((device, folder.trim_start_matches("/boot").to_owned())),
            _ => None,
        },
    }
}

/// The configuration that leads to GRUB's folder, as grub-install writes it.
#[must_use]
pub fn stub(device: &Device, folder: &str) -> Option<String> {
    (!device.uuid.is_empty()).then(|| {
        format!("search.fs_uuid {} root\nset prefix=($root)'{folder}'\nconfigfile $prefix/grub.cfg\n", device.uuid)
    })
}

/// The folder on the EFI system partition where a GRUB was built to look for its configuration: `/EFI/debian`.
#[must_use]
pub fn built_for(loader: &[u8]) -> Option<String> {
    const START: &[u8] = b"/EFI/";
    let starts = loader.windows(START.len()).enumerate().filter(|(_, bytes)| *bytes == START).map(|(at, _)| at);
    let names = starts.filter_map(|at| {
        let rest = &loader[at + START.len()..];
        let end = rest.iter().position(|b| *b == 0)?;
        let name = std::str::from_utf8(&rest[..end]).ok()?;
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        (plain && name != "boot").then(|| format!("/EFI/{name}"))
    });
    let all: std::collections::BTreeSet<String> = names.collect();
    (all.len() == 1).then(|| all.into_iter().next()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn what_is_looked_for_is_read() {
        for (line, name) in [
            ("search.fs_uuid aa-11 root hd0,gpt2", Some(("UUID=aa-11", "root"))),
            ("search --no-floppy --fs-uuid --set=root aa-11", Some(("UUID=aa-11", "root"))),
            ("search --no-floppy --root-dev-only --fs-uuid --set=dev aa-11", Some(("UUID=aa-11", "dev"))),
            ("search --label --set=root guestboot", Some(("LABEL=guestboot", "root"))),
            ("search --fs-uuid --set root aa-11", Some(("UUID=aa-11", "root"))),
            ("search --fs-uuid --set -- aa-11", Some(("UUID=aa-11", "root"))),
            ("search --fs-uuid aa-11", None),
            ("search --fs-uuid --set=root", None),
            ("search --file --set=root /x", None),
            ("search --fs-uuid --set=root $where", None),
            ("set prefix=($root)'/grub'", None),
        ] {
            let found = searched(line);
            assert_eq!(found.as_ref().map(|(name, variable)| (name.as_str(), variable.as_str())), name, "{line}");
        }
    }

    #[test]
    fn only_where_all_lead_nowhere_is_one_lost() {
        let (folder, esp) = (Folder::new(), Folder::new());
        esp.put("EFI/debian/grub.cfg", "search.fs_uuid gone root\nconfigfile $prefix/grub.cfg\n");
        let mut patient = folder.patient();
        patient.esp = Some(esp.system().tree);
        assert!(lost(&patient).is_empty(), "what a BIOS does not read is no fault");
        patient.uefi = true;
        let lost_now: Vec<_> = lost(&patient).into_iter().map(|search| search.name).collect();
        assert_eq!(lost_now, ["UUID=gone"]);
        esp.put("EFI/mint/grub.cfg", "search.fs_uuid AAAA root\nconfigfile $prefix/grub.cfg\n");
        assert!(lost(&patient).is_empty());
    }

    #[test]
    fn the_way_to_grubs_folder_is_written_as_grub_install_does() {
        let folder = Folder::new();
        folder.put("boot/grub/grub.cfg", "x");
        let mut patient = folder.patient();
        let (device, path) = home(&patient).unwrap();
        assert_eq!(
            stub(device, &path).unwrap(),
            "search.fs_uuid aaaa root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"
        );
        patient.system.as_mut().unwrap().device.filesystem = "btrfs".into();
        assert_eq!(home(&patient), None);
    }

    #[test]
    fn a_loader_says_where_it_looks() {
        assert_eq!(built_for(b"MZ..\0/EFI/debian\0../EFI/BOOT\0/EFI/boot\0").as_deref(), Some("/EFI/debian"));
        assert_eq!(built_for(b"MZ/EFI/debian\0/EFI/ubuntu\0"), None);
        assert_eq!(built_for(b"MZ"), None);
    }
}
