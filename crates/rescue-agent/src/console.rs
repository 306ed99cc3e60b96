//! What a person sees: the greeting after a login, and the consoles, which ask for root's password or, where none was given, say
//! how else to get in. A shell without a password is never offered.

use std::fmt::Write;

use types::rescue::{ReadyReport, SeenDisk, SeenPart};

use crate::access::Ways;
use crate::services::Service;

/// File systems that this image can mount (its kernel modules), so that a hint is worth giving.
const MOUNTABLE: [&str; 5] = ["ext4", "ext3", "ext2", "xfs", "vfat"];

/// The greeting after a login (motd): disks, and how to begin.
pub fn greeting(report: &ReadyReport) -> String {
    let mut text = format!("\nLifeboat rescue system {}, kernel {}\n\n", report.image, report.kernel);
    if report.disks.is_empty() {
        text += "No disks were found.\n";
    } else {
        text += &table(&report.disks);
        text += &hints(&report.disks);
    }
    text + "\n  poweroff      ends here; the machine stays in rescue until it is told to leave it\n\n"
}

fn table(disks: &[SeenDisk]) -> String {
    let head = ["device", "normally", "size", "what", "label", "mounted on", "by-id or UUID"];
    let mut rows = vec![head.map(String::from)];
    for disk in disks {
        let what = if disk.read_only { "disk, read only" } else { "disk" };
        let id = if disk.by_id.is_empty() { &disk.serial } else { &disk.by_id };
        let (name, none) = (format!("/dev/{}", disk.name), String::new);
        rows.push([name, disk.normal_name.clone(), size(disk.size), what.into(), none(), none(), id.clone()]);
        for part in &disk.parts {
            let name = if part.name == disk.name { "  (whole disk)".into() } else { format!("  /dev/{}", part.name) };
            let kind = part.filesystem.clone();
            let (normal, label, at) = (part.normal_name.clone(), part.label.clone(), part.mounted.clone());
            rows.push([name, normal, size(part.size), kind, label, at, part.uuid.clone()]);
        }
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
    text
}

fn hints(disks: &[SeenDisk]) -> String {
    let mountable = |part: &&SeenPart| MOUNTABLE.contains(&part.filesystem.as_str());
    let parts: Vec<&SeenPart> = disks.iter().flat_map(|disk| &disk.parts).filter(mountable).collect();
    let Some(largest) = parts.iter().max_by_key(|part| part.size) else { return String::new() };
    let device = format!("/dev/{}", largest.name);
    let mut text = String::from("\nTo repair:\n");
    if largest.filesystem.starts_with("ext") {
        let _ = writeln!(text, "  e2fsck -f {device}    checks the file system, while it is not mounted");
    }
    let _ = writeln!(text, "  mount {device} /mnt    then look into /mnt/etc/fstab, /mnt/var/log");
    let _ = writeln!(text, "  rescue-chroot /mnt    a shell inside the machine's own system");
    text
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = UNITS.iter().find(|(_, shift)| bytes >> shift > 0);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(name, shift)| {
            let tenths = (u128::from(bytes) * 10) >> shift;
            if tenths % 10 == 0 {
                format!("{} {name}", tenths / 10)
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            }
        },
    )
}

/// What stands above a console's login prompt, or in its place. It needs no secret, so it tells nothing that the network does not.
pub fn banner(report: &ReadyReport, ways: Ways) -> String {
    let mut text = format!("\nLifeboat rescue system {}\n", report.image);
    if let Some(fingerprint) = report.ssh_fingerprint.as_ref().filter(|_| ways.ssh()) {
        let address = report.addresses.first().and_then(|line| line.split([' ', '/']).nth(1)).unwrap_or("ADDRESS");
        let _ = writeln!(text, "  ssh root@{address}    host key {fingerprint}");
    }
    text += match (ways.password, ways.keys) {
        (true, _) => "  or log in here as root with the session's password\n",
        (false, 0) => "  Nobody can log in: the session was given neither an SSH key nor a password.\n",
        (false, _) => "  Log in over SSH with the session's key; there is no login here, as no password was given.\n",
    };
    text + "\n"
}

/// What is said where the machine was given no session.
pub const NO_SESSION: &str =
    "\nLifeboat rescue system: this boot belongs to no rescue session, so nobody can log in.\n\n";

/// A login on the terminal. Only with a password: getty and login then ask for it.
pub fn service(tty: &str) -> Service {
    Service::new(&format!("console-{tty}"), &format!("/sbin/getty -L {tty} 115200 linux"))
}

/// Terminals to use, from /proc/consoles: a name begins each line. tty0 stands for whatever virtual terminal is shown, the first.
pub fn terminals(proc_consoles: &str) -> Vec<String> {
    let name = |line: &str| {
        line.split_ascii_whitespace().next().map(|name| if name == "tty0" { "tty1" } else { name }.to_string())
    };
    proc_consoles.lines().filter_map(name).filter(|name| name.starts_with("tty")).collect()
}

#[cfg(test)]
mod tests {
    use types::id::SessionId;

    use super::*;

    fn report() -> ReadyReport {
        let part = |name: &str, filesystem: &str, gib: u64| SeenPart {
            name: name.into(),
            size: gib << 30,
            filesystem: filesystem.into(),
            label: "data".into(),
            uuid: "11-22".into(),
            normal_name: name.replace('v', "s"),
            mounted: if name == "vda2" { "/srv".into() } else { String::new() },
            ..SeenPart::default()
        };
        let disk = |name: &str, parts: Vec<SeenPart>| SeenDisk {
            name: name.into(),
            size: 3 << 30,
            serial: "disk-0".into(),
            read_only: name == "vdb",
            normal_name: name.replace('v', "s"),
            by_id: format!("virtio-{name}"),
            parts,
        };
        ReadyReport {
            session: SessionId::generate(),
            nonce: "the-nonce".into(),
            boot: 1,
            kernel: "6.1".into(),
            image: "small 1".into(),
            disks: vec![
                disk("vda", vec![part("vda1", "vfat", 1), part("vda2", "ext4", 2)]),
                disk("vdb", vec![part("vdb", "xfs", 1)]),
            ],
            addresses: vec!["eth0 10.0.2.15/24".into()],
            ssh_fingerprint: Some("SHA256:abc".into()),
            ssh_host_key: None,
        }
    }

    #[test]
    fn the_greeting_lists_disks_and_says_how_to_mount_the_largest() {
        let text = greeting(&report());
        for wanted in [
            "/dev/vda ",
            "3 GiB",
            "  /dev/vda2",
            "(whole disk)",
            "disk, read only",
            "mount /dev/vda2 /mnt",
            "/dev/vda2     sda2      2 GiB  ext4             data   /srv        11-22",
            "virtio-vda",
            "e2fsck -f /dev/vda2",
        ] {
            assert!(text.contains(wanted), "{wanted:?} is not in:\n{text}");
        }
        let bare = ReadyReport { disks: vec![], ..report() };
        assert!(greeting(&bare).contains("No disks") && !greeting(&bare).contains("mount"));
    }

    #[test]
    fn the_banner_says_which_ways_are_open() {
        let text = |keys, password| banner(&report(), Ways { keys, password });
        assert!(
            text(1, false).contains("ssh root@10.0.2.15    host key SHA256:abc")
                && text(1, false).contains("no login here")
        );
        assert!(text(0, true).contains("log in here as root"));
        assert!(text(0, false).contains("Nobody can log in") && !text(0, false).contains("ssh root@"));
        assert!(!text(1, true).contains("the-nonce"));
    }

    #[test]
    fn consoles_get_a_getty_and_never_a_shell() {
        let consoles =
            terminals("ttyS0                -W- (EC p a)    4:64\ntty0 -WU (E  p  )  4:1\nnetcon0 -W- (E) \n");
        assert_eq!(consoles, ["ttyS0", "tty1"]);
        assert!(consoles.iter().all(|tty| service(tty).command[0] == "/sbin/getty"));
    }

    #[test]
    fn sizes_read_well() {
        let cases = [(512, "512 B"), (1536, "1.5 KiB"), (20 << 20, "20 MiB"), (3 << 40, "3 TiB"), (0, "0 B")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}
