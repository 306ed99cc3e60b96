//! Which rescue image a server is booted with: one that an agent of its zone serves now, and that can drive it.

use api::ErrorClass;
use api::server::StartRescue;
use db::agent::RescueImage;
use db::guest::Guest;
use db::host::Host;
use types::desc::{Desc, DiskDriver, Machine};

use crate::dispatch::Cx;
use crate::error::{Error, Result};

/// The image asked for, or the best: of those that fit, the newest of the smallest.
pub async fn choose(guest: &Guest, action: &StartRescue, host: &Host, cx: &mut Cx<'_>) -> Result<RescueImage> {
    let agents = db::agent::usable(cx.conn, &host.zone, cx.app.heard_since()).await?;
    if agents.is_empty() {
        return Err(Error::new(
            ErrorClass::ResourceNotFound,
            format!(
                "Baremetal agent not found: none of zone '{}' is enabled and online; see climc agent-list",
                host.zone
            ),
        ));
    }
    let images: Vec<RescueImage> = agents.iter().flat_map(db::agent::BaremetalAgent::images).collect();
    let desc = guest.parsed_desc()?;
    pick(images, action.rescue_image.as_deref(), &desc)
}

fn pick(images: Vec<RescueImage>, wanted: Option<&str>, desc: &Desc) -> Result<RescueImage> {
    let mut reasons = Vec::new();
    let mut fitting: Vec<RescueImage> = Vec::new();
    for image in images.into_iter().filter(|i| wanted.is_none_or(|w| w == i.name)) {
        match unfit(&image, desc) {
            None => fitting.push(image),
            Some(reason) => reasons.push(format!("{} {}: {reason}", image.name, image.version)),
        }
    }
    let best = fitting.into_iter().min_by(|a, b| {
        (a.min_memory_mib, &a.name, std::cmp::Reverse(a.serial)).cmp(&(
            b.min_memory_mib,
            &b.name,
            std::cmp::Reverse(b.serial),
        ))
    });
    best.ok_or_else(|| {
        reasons.sort();
        reasons.dedup();
        let wanted: String = wanted.unwrap_or_default().chars().take(80).collect();
        Error::new(
            ErrorClass::InputParameter,
            match (reasons.is_empty(), wanted.is_empty()) {
                (true, true) => "no agent offers a rescue image: see climc agent-list".into(),
                (true, false) => format!("rescue_image: no agent offers '{wanted}'; see climc agent-list"),
                (false, _) => format!("no rescue image fits this server: {}", reasons.join("; ")),
            },
        )
    })
}

/// Why an image can't be booted on a machine like this.
fn unfit(image: &RescueImage, desc: &Desc) -> Option<String> {
    if image.arch != desc.arch {
        return Some(format!("is for {}, the server is {}", image.arch, desc.arch));
    }
    if image.min_memory_mib > desc.memory_mib {
        return Some(format!("needs {} MiB of memory, the server has {}", image.min_memory_mib, desc.memory_mib));
    }
    // A manifest that names no drivers makes no promise, and so breaks none.
    let lacks =
        |driver: &str| !image.drivers.is_empty() && !image.drivers.iter().any(|d| d.replace('_', "-") == driver);
    desc.disks
        .iter()
        .find(|d| lacks(driver_of(d.driver, desc.machine)))
        .map(|d| format!("can't drive {} disks", d.driver))
}

/// The kernel driver of a disk. The machine type q35 has no IDE: its host puts such disks on AHCI.
fn driver_of(driver: DiskDriver, machine: Machine) -> &'static str {
    match (driver, machine) {
        (DiskDriver::Virtio, _) => "virtio-blk",
        (DiskDriver::Scsi, _) => "virtio-scsi",
        (DiskDriver::Ide, Machine::Pc) => "ata-piix",
        (DiskDriver::Ide, Machine::Q35) | (DiskDriver::Sata, _) => "ahci",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::GuestId;
    use types::desc::{BootFile, DiskDesc, DiskFormat, Firmware};
    use types::id::DiskId;
    use types::status::Arch;

    fn image(name: &str, serial: u64, min_memory_mib: u32) -> RescueImage {
        let file = BootFile { sha256: "0".repeat(64), size: 1 };
        RescueImage {
            name: name.into(),
            version: serial.to_string(),
            serial,
            arch: Arch::X86_64,
            kernel: file.clone(),
            initramfs: file,
            cmdline: String::new(),
            min_memory_mib,
            drivers: vec!["virtio-blk".into()],
        }
    }

    fn desc(memory_mib: u32, driver: DiskDriver) -> Desc {
        Desc {
            version: 1,
            id: GuestId::generate(),
            name: "x".into(),
            arch: Arch::X86_64,
            machine: Machine::Q35,
            firmware: Firmware::Bios,
            vcpu: 1,
            memory_mib,
            disks: vec![DiskDesc {
                id: DiskId::generate(),
                index: 0,
                driver,
                format: DiskFormat::Qcow2,
                size_mib: 1,
                image: None,
                serial: "s".into(),
                io: types::desc::DiskIo::default(),
            }],
            nics: vec![],
            cdroms: Vec::new(),
            qemu_version: None,
            vnc: false,
            guest_agent: false,
            usb: Vec::new(),
            passthrough: Vec::new(),
            rescue: None,
        }
    }

    #[test]
    fn the_newest_of_the_smallest_that_fits_is_taken() {
        let images = vec![image("std", 9, 512), image("small", 1, 192), image("small", 2, 192)];
        let picked = pick(images.clone(), None, &desc(1024, DiskDriver::Virtio)).unwrap();
        assert_eq!((picked.name.as_str(), picked.serial), ("small", 2));
        assert_eq!(pick(images, Some("std"), &desc(1024, DiskDriver::Virtio)).unwrap().name, "std");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        let images = vec![image("small", 1, 192)];
        let details = |wanted, desc| pick(images.clone(), wanted, &desc).unwrap_err().details;
        assert!(details(None, desc(128, DiskDriver::Virtio)).contains("needs 192 MiB"));
        assert!(details(None, desc(512, DiskDriver::Ide)).contains("can't drive ide"));
        assert!(details(Some("huge"), desc(512, DiskDriver::Virtio)).contains("'huge'"));
    }
}
