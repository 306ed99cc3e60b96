//! Makes the boot loader's configuration again: with the system's own tool, or, where it has none, a plain one for what is installed.

use std::time::Duration;

use crate::bootloader::{self, initramfs_names, version_of};
use crate::patient::System;
use crate::rules::{bootloader_config_missing, kernel_missing};
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Make GRUB's configuration again from the kernels that are installed";
const LIMIT: Duration = Duration::from_secs(300);

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    let broken = |surgery: &Surgery<'_>| {
        let rules = [bootloader_config_missing::probe, kernel_missing::probe];
        rules.iter().any(|probe| probe(surgery.patient).is_ok_and(|found| !found.is_empty()))
    };
    if !broken(surgery) {
        return Err(Stop::Nothing("the boot loader's configuration starts a kernel that is there".into()));
    }
    let system = surgery.system()?;
    if bootloader::kernels(system).is_empty() {
        return Err(Stop::Refused("no kernel is installed that it could start".into()));
    }
    let tree = &system.tree;
    let folder =
        if tree.is_folder("/boot/grub2") && !tree.is_folder("/boot/grub") { "/boot/grub2" } else { "/boot/grub" };
    if !tree.is_folder(folder) {
        return Err(Stop::Refused("the system has no GRUB; its boot loader's configuration is not known here".into()));
    }
    let file = format!("{folder}/grub.cfg");
    let tool = ["grub-mkconfig", "grub2-mkconfig"]
        .into_iter()
        .find(|name| ["/usr/sbin", "/sbin", "/usr/bin"].iter().any(|place| tree.exists(&format!("{place}/{name}"))));
    if let Some(tool) = tool {
        surgery.chroot(&[tool, "-o", &file], LIMIT)?;
        if surgery.dry_run || !broken(surgery) {
            return Ok(format!("{file} was made by {tool}"));
        }
        return Err(Stop::Failed(format!("{tool} ended well, but {file} still starts nothing that is there")));
    }
    let text = plain(system)?;
    surgery.write(&file, &text, 0o600)?;
    Ok(format!(
        "{file} was written for the kernels that are there; the system has no grub-mkconfig, so options of before are not in it"
    ))
}

/// An entry for each kernel, the newest first. The console is on both screen and serial line, as it is not known which was used.
fn plain(system: &System) -> Result<String, Stop> {
    let device = &system.device;
    let root = match (&device.mapper, &device.uuid) {
        (mapper, _) if !mapper.is_empty() => format!("/dev/mapper/{mapper}"),
        (_, uuid) if !uuid.is_empty() => format!("UUID={uuid}"),
        (_, _) if !device.label.is_empty() => format!("LABEL={}", device.label),
        _ => {
            return Err(Stop::Refused(format!(
                "{} has neither UUID nor label that it could be named by",
                device.path()
            )));
        }
    };
    let own = ["GRUB_CMDLINE_LINUX_DEFAULT", "GRUB_CMDLINE_LINUX"]
        .map(|key| system.value("/etc/default/grub", key))
        .join(" ");
    let options = if own.trim().is_empty() { "console=tty0 console=ttyS0".to_owned() } else { own.trim().to_owned() };
    // Without UUIDs on the kernel's command line no small initramfs finds its root by one: the label is as good, where there is one.
    let root =
        if device.label.is_empty() || !device.mapper.is_empty() { root } else { format!("LABEL={}", device.label) };
    let mut kernels: Vec<String> = bootloader::kernels(system).into_iter().collect();
    kernels.sort_by_key(|path| {
        std::cmp::Reverse(
            version_of(path)
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|n| n.parse::<u64>().ok())
                .collect::<Vec<_>>(),
        )
    });
    let of_loader = |path: &str| {
        if system.is_mount_point("/boot") { path.trim_start_matches("/boot").to_owned() } else { path.to_owned() }
    };
    let mut text = String::from(
        "# Written by a rescue, as this system has no grub-mkconfig.\nset default=0\nset timeout=2\nserial --unit=0 --speed=115200\nterminal_output serial console\n",
    );
    for kernel in kernels {
        let version = version_of(&kernel);
        let mut names = if version.is_empty() {
            vec!["/boot/initrd.img".to_owned(), "/initrd.img".into(), "/boot/initramfs.img".into()]
        } else {
            initramfs_names(&version)
        };
        names.retain(|path| system.tree.size(path).is_some());
        let title = if version.is_empty() { kernel.clone() } else { version };
        text += &format!("menuentry '{title}' {{\n  linux {} root={root} ro {options}\n", of_loader(&kernel));
        if let Some(initramfs) = names.first() {
            text += &format!("  initrd {}\n", of_loader(initramfs));
        }
        text += "}\n";
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn the_systems_own_tool_is_used_where_there_is_one() {
        let folder = Folder::new();
        folder.put("boot/grub/grubenv", "").put("boot/vmlinuz-6.1", "k").put("usr/sbin/grub-mkconfig", "");
        let mut patient = folder.patient();
        let mut surgery = Surgery::new(&mut patient, true);
        run(&mut surgery).unwrap();
        assert_eq!(surgery.log, ["would run in the machine's own system: grub-mkconfig -o /boot/grub/grub.cfg"]);
    }

    #[test]
    fn else_a_plain_one_starts_the_newest_kernel_and_says_so() {
        let folder = Folder::new();
        folder
            .put("boot/grub/grubenv", "")
            .put("boot/vmlinuz-6.1.0-9", "k")
            .put("boot/vmlinuz-6.1.0-28", "k")
            .put("boot/initrd.img-6.1.0-28", "i");
        let mut patient = folder.patient();
        assert!(run(&mut Surgery::new(&mut patient, false)).unwrap().contains("no grub-mkconfig"));
        let entries = bootloader::entries(patient.system.as_ref().unwrap());
        assert_eq!(
            (entries[0].kernel.as_str(), entries[0].option("root")),
            ("/boot/vmlinuz-6.1.0-28", Some("LABEL=root"))
        );
        assert_eq!(entries[0].initramfs, ["/boot/initrd.img-6.1.0-28"]);
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
    }

    #[test]
    fn without_a_kernel_there_is_nothing_to_write() {
        let folder = Folder::new();
        folder.put("boot/grub/grubenv", "");
        assert!(matches!(run(&mut Surgery::new(&mut folder.patient(), false)), Err(Stop::Refused(_))));
    }
}
