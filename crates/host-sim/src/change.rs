//! Disks, NICs and snapshots in memory, with the real host's refusals.

use types::desc::{Desc, DiskDesc, DiskDriver, DiskFormat, Machine, NicBackend, NicDesc};
use types::id::{DiskId, GuestId, SnapshotId};
use types::operation::{Failure, FailureCode, Outcome};
use types::status::PowerState;

use crate::guests::{Guests, SimGuest, digest, failed};

impl Guests {
    pub(crate) fn change(&mut self, id: GuestId, wanted: &Desc) -> Result<Outcome, Failure> {
        let guest = self.guest(id)?;
        not_in_rescue(guest)?;
        let (old, on) = (&guest.desc, guest.power != PowerState::Shutoff);
        if wanted.rescue.is_some() || wanted.id != old.id || wanted.arch != old.arch {
            return failed(FailureCode::WrongState, "id, arch and rescue section can't be changed");
        }
        if on {
            live(old, wanted)?;
        }
        let changed = |field: &str, differs: bool| (on && differs).then(|| field.to_owned());
        let live_pending =
            [changed("vnc", old.vnc != wanted.vnc), changed("qemu_version", old.qemu_version != wanted.qemu_version)];
        let ids = |desc: &Desc| desc.disks.iter().map(|disk| disk.id).collect::<Vec<_>>();
        let (before, after) = (ids(old), ids(wanted));
        guest.desc = wanted.clone();
        self.detached.extend(before.iter().filter(|disk| !after.contains(disk)));
        self.detached.retain(|disk| !after.contains(disk));
        Ok(Outcome::Changed { desc_sha256: digest(wanted), live_pending: live_pending.into_iter().flatten().collect() })
    }

    pub(crate) fn resize_disk(&mut self, id: GuestId, disk: DiskId, size_mib: u64) -> Result<Outcome, Failure> {
        let guest = self.guest(id)?;
        not_in_rescue(guest)?;
        let Some(found) = guest.desc.disks.iter_mut().find(|it| it.id == disk) else {
            return failed(FailureCode::Disk, format!("the guest has no disk {disk}"));
        };
        if size_mib < found.size_mib {
            let message = format!("disk {} has {} MiB: a disk can't be made smaller", found.index, found.size_mib);
            return failed(FailureCode::Disk, message);
        }
        found.size_mib = size_mib;
        Ok(Outcome::Resized { desc_sha256: digest(&guest.desc), size_mib })
    }

    pub(crate) fn delete_disk(&mut self, disk: DiskId) -> Result<Outcome, Failure> {
        let has = |guest: &&SimGuest| {
            guest.sources.values().chain([&guest.desc]).any(|desc| desc.disks.iter().any(|it| it.id == disk))
        };
        if let Some(guest) = self.guests.values().find(has) {
            let message = format!("guest {} has the disk: detach it first", guest.desc.id);
            return failed(FailureCode::WrongState, message);
        }
        self.detached.remove(&disk);
        Ok(Outcome::DiskDeleted)
    }

    pub(crate) fn create_snapshot(&mut self, id: GuestId, snapshot: SnapshotId) -> Result<Outcome, Failure> {
        let guest = self.guest(id)?;
        not_in_rescue(guest)?;
        if let Some(disk) = guest.desc.disks.iter().find(|disk| disk.format != DiskFormat::Qcow2) {
            let message = format!("disk {} is {}: only qcow2 can have snapshots", disk.index, disk.format);
            return failed(FailureCode::Disk, message);
        }
        let disks = guest.desc.disks.iter().map(|disk| disk.id).collect();
        guest.snapshots.entry(snapshot).or_insert(disks);
        Ok(Outcome::SnapshotDone)
    }

    pub(crate) fn revert_snapshot(&mut self, id: GuestId, snapshot: SnapshotId) -> Result<Outcome, Failure> {
        let guest = self.guest(id)?;
        not_in_rescue(guest)?;
        if guest.power != PowerState::Shutoff {
            let message = "disks are put back only while the guest is off: stop the server first";
            return failed(FailureCode::MustStop, message);
        }
        let holds = guest.snapshots.get(&snapshot);
        match guest.desc.disks.iter().find(|disk| !holds.is_some_and(|disks| disks.contains(&disk.id))) {
            Some(disk) => failed(FailureCode::Disk, format!("disk {} is not in snapshot {snapshot}", disk.index)),
            None => Ok(Outcome::SnapshotDone),
        }
    }

    pub(crate) fn delete_snapshot(&mut self, id: GuestId, snapshot: SnapshotId) -> Result<Outcome, Failure> {
        let guest = self.guest(id)?;
        not_in_rescue(guest)?;
        guest.snapshots.remove(&snapshot);
        Ok(Outcome::SnapshotDone)
    }
}

/// What a running guest can be given and deprived of.
fn live(old: &Desc, wanted: &Desc) -> Result<(), Failure> {
    let must_stop = |what: &str| failed(FailureCode::MustStop, format!("{what}: stop the server first"));
    if (old.vcpu, old.memory_mib, old.machine, old.firmware)
        != (wanted.vcpu, wanted.memory_mib, wanted.machine, wanted.firmware)
    {
        return must_stop("processors, memory, machine and firmware can't be changed while the guest runs");
    }
    let drives = |desc: &Desc| desc.cdroms.iter().map(|drive| drive.index).collect::<Vec<_>>();
    if drives(old) != drives(wanted) {
        return must_stop("a cdrom drive can't come or go while the guest runs");
    }
    let hot = |disk: &DiskDesc| disk.index > 0 && matches!(disk.driver, DiskDriver::Virtio | DiskDriver::Scsi);
    let differs = |a: &Desc, b: &Desc| a.disks.iter().filter(|disk| !b.disks.contains(disk)).all(hot);
    if !differs(old, wanted) || !differs(wanted, old) {
        return must_stop("this disk can't come or go while the guest runs");
    }
    let gone: Vec<_> = old.nics.iter().filter(|nic| !wanted.nics.contains(nic)).collect();
    let come: Vec<_> = wanted.nics.iter().filter(|nic| !old.nics.contains(nic)).collect();
    let cold = |nic: &&&NicDesc| (nic.index == 0 && old.machine == Machine::Q35) || nic.backend == NicBackend::Macvtap;
    if let Some(nic) = gone.iter().chain(&come).find(cold) {
        return must_stop(&format!("NIC {} can't come or go while the guest runs", nic.index));
    }
    if let Some(nic) = gone.iter().find(|nic| come.iter().any(|it| it.index == nic.index && it.mac == nic.mac)) {
        return must_stop(&format!("NIC {} can't be changed while the guest runs", nic.index));
    }
    Ok(())
}

fn not_in_rescue(guest: &SimGuest) -> Result<(), Failure> {
    match &guest.desc.rescue {
        Some(section) => failed(
            FailureCode::WrongState,
            format!("the guest is in rescue session {}: end that first", section.session),
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::desc::{DESC_VERSION, Firmware, NicModel};
    use types::status::Arch;

    fn disk(index: u32) -> DiskDesc {
        DiskDesc {
            id: DiskId::generate(),
            index,
            driver: DiskDriver::Virtio,
            format: DiskFormat::Qcow2,
            size_mib: 8,
            image: None,
            serial: format!("S{index}"),
            io: types::desc::DiskIo::default(),
        }
    }

    fn guests() -> (Guests, Desc) {
        let desc = Desc {
            version: DESC_VERSION,
            id: GuestId::generate(),
            name: "web1".into(),
            arch: Arch::X86_64,
            machine: Machine::Q35,
            firmware: Firmware::Bios,
            vcpu: 1,
            memory_mib: 64,
            disks: vec![disk(0)],
            nics: vec![],
            cdroms: vec![],
            qemu_version: None,
            vnc: false,
            guest_agent: false,
            usb: Vec::new(),
            passthrough: Vec::new(),
            rescue: None,
        };
        let mut guests = Guests::default();
        guests.guests.insert(desc.id, SimGuest::new(desc.clone()));
        (guests, desc)
    }

    fn code(result: Result<Outcome, Failure>) -> FailureCode {
        result.expect_err("it is refused").code
    }

    #[test]
    fn disks_come_go_grow_and_are_deleted_once_nobody_has_them() {
        let (mut guests, desc) = guests();
        let more = Desc { disks: vec![desc.disks[0].clone(), disk(1)], ..desc.clone() };
        let added = more.disks[1].id;
        guests.guest(desc.id).unwrap().power = PowerState::Running;
        for _ in 0..2 {
            let changed = guests.change(desc.id, &more).unwrap();
            assert_eq!(changed, Outcome::Changed { desc_sha256: digest(&more), live_pending: vec![] });
        }
        assert_eq!(code(guests.change(desc.id, &Desc { memory_mib: 65, ..more.clone() })), FailureCode::MustStop);
        assert_eq!(code(guests.change(desc.id, &Desc { disks: vec![disk(1)], ..more.clone() })), FailureCode::MustStop);
        let nic = |index| NicDesc {
            index,
            backend: NicBackend::User,
            mac: format!("52:54:00:00:00:0{index}"),
            model: NicModel::Virtio,
            forwards: vec![],
            bridge: None,
        };
        let with = |index| Desc { nics: vec![nic(index)], ..more.clone() };
        assert_eq!(code(guests.change(desc.id, &with(0))), FailureCode::MustStop);
        guests.change(desc.id, &with(1)).unwrap();
        guests.change(desc.id, &more).unwrap();
        let resized = guests.resize_disk(desc.id, added, 16).unwrap();
        assert!(matches!(resized, Outcome::Resized { size_mib: 16, .. }), "{resized:?}");
        assert_eq!(code(guests.resize_disk(desc.id, added, 8)), FailureCode::Disk);
        assert_eq!(code(guests.delete_disk(added)), FailureCode::WrongState);
        guests.change(desc.id, &desc).unwrap();
        assert!(guests.detached.contains(&added));
        for _ in 0..2 {
            assert_eq!(guests.delete_disk(added).unwrap(), Outcome::DiskDeleted);
        }
        assert!(guests.detached.is_empty());
    }

    #[test]
    fn a_snapshot_is_put_back_only_when_off_and_only_over_the_disks_it_has() {
        let (mut guests, desc) = guests();
        let snapshot = SnapshotId::generate();
        guests.guest(desc.id).unwrap().power = PowerState::Running;
        for _ in 0..2 {
            guests.create_snapshot(desc.id, snapshot).unwrap();
        }
        assert_eq!(code(guests.revert_snapshot(desc.id, snapshot)), FailureCode::MustStop);
        guests.guest(desc.id).unwrap().power = PowerState::Shutoff;
        guests.revert_snapshot(desc.id, snapshot).unwrap();
        assert_eq!(code(guests.revert_snapshot(desc.id, SnapshotId::generate())), FailureCode::Disk);
        let more = Desc { disks: vec![desc.disks[0].clone(), disk(1)], ..desc.clone() };
        guests.change(desc.id, &more).unwrap();
        assert_eq!(code(guests.revert_snapshot(desc.id, snapshot)), FailureCode::Disk);
        guests.delete_snapshot(desc.id, snapshot).unwrap();
        guests.delete_snapshot(desc.id, snapshot).unwrap();
    }
}
