//! What is on the block devices, those included that were assembled, as `blkid` names it.

use std::collections::BTreeMap;
use std::time::Duration;

use doctor::blkid;

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

/// Those on which something was recognised.
pub fn parse(export: &str) -> Vec<Device> {
    let device = |mut tags: BTreeMap<&str, String>| {
        let mut tag = |name| tags.remove(name).unwrap_or_default();
        Device {
            path: tag("DEVNAME"),
            kind: tag("TYPE"),
            uuid: tag("UUID"),
            label: tag("LABEL"),
            part_uuid: tag("PARTUUID"),
            part_label: tag("PARTLABEL"),
        }
    };
    let all = blkid::devices(export).into_iter().map(device);
    all.filter(|device| !device.path.is_empty() && !device.kind.is_empty()).collect()
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
