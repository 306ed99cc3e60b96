//! Which rescue image a server is booted with: one that an agent of its zone serves now, and that can drive it.

use api::ErrorClass;
use api::server::StartRescue;
use db::agent::RescueImage;
use db::guest::Guest;
use db::host::Host;
use types::desc::{Desc, DiskDriver, Machine, NicModel};
use types::status::RescueNetwork;

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
    pick(images, action.rescue_image.as_deref(), &desc, action.network.unwrap_or(RescueNetwork::Full))
}

/// Decides. `network`: what the rescue system is to reach; without a network its NICs need no driver.
fn pick(images: Vec<RescueImage>, wanted: Option<&str>, desc: &Desc, network: RescueNetwork) -> Result<RescueImage> {
    let mut reasons = Vec::new();
    let mut fitting: Vec<RescueImage> = Vec::new();
    for image in images.into_iter().filter(|i| wanted.is_none_or(|w| w == i.name)) {
        match unfit(&image, desc, network) {
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

/// Why an image can't be booted on a machine like this. What a rescue can do without, as CD-ROMs, USB and devices that are passed through, is
/// not asked for.
fn unfit(image: &RescueImage, desc: &Desc, network: RescueNetwork) -> Option<String> {
    if image.arch != desc.arch {
        return Some(format!("is for {}, the server is {}", image.arch, desc.arch));
    }
    if image.min_memory_mib > desc.memory_mib {
        return Some(format!("needs {} MiB of memory, the server has {}", image.min_memory_mib, desc.memory_mib));
    }
    if FIRMWARES.iter().any(|firmware| has(image, firmware)) && !has(image, desc.firmware.as_str()) {
        return Some(format!("does not boot beneath {} firmware, as the server has it", desc.firmware));
    }
    // A manifest that names no drivers makes no promise, and so breaks none.
    let lacks = |driver: &str| !image.drivers.is_empty() && !has(image, driver);
    if let Some(disk) = desc.disks.iter().find(|disk| lacks(driver_of(disk.driver, desc.machine))) {
        return Some(format!("can't drive {} disks, as disk {} is one", disk.driver, disk.index));
    }
    let mut nics = desc.nics.iter().filter(|_| network == RescueNetwork::Full);
    nics.find(|nic| lacks(nic_driver(nic.model))).map(|nic| {
        format!("can't drive {} NICs, as NIC {} is one (with network none it need not)", nic.model, nic.index)
    })
}

/// Among a manifest's drivers these say beneath which firmware its kernel boots; one that names neither is from before they were named.
const FIRMWARES: [&str; 2] = ["bios", "uefi"];

fn has(image: &RescueImage, driver: &str) -> bool {
    image.drivers.iter().any(|d| d.replace('_', "-") == driver)
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

fn nic_driver(model: NicModel) -> &'static str {
    match model {
        NicModel::Virtio => "virtio-net",
        NicModel::E1000 => "e1000",
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
        let picked = pick(images.clone(), None, &desc(1024, DiskDriver::Virtio), RescueNetwork::Full).unwrap();
        assert_eq!((picked.name.as_str(), picked.serial), ("small", 2));
        let named = pick(images, Some("std"), &desc(1024, DiskDriver::Virtio), RescueNetwork::Full).unwrap();
        assert_eq!(named.name, "std");
    }

    /// The images that are built here, with the drivers that their manifests name.
    fn small_and_std() -> Vec<RescueImage> {
        let drivers = |names: &str| names.split(' ').map(str::to_owned).collect();
        let small = "virtio_blk virtio-scsi virtio-net virtio-console nvme ata-piix virtio-rng bios uefi";
        vec![
            RescueImage { drivers: drivers(&format!("{small} ahci e1000 usb rtl8139")), ..image("std", 1, 384) },
            RescueImage { drivers: drivers(small), ..image("small", 1, 192) },
        ]
    }

    fn nic(model: NicModel) -> types::desc::NicDesc {
        types::desc::NicDesc {
            index: 0,
            backend: types::desc::NicBackend::User,
            mac: "52:54:00:00:00:01".into(),
            model,
            forwards: vec![],
            bridge: None,
        }
    }

    #[test]
    fn the_smallest_that_drives_the_server_is_taken() {
        use RescueNetwork::{Full, None as Cut};
        let (virtio, e1000) = (NicModel::Virtio, NicModel::E1000);
        let (q35, pc) = (Machine::Q35, Machine::Pc);
        for (machine, driver, nics, memory, network, expected) in [
            (q35, DiskDriver::Virtio, vec![virtio], 512, Full, Ok("small")),
            (q35, DiskDriver::Scsi, vec![], 512, Full, Ok("small")),
            (pc, DiskDriver::Ide, vec![], 512, Full, Ok("small")),
            (q35, DiskDriver::Ide, vec![], 512, Full, Ok("std")),
            (q35, DiskDriver::Sata, vec![], 512, Full, Ok("std")),
            (pc, DiskDriver::Sata, vec![], 512, Full, Ok("std")),
            (q35, DiskDriver::Virtio, vec![virtio, e1000], 512, Full, Ok("std")),
            (q35, DiskDriver::Virtio, vec![virtio, e1000], 512, Cut, Ok("small")),
            (q35, DiskDriver::Virtio, vec![e1000], 256, Cut, Ok("small")),
            (q35, DiskDriver::Virtio, vec![e1000], 256, Full, Err("small 1: can't drive e1000 NICs, as NIC 0 is one")),
            (
                q35,
                DiskDriver::Virtio,
                vec![e1000],
                256,
                Full,
                Err("std 1: needs 384 MiB of memory, the server has 256"),
            ),
            (q35, DiskDriver::Sata, vec![], 256, Full, Err("small 1: can't drive sata disks, as disk 0 is one")),
        ] {
            let nics: Vec<_> = nics.into_iter().map(nic).collect();
            for firmware in [Firmware::Bios, Firmware::Uefi] {
                let server = Desc { machine, firmware, nics: nics.clone(), ..desc(memory, driver) };
                match (pick(small_and_std(), None, &server, network), expected) {
                    (Ok(image), Ok(name)) => assert_eq!(image.name, name, "{machine} {driver} {memory} {network}"),
                    (Err(error), Err(reason)) => assert!(error.details.contains(reason), "{}", error.details),
                    (picked, _) => {
                        panic!("{machine} {driver} {memory} {network}: {:?}", picked.map(|image| image.name))
                    }
                }
            }
        }
    }

    #[test]
    fn an_image_boots_beneath_the_firmware_that_it_names_and_on_its_architecture() {
        let server = |firmware| Desc { firmware, ..desc(512, DiskDriver::Virtio) };
        let of = |word: &str| RescueImage { drivers: vec!["virtio-blk".into(), word.into()], ..image("one", 1, 192) };
        let picked = |image, desc: &Desc| pick(vec![image], None, desc, RescueNetwork::Full).map_err(|e| e.details);
        assert!(picked(of("bios"), &server(Firmware::Bios)).is_ok());
        let refused = picked(of("bios"), &server(Firmware::Uefi)).unwrap_err();
        assert!(refused.contains("does not boot beneath uefi"), "{refused}");
        assert!(picked(of("nvme"), &server(Firmware::Uefi)).is_ok(), "from before firmware was named");
        let foreign = Desc { arch: Arch::Aarch64, ..server(Firmware::Uefi) };
        let refused = picked(of("uefi"), &foreign).unwrap_err();
        assert!(refused.contains("is for x86_64, the server is aarch64"), "{refused}");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        let images = vec![image("small", 1, 192)];
        let details = |wanted, desc| pick(images.clone(), wanted, &desc, RescueNetwork::Full).unwrap_err().details;
        assert!(details(None, desc(128, DiskDriver::Virtio)).contains("needs 192 MiB"));
        assert!(details(None, desc(512, DiskDriver::Ide)).contains("can't drive ide disks, as disk 0"));
        assert!(details(Some("huge"), desc(512, DiskDriver::Virtio)).contains("'huge'"));
    }
}
