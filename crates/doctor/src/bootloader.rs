//! What the machine's boot loader is told to start: GRUB's configuration, the boot loader specification's entries, extlinux.

use std::collections::BTreeSet;

use crate::patient::System;

/// A thing that can be started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The file that says so, in the machine's own tree.
    pub file: String,
    pub line: usize,
    /// Paths as the machine's own tree has them.
    pub kernel: String,
    pub initramfs: Vec<String>,
    /// The kernel's command line.
    pub options: Vec<String>,
}

impl Entry {
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    #[must_use]
    pub fn place(&self) -> String {
        format!("{} line {}", self.file, self.line)
    }
}

/// Where each boot loader keeps its configuration.
const GRUB: [&str; 4] =
    ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/boot/efi/EFI/debian/grub.cfg", "/boot/efi/EFI/fedora/grub.cfg"];
const EXTLINUX: [&str; 3] = ["/boot/extlinux/extlinux.conf", "/boot/syslinux/syslinux.cfg", "/boot/extlinux.conf"];
const ENTRIES: [&str; 3] = ["/boot/loader/entries", "/boot/efi/loader/entries", "/efi/loader/entries"];

/// The loader's name and its configuration files that are there.
#[must_use]
pub fn configurations(system: &System) -> (String, Vec<String>) {
    let there = |paths: &[&str]| -> Vec<String> {
        paths.iter().filter(|path| system.tree.size(path).is_some()).map(ToString::to_string).collect()
    };
    let (grub, extlinux) = (there(&GRUB[..2]), there(&EXTLINUX));
    let entries: Vec<String> = ENTRIES
        .iter()
        .flat_map(|folder| system.tree.names(folder).into_iter().map(move |name| format!("{folder}/{name}")))
        .filter(|path| path.ends_with(".conf"))
        .collect();
    let name = if !grub.is_empty() || system.tree.is_folder("/boot/grub") || system.tree.is_folder("/boot/grub2") {
        "grub"
    } else if !extlinux.is_empty() {
        "extlinux"
    } else if !entries.is_empty() {
        "systemd-boot"
    } else {
        ""
    };
    (name.to_owned(), [grub, extlinux, entries].concat())
}

/// Everything that can be started, in the order of the files.
#[must_use]
pub fn entries(system: &System) -> Vec<Entry> {
    let mut found = Vec::new();
    for file in configurations(system).1 {
        let text = system.tree.text(&file).unwrap_or_default();
        if file.ends_with("grub.cfg") {
            found.extend(grub(system, &file, &text));
        } else {
            found.extend(other(system, &file, &text));
        }
    }
    found
}

/// `linux PATH OPTIONS...` and `initrd PATH...`, also `linux16`, `linuxefi`. A path is one of the file system that GRUB calls root,
/// which is `/boot`'s own where that is one: then `/boot` goes before it.
fn grub(system: &System, file: &str, text: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("linux" | "linux16" | "linuxefi") => {
                let Some(kernel) = words.next().filter(|word| !word.contains('$')) else { continue };
                found.push(Entry {
                    file: file.into(),
                    line: index + 1,
                    kernel: in_tree(system, kernel),
                    options: words.map(unquote).collect(),
                    initramfs: Vec::new(),
                });
            }
            Some("initrd" | "initrd16" | "initrdefi") => {
                if let Some(entry) = found.last_mut() {
                    entry.initramfs.extend(words.filter(|word| !word.contains('$')).map(|word| in_tree(system, word)));
                }
            }
            _ => {}
        }
    }
    found
}

/// The boot loader specification and extlinux write `KEY VALUE`; an extlinux file holds several, each begun by `label`.
fn other(system: &System, file: &str, text: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let mut entry = Entry { file: file.into(), ..Entry::default() };
    for (index, line) in text.lines().enumerate() {
        let Some((key, value)) = line.trim().split_once(|c: char| c.is_ascii_whitespace()) else { continue };
        let value = value.trim();
        match key.to_ascii_lowercase().as_str() {
            "label" if !entry.kernel.is_empty() => {
                found.push(std::mem::replace(&mut entry, Entry { file: file.into(), ..Entry::default() }));
            }
            "linux" | "kernel" if !value.contains('$') => {
                entry.kernel = in_tree(system, value);
                entry.line = index + 1;
            }
            "initrd" => entry.initramfs.extend(
                value.split([',', ' ']).filter(|v| !v.is_empty() && !v.contains('$')).map(|v| in_tree(system, v)),
            ),
            "options" | "append" => {
                for word in value.split_ascii_whitespace() {
                    match word.strip_prefix("initrd=") {
                        Some(path) => entry.initramfs.push(in_tree(system, path)),
                        None => entry.options.push(unquote(word)),
                    }
                }
            }
            _ => {}
        }
    }
    if !entry.kernel.is_empty() {
        found.push(entry);
    }
    found
}

fn unquote(word: &str) -> String {
    word.trim_matches(['"', '\'']).to_owned()
}

/// A loader's path in the machine's tree: `(hd0,1)/x` and `$root` aside, and below /boot where that is a file system of its own.
fn in_tree(system: &System, path: &str) -> String {
    let path = unquote(path);
    let path = path.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(path.as_str(), |(_, rest)| rest);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/boot/{path}") };
    if system.is_mount_point("/boot") && !path.starts_with("/boot/") { format!("/boot{path}") } else { path }
}

/// Kernels that are installed, by their files' paths, sorted.
#[must_use]
pub fn kernels(system: &System) -> BTreeSet<String> {
    let is_kernel = |name: &String| {
        ["vmlinuz", "vmlinux", "kernel-", "Image", "bzImage"].iter().any(|start| name.starts_with(start))
    };
    let mut found: BTreeSet<String> = BTreeSet::new();
    for folder in ["/boot", "/boot/efi/EFI/Linux", "/efi/EFI/Linux"] {
        let names = system.tree.names(folder);
        let wanted =
            names.iter().filter(|name| is_kernel(name) || (folder.ends_with("/Linux") && name.ends_with(".efi")));
        found.extend(wanted.map(|name| format!("{folder}/{name}")).filter(|path| system.tree.size(path).is_some()));
    }
    // Entries of the specification may have a folder for each machine and version.
    found.extend(entries(system).into_iter().map(|entry| entry.kernel).filter(|path| system.tree.size(path).is_some()));
    found
}

/// `6.1.0-28-amd64` of `/boot/vmlinuz-6.1.0-28-amd64`; empty where the name says none.
#[must_use]
pub fn version_of(kernel: &str) -> String {
    let name = kernel.rsplit('/').next().unwrap_or_default();
    ["vmlinuz-", "vmlinux-", "kernel-", "Image-"]
        .iter()
        .find_map(|start| name.strip_prefix(start))
        .filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or_default()
        .to_owned()
}

/// Where distributions put the initramfs of a version, the likeliest first.
#[must_use]
pub fn initramfs_names(version: &str) -> Vec<String> {
    ["initrd.img-V", "initramfs-V.img", "initrd-V", "initramfs-V", "initrd-V.img"]
        .iter()
        .map(|name| format!("/boot/{}", name.replace('V', version)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn grub_says_what_it_starts() {
        let folder = Folder::new();
        folder.put(
            "boot/grub/grub.cfg",
            "menuentry 'x' {\n  linux   /boot/vmlinuz-6.1 root=UUID=aa ro quiet\n\tinitrd /boot/initrd.img-6.1\n}\n\
             linux (hd0,1)/vmlinuz root=/dev/vda1\nlinux $kernel\n",
        );
        let entries = entries(&folder.system());
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].kernel.as_str(), entries[0].line), ("/boot/vmlinuz-6.1", 2));
        assert_eq!(entries[0].initramfs, ["/boot/initrd.img-6.1"]);
        assert_eq!(entries[0].option("root"), Some("UUID=aa"));
        assert_eq!(entries[1].kernel, "/vmlinuz");
    }

    #[test]
    fn a_boot_of_its_own_goes_before_the_path() {
        let folder = Folder::new();
        folder.put("boot/grub/grub.cfg", "linux /vmlinuz-6.1 root=UUID=aa\n");
        let mut system = folder.system();
        system.mount_points.push("/boot".into());
        assert_eq!(entries(&system)[0].kernel, "/boot/vmlinuz-6.1");
    }

    #[test]
    fn the_specifications_entries_and_extlinux_are_read() {
        let folder = Folder::new();
        folder.put(
            "boot/loader/entries/a.conf",
            "title A\nlinux /vmlinuz-5\ninitrd /initramfs-5.img\noptions root=LABEL=r rw\n",
        );
        folder.put(
            "boot/extlinux/extlinux.conf",
            "LABEL one\n KERNEL ../vmlinuz\n APPEND initrd=/i.img root=/dev/sda1\nLABEL two\n KERNEL /k2\n",
        );
        let mut entries = entries(&folder.system());
        entries.sort_by(|a, b| a.kernel.cmp(&b.kernel));
        let kernels: Vec<_> = entries.iter().map(|entry| entry.kernel.as_str()).collect();
        assert_eq!(kernels, ["/boot/../vmlinuz", "/k2", "/vmlinuz-5"]);
        assert_eq!(entries[0].initramfs, ["/i.img"]);
        assert_eq!(entries[2].option("root"), Some("LABEL=r"));
    }

    #[test]
    fn kernels_are_known_by_name() {
        let folder = Folder::new();
        for name in ["boot/vmlinuz-6.1.0-28-amd64", "boot/config-6.1", "boot/initrd.img-6.1"] {
            folder.put(name, "x");
        }
        let found = kernels(&folder.system());
        assert_eq!(found.iter().collect::<Vec<_>>(), ["/boot/vmlinuz-6.1.0-28-amd64"]);
        assert_eq!(version_of("/boot/vmlinuz-6.1.0-28-amd64"), "6.1.0-28-amd64");
        assert_eq!(version_of("/boot/vmlinuz"), "");
    }
}
