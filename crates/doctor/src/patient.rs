//! The machine that is looked at: its devices, its own system where one was found, and what else the rules ask for.

use std::collections::BTreeSet;
use std::path::Path;
#[cfg(test)]
use std::path::PathBuf;
use std::time::Duration;

use types::diagnosis::{Firmware, SystemSeen};

use crate::devices::{Device, Devices, Meaning};
use crate::mounts::{Access, Mounts, is_known};
use crate::tools::Deadline;
use crate::tree::Tree;
use crate::{bootloader, fstab, tools};

/// Where the machine's file systems are mounted meanwhile.
pub const BASE: &str = "/run/lifeboat/patient";
const ASSEMBLE_LIMIT: Duration = Duration::from_secs(20);
/// File systems that belong to the system, beside its root, in the order in which they are mounted.
const PARTS: [&str; 6] = ["/usr", "/var", "/var/log", "/boot", "/boot/efi", "/efi"];

/// The machine's own system.
#[derive(Debug)]
pub struct System {
    pub tree: Tree,
    /// What holds its root.
    pub device: Device,
    /// Where other file systems of it are mounted, or should be: `/boot`.
    pub mount_points: Vec<String>,
}

impl System {
    #[must_use]
    pub fn is_mount_point(&self, path: &str) -> bool {
        self.mount_points.iter().any(|point| point == path)
    }

    /// `KEY=value` of a file in the manner of os-release(5).
    #[must_use]
    pub fn value(&self, file: &str, key: &str) -> String {
        let text = self.tree.text(file).unwrap_or_default();
        let value = text.lines().find_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('='));
        tools::clean(value.unwrap_or_default().trim().trim_matches(['"', '\'']))
    }
}

/// A file system that could not be looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub device: Device,
    pub why: String,
}

#[derive(Debug)]
pub struct Patient {
    pub devices: Devices,
    pub system: Option<System>,
    /// The EFI system partition's files, where there is one.
    pub esp: Option<Tree>,
    pub troubles: Vec<Trouble>,
    /// Hardware addresses of its network devices, lower case.
    pub nics: BTreeSet<String>,
    /// Whether this very machine is started by UEFI.
    pub uefi: bool,
    /// What its own system last printed on the serial console.
    pub serial_log: String,
    pub mounts: Mounts,
    /// Until when it may be looked at.
    pub deadline: Deadline,
}

impl Patient {
    /// Puts volumes together, finds the root file system among all that can be mounted, and mounts what belongs to it.
    #[must_use]
    pub fn examine(access: Access, serial_log: String, deadline: Deadline) -> Self {
        let sys = Path::new("/sys");
        let mut devices = Devices::seen(sys, deadline);
        if assemble(&devices, deadline) {
            devices = Devices::seen(sys, deadline);
        }
        let mut patient = Self {
            devices,
            system: None,
            esp: None,
            troubles: Vec::new(),
            nics: nics(sys),
            uefi: sys.join("firmware/efi").exists(),
            serial_log,
            mounts: Mounts::below(Path::new(BASE)),
            deadline,
        };
        patient.find_root(access);
        patient.mount_parts(access);
        patient.find_esp(access);
        patient
    }

    fn find_root(&mut self, access: Access) {
        let candidates: Vec<Device> = self
            .devices
            .leaves()
            .filter(|device| is_known(&device.filesystem) && device.filesystem != "vfat")
            .cloned()
            .collect();
        let mut found: Vec<(Device, &'static str)> = Vec::new();
        for device in candidates {
            match self.holds_root(&device) {
                Ok(Some(volume)) => found.push((device, volume)),
                Ok(None) => {}
                Err(why) => self.troubles.push(Trouble { device, why }),
            }
        }
        // Several: a copy, or an older system. The one that says itself that it is the root goes first.
        let chosen = found.iter().position(|(device, volume)| self.says_it_is_root(device, volume)).unwrap_or(0);
        let Some((device, volume)) = found.get(chosen).cloned() else { return };
        match self.open(&device, volume, access) {
            Ok(tree) => self.system = Some(System { tree, device, mount_points: Vec::new() }),
            Err(why) => self.troubles.push(Trouble { device, why }),
        }
    }

    fn open(&mut self, device: &Device, volume: &str, access: Access) -> Result<Tree, String> {
        let path = self
            .mounts
            .device(&device.path(), &device.filesystem, access, volume)
            .map_err(|error| format!("it can't be mounted: {error}"))?;
        Tree::open(&path).map_err(|error| error.to_string())
    }

    /// Whether a root is on it, and in which subvolume (as a mount option).
    fn holds_root(&mut self, device: &Device) -> Result<Option<&'static str>, String> {
        let volumes: &[&str] =
            if device.filesystem == "btrfs" { &["", "subvol=@", "subvol=root", "subvol=@rootfs"] } else { &[""] };
        let mut outcome = Ok(None);
        for volume in volumes {
            let depth = self.mounts.depth();
            match self.open(device, volume, Access::Read) {
                Ok(tree) if looks_like_root(&tree) => outcome = Ok(Some(*volume)),
                Ok(_) => {}
                // Of a subvolume: there is none of that name.
                Err(why) if volume.is_empty() => outcome = Err(why),
                Err(_) => {}
            }
            self.mounts.back_to(depth);
            if !matches!(outcome, Ok(None)) {
                break;
            }
        }
        outcome
    }

    fn says_it_is_root(&mut self, device: &Device, volume: &str) -> bool {
        let depth = self.mounts.depth();
        let tree = self.open(device, volume, Access::Read);
        let lines =
            tree.ok().and_then(|tree| tree.text("/etc/fstab")).map(|text| fstab::parse(&text)).unwrap_or_default();
        self.mounts.back_to(depth);
        let root = lines.iter().find(|line| line.point == "/");
        root.is_some_and(|line| self.devices.meaning(&line.device) == Meaning::Device(device))
    }

    fn mount_parts(&mut self, access: Access) {
        let Some(system) = self.system.as_mut() else { return };
        let lines = fstab::parse(&system.tree.text("/etc/fstab").unwrap_or_default());
        for point in PARTS {
            let Some(line) = lines.iter().find(|line| line.point == point) else { continue };
            system.mount_points.push(point.to_owned());
            let Meaning::Device(device) = self.devices.meaning(&line.device) else { continue };
            if !is_known(&device.filesystem) {
                continue;
            }
            let name = system.tree.path().join(point.trim_start_matches('/'));
            let mounted = system
                .tree
                .folder(point)
                .and_then(|folder| self.mounts.onto(&device.path(), &device.filesystem, access, &folder, &name));
            if let Err(error) = mounted {
                self.troubles
                    .push(Trouble { device: device.clone(), why: format!("it can't be mounted at {point}: {error}") });
            }
        }
    }

    /// The one with a folder EFI; else an empty one that fstab mounts where such a partition belongs, or whose type says so.
    fn find_esp(&mut self, access: Access) {
        let fat: Vec<Device> = self.devices.leaves().filter(|device| device.filesystem == "vfat").cloned().collect();
        let mut empty = Vec::new();
        for device in fat {
            let depth = self.mounts.depth();
            match self.open(&device, "", access) {
                Ok(tree) if tree.is_folder("/EFI") => {
                    self.esp = Some(tree);
                    return;
                }
                Ok(_) if self.is_esp(&device) => empty.push(device),
                _ => {}
            }
            self.mounts.back_to(depth);
        }
        if let Some(device) = empty.first() {
            self.esp = self.open(device, "", access).ok();
        }
    }

    /// Whether the machine itself takes the partition for the one that its firmware reads.
    #[must_use]
    pub fn is_esp(&self, device: &Device) -> bool {
        let lines = self.fstab();
        let mounted = lines.iter().any(|line| {
            matches!(line.point.as_str(), "/boot/efi" | "/efi")
                && self.devices.meaning(&line.device) == Meaning::Device(device)
        });
        mounted || self.devices.esp_typed.contains(&device.name)
    }

    /// The system, or why a rule that needs one can't be asked.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn system(&self) -> Result<&System, String> {
        self.system.as_ref().ok_or_else(|| match self.troubles.first() {
            Some(trouble) => format!("no root file system could be read; {}: {}", trouble.device.path(), trouble.why),
            None => "no root file system was found".into(),
        })
    }

    /// Lines of its fstab; empty where there is no system.
    #[must_use]
    pub fn fstab(&self) -> Vec<fstab::Line> {
        let text = self.system.as_ref().and_then(|system| system.tree.text("/etc/fstab"));
        fstab::parse(&text.unwrap_or_default())
    }

    #[must_use]
    pub fn seen(&self) -> SystemSeen {
        let firmware = if self.uefi {
            Firmware::Uefi
        } else if self.devices.all.is_empty() {
            Firmware::Unknown
        } else {
            Firmware::Bios
        };
        let Some(system) = &self.system else { return SystemSeen { firmware, ..SystemSeen::default() } };
        let release = ["/etc/os-release", "/usr/lib/os-release"]
            .into_iter()
            .find(|path| system.tree.exists(path))
            .unwrap_or_default();
        let hostname = system.tree.text("/etc/hostname").unwrap_or_default();
        SystemSeen {
            os: system.value(release, "ID"),
            version: system.value(release, "PRETTY_NAME"),
            hostname: tools::clean(hostname.lines().next().unwrap_or_default().trim()),
            root: system.device.path(),
            root_filesystem: system.device.filesystem.clone(),
            root_uuid: system.device.uuid.clone(),
            kernels: bootloader::kernels(system)
                .iter()
                .map(|path| bootloader::version_of(path))
                .filter(|v| !v.is_empty())
                .collect(),
            firmware,
            bootloader: bootloader::configurations(system).0,
        }
    }
}

/// Folders that every system has, and data disks have not.
fn looks_like_root(tree: &Tree) -> bool {
    let known = ["/etc/fstab", "/etc/passwd", "/etc/os-release", "/usr/lib/os-release", "/etc/hostname"];
    tree.is_folder("/etc")
        && (tree.has_name("/bin") || tree.has_name("/usr"))
        && known.iter().filter(|path| tree.has_name(path)).count() >= 2
}

/// Activates volume groups and arrays, where the image has the tools. True if there may be new devices.
///
/// Arrays are started read-only. `vgchange --activate` writes no metadata (LVM 2.03, tools/vgchange.c,
/// vgchange_activate), but it goes on with what was interrupted, as `pvmove`, and lets dmeventd extend and repair
/// volumes: not with `--poll n --ignoremonitoring`. `--readonly` would not activate at all (vgchange(8)). What the
/// kernel itself notes down in volumes of RAID, cache or thin kind is kept from the disks by the disk modes ro and
/// overlay only.
fn assemble(devices: &Devices, deadline: Deadline) -> bool {
    let has = |kind: &str| devices.all.iter().any(|device| device.filesystem == kind);
    let run = |name: &str, args: &[&str]| tools::run(name, args, deadline.within(ASSEMBLE_LIMIT)).is_ok();
    let mut done = false;
    if has("linux_raid_member") && tools::find("mdadm").is_some() {
        run("modprobe", &["-a", "md_mod", "raid0", "raid1", "raid10", "raid456"]);
        done |= run("mdadm", &["--assemble", "--scan", "--run", "--readonly"]);
    }
    if has("LVM2_member") && tools::find("lvm").is_some() {
        run("modprobe", &["-a", "dm_mod"]);
        done |= run("lvm", &["vgchange", "--activate", "y", "--poll", "n", "--ignoremonitoring"]);
    }
    done
}

fn nics(sys: &Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(sys.join("class/net")) else { return BTreeSet::new() };
    entries
        .flatten()
        .filter(|entry| entry.path().join("device").exists())
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("address")).ok())
        .map(|address| address.trim().to_ascii_lowercase())
        .collect()
}

/// A system in a folder, for tests of rules and fixes.
#[cfg(test)]
pub struct Folder(tempfile::TempDir);

#[cfg(test)]
#[allow(clippy::new_without_default, reason = "a folder on disk is nothing to come by unasked")]
impl Folder {
    pub fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.put("etc/hostname", "guest\n");
        folder
    }
    pub fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }
    pub fn put(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }
    pub fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }
    pub fn mode(&self, path: &str, mode: u32) -> &Self {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(self.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
        self
    }
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }
    /// On /dev/vda1, ext4, UUID `aaaa`, label `root`.
    pub fn system(&self) -> System {
        let device = Device {
            name: "vda1".into(),
            parent: Some("vda".into()),
            filesystem: "ext4".into(),
            uuid: "aaaa".into(),
            label: "root".into(),
            ..Device::default()
        };
        System { tree: Tree::open(self.0.path()).unwrap(), device, mount_points: Vec::new() }
    }
    pub fn patient(&self) -> Patient {
        let system = self.system();
        let disk = Device { name: "vda".into(), ..Device::default() };
        let drivers = [("vda".to_owned(), ["virtio_blk".to_owned(), "virtio_pci".to_owned()].into())].into();
        Patient {
            devices: Devices { all: vec![disk, system.device.clone()], drivers, ..Devices::default() },
            system: Some(system),
            esp: None,
            troubles: Vec::new(),
            nics: BTreeSet::new(),
            uefi: false,
            serial_log: String::new(),
            mounts: Mounts::below(&self.path("mounts")),
            deadline: Deadline::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_told_from_data() {
        let folder = Folder::new();
        assert!(!looks_like_root(&folder.system().tree));
        folder.put("etc/fstab", "").put("bin/sh", "");
        assert!(looks_like_root(&folder.system().tree));
    }

    #[test]
    fn the_system_says_what_it_is() {
        let folder = Folder::new();
        folder.put("etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian \x1b[2J12\"\n").put("boot/vmlinuz-6.1.0-1", "x");
        let seen = folder.patient().seen();
        assert_eq!(
            (seen.os.as_str(), seen.version.as_str(), seen.hostname.as_str()),
            ("debian", "Debian  [2J12", "guest")
        );
        assert_eq!((seen.root.as_str(), seen.kernels), ("/dev/vda1", vec!["6.1.0-1".to_owned()]));
    }
}
