//! What lies between two descs of a guest, and whether it can be done while the guest runs. Pure.

use types::desc::{CdromDesc, Desc, DiskDesc, NicDesc};

use crate::qemu::devices::{disk_is_hot, nic_is_hot};

/// The way from one desc to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub drop_nics: Vec<NicDesc>,
    pub drop_disks: Vec<DiskDesc>,
    pub add_disks: Vec<DiskDesc>,
    pub add_nics: Vec<NicDesc>,
    /// Disks that stay and grow, as they will be.
    pub grow: Vec<DiskDesc>,
    /// Drives with another medium.
    pub media: Vec<CdromDesc>,
    /// Why it can't be done while the guest runs.
    pub must_stop: Option<String>,
    /// What a running guest gets with its next start.
    pub pending: Vec<String>,
}

/// Finds it.
///
/// # Errors
/// What can't be changed at all, in words.
pub fn plan(old: &Desc, new: &Desc) -> Result<Plan, String> {
    if (old.id, old.arch) != (new.id, new.arch) {
        return Err("id and arch of a guest can't be changed".into());
    }
    let mut plan = Plan::default();
    let mut must_stop = Vec::new();
    if (old.vcpu, old.memory_mib) != (new.vcpu, new.memory_mib) {
        must_stop.push("processors and memory can't be changed while the guest runs".to_owned());
    }
    if (old.machine, old.firmware) != (new.machine, new.firmware) {
        must_stop.push("machine and firmware can't be changed while the guest runs".to_owned());
    }
    disks(old, new, &mut plan, &mut must_stop)?;
    nics(old, new, &mut plan, &mut must_stop);
    let drives = |desc: &Desc| {
        let mut indexes: Vec<_> = desc.cdroms.iter().map(|drive| drive.index).collect();
        indexes.sort_unstable();
        indexes
    };
    if drives(old) != drives(new) {
        must_stop.push("a cdrom drive can't come or go while the guest runs".to_owned());
    }
    plan.media = new.cdroms.iter().filter(|drive| !old.cdroms.contains(drive)).cloned().collect();
    if (old.guest_agent, &old.usb, &old.passthrough) != (new.guest_agent, &new.usb, &new.passthrough) {
        must_stop.push("guest agent, USB and passed-through devices can't come or go while the guest runs".to_owned());
    }
    let io_differs = |disk: &DiskDesc| new.disks.iter().any(|it| it.id == disk.id && it.io != disk.io);
    if old.disks.iter().any(io_differs) {
        plan.pending.push("disks.io".to_owned());
    }
    for (field, differs) in [("vnc", old.vnc != new.vnc), ("qemu_version", old.qemu_version != new.qemu_version)] {
        if differs {
            plan.pending.push(field.to_owned());
        }
    }
    plan.must_stop = must_stop.into_iter().next();
    Ok(plan)
}

fn disks(old: &Desc, new: &Desc, plan: &mut Plan, must_stop: &mut Vec<String>) -> Result<(), String> {
    let stays = |disk: &DiskDesc, desc: &Desc| desc.disks.iter().find(|it| it.id == disk.id).cloned();
    let cold = |disk: &DiskDesc| format!("{} disk {} can't come or go while the guest runs", disk.driver, disk.index);
    for disk in &old.disks {
        let Some(after) = stays(disk, new) else {
            if !disk_is_hot(disk) {
                must_stop.push(cold(disk));
            }
            plan.drop_disks.push(disk.clone());
            continue;
        };
        if disk.format != after.format {
            return Err(format!("disk {} is {}: its format can't be changed", disk.index, disk.format));
        }
        if (disk.index, disk.driver, &disk.serial) != (after.index, after.driver, &after.serial) {
            must_stop.push(format!("disk {} can't be moved while the guest runs", disk.index));
        }
        if after.size_mib > disk.size_mib {
            plan.grow.push(after);
        } else if after.size_mib != 0 && after.size_mib < disk.size_mib {
            return Err(format!("disk {} has {} MiB: a disk can't be made smaller", disk.index, disk.size_mib));
        }
    }
    for disk in new.disks.iter().filter(|disk| stays(disk, old).is_none()) {
        if !disk_is_hot(disk) {
            must_stop.push(cold(disk));
        }
        plan.add_disks.push(disk.clone());
    }
    Ok(())
}

fn nics(old: &Desc, new: &Desc, plan: &mut Plan, must_stop: &mut Vec<String>) {
    let cold = |nic: &NicDesc| format!("NIC {} can't come or go while the guest runs", nic.index);
    for nic in old.nics.iter().filter(|nic| !new.nics.contains(nic)) {
        if new.nics.iter().any(|it| it.index == nic.index && it.mac == nic.mac) {
            must_stop.push(format!("NIC {} can't be changed while the guest runs", nic.index));
        } else if !nic_is_hot(nic, old.machine) {
            must_stop.push(cold(nic));
        }
        plan.drop_nics.push(nic.clone());
    }
    for nic in new.nics.iter().filter(|nic| !old.nics.contains(nic)) {
        if !nic_is_hot(nic, new.machine) {
            must_stop.push(cold(nic));
        }
        plan.add_nics.push(nic.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::desc::tests::sample;
    use types::desc::{DiskAio, DiskDriver, DiskFormat, Machine, PassthroughDesc, PortForward};
    use types::id::DiskId;

    fn two() -> Desc {
        let mut desc = sample();
        desc.disks.push(DiskDesc {
            id: DiskId::generate(),
            index: 1,
            serial: "data-1".into(),
            ..desc.disks[0].clone()
        });
        desc.nics.push(NicDesc {
            index: 1,
            mac: "52:54:00:00:00:02".into(),
            forwards: Vec::new(),
            ..desc.nics[0].clone()
        });
        desc.cdroms.push(CdromDesc { index: 0, iso: None });
        desc
    }

    /// How a change is answered: `l`: live, `s`: must stop, `x`: never; and how many steps there are.
    fn shown(old: &Desc, new: &Desc) -> (char, usize) {
        match plan(old, new) {
            Err(_) => ('x', 0),
            Ok(plan) => {
                let devices = plan.drop_nics.len() + plan.add_nics.len() + plan.drop_disks.len() + plan.add_disks.len();
                let steps = devices + plan.grow.len() + plan.media.len() + plan.pending.len();
                (if plan.must_stop.is_some() { 's' } else { 'l' }, steps)
            }
        }
    }

    #[test]
    fn what_can_be_done_while_it_runs() {
        type Change = fn(&mut Desc);
        let table: [(&str, Change, (char, usize)); 25] = [
            ("a guest agent", |d| d.guest_agent = true, ('s', 0)),
            (
                "a device of the host",
                |d| d.passthrough = vec![PassthroughDesc { index: 0, host: "x".into() }],
                ('s', 0),
            ),
            ("how a disk is read", |d| d.disks[1].io.aio = DiskAio::IoUring, ('l', 1)),
            ("nothing", |_| {}, ('l', 0)),
            ("its name", |d| d.name = "other".into(), ('l', 0)),
            ("processors", |d| d.vcpu = 2, ('s', 0)),
            ("memory", |d| d.memory_mib = 512, ('s', 0)),
            ("machine", |d| d.machine = Machine::Pc, ('s', 0)),
            ("id", |d| d.id = types::id::GuestId::generate(), ('x', 0)),
            ("the second disk goes", |d| drop(d.disks.pop()), ('l', 1)),
            ("the first disk goes", |d| drop(d.disks.remove(0)), ('s', 1)),
            ("another second disk", |d| d.disks[1].id = DiskId::generate(), ('l', 2)),
            (
                "an IDE disk goes and comes",
                |d| {
                    d.disks[1].id = DiskId::generate();
                    d.disks[1].driver = DiskDriver::Ide;
                },
                ('s', 2),
            ),
            ("a disk moves", |d| d.disks[1].index = 2, ('s', 0)),
            ("a disk's format", |d| d.disks[1].format = DiskFormat::Raw, ('x', 0)),
            ("a disk grows", |d| d.disks[1].size_mib = 65, ('l', 1)),
            ("a disk of no size said", |d| d.disks[1].size_mib = 0, ('l', 0)),
            ("a disk shrinks", |d| d.disks[1].size_mib = 63, ('x', 0)),
            ("the second NIC goes", |d| drop(d.nics.pop()), ('l', 1)),
            ("the first NIC goes", |d| drop(d.nics.remove(0)), ('s', 1)),
            ("another second NIC", |d| d.nics[1].mac = "52:54:00:00:00:03".into(), ('l', 2)),
            ("a NIC's forwards", |d| d.nics[1].forwards.push(PortForward { host_port: 1, guest_port: 1 }), ('s', 2)),
            ("a medium", |d| d.cdroms[0].iso = Some("a.iso".into()), ('l', 1)),
            ("a drive", |d| drop(d.cdroms.pop()), ('s', 0)),
            ("screen", |d| d.vnc = true, ('l', 1)),
        ];
        let old = two();
        for (what, change, expected) in table {
            let mut new = old.clone();
            change(&mut new);
            assert_eq!(shown(&old, &new), expected, "{what}");
        }
        let pc = Desc { machine: Machine::Pc, ..old };
        let mut new = pc.clone();
        new.nics.remove(0);
        assert_eq!(shown(&pc, &new), ('l', 1), "pc hot-plugs on its root bus");
    }
}
