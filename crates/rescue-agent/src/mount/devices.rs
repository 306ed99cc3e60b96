//! What is on the block devices, those included that were assembled, as `blkid` names it.

use std::time::Duration;

use crate::command;
use crate::mount::Problem;

const LIMIT: Duration = Duration::from_secs(20);

/// A block device with something recognised on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Device {
    /// `/dev/vda1`.
    pub path: String,
    /// `ext4`, `LVM2_member`, `crypto_LUKS`, ...
    pub kind: String,
    pub uuid: String,
    pub label: String,
    pub part_uuid: String,
    pub part_label: String,
}

/// All there are now.
///
/// # Errors
/// `blkid` can't be run, or a device holds it up.
pub fn all() -> Result<Vec<Device>, Problem> {
    let output = command::run("/sbin/blkid", &["-c", "/dev/null", "-o", "export"], LIMIT);
    let output = output.map_err(|error| Problem::new(format!("blkid can't be run: {error}")))?;
    Ok(parse(&output.stdout))
}

/// `blkid -o export`: one paragraph for each device, `NAME=value` in each line.
pub fn parse(export: &str) -> Vec<Device> {
    let device = |paragraph: &str| {
        let mut device = Device::default();
        for (name, value) in paragraph.lines().filter_map(|line| line.split_once('=')) {
            let field = match name {
                "DEVNAME" => &mut device.path,
                "TYPE" => &mut device.kind,
                "UUID" => &mut device.uuid,
                "LABEL" => &mut device.label,
                "PARTUUID" => &mut device.part_uuid,
                "PARTLABEL" => &mut device.part_label,
                _ => continue,
            };
            // blkid puts a backslash before what a shell would take for its own.
            *field = value.replace('\\', "");
        }
        (!device.path.is_empty() && !device.kind.is_empty()).then_some(device)
    };
    export.split("\n\n").filter_map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_become_devices_and_what_is_unknown_is_left_out() {
        let export = "DEVNAME=/dev/vda1\nUUID=AA-BB\nTYPE=vfat\nPARTUUID=p-1\nPARTLABEL=EFI\\ System\n\n\
            DEVNAME=/dev/vda2\nPARTUUID=p-2\n\nDEVNAME=/dev/mapper/vg-root\nLABEL=root\nTYPE=xfs\n";
        let found = parse(export);
        assert_eq!(found.len(), 2);
        let vfat = ["/dev/vda1", "vfat", "AA-BB", "", "p-1", "EFI System"].map(String::from);
        let [path, kind, uuid, label, part_uuid, part_label] = vfat;
        assert_eq!(found[0], Device { path, kind, uuid, label, part_uuid, part_label });
        assert_eq!((found[1].path.as_str(), found[1].label.as_str()), ("/dev/mapper/vg-root", "root"));
    }
}
