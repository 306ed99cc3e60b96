//! Block devices as sysfs shows them (Documentation/ABI/stable/sysfs-block). What is not there is empty, or 0.

use std::path::Path;

/// Bytes in a sector of sysfs, whatever the disk's own are.
pub const SECTOR: u64 = 512;

/// The names in a folder.
#[must_use]
pub fn entries(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// A device's attribute, without white space around it.
#[must_use]
pub fn attribute(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).map_or_else(|_| String::new(), |text| text.trim().to_owned())
}

#[must_use]
pub fn number(folder: &Path, name: &str) -> u64 {
    attribute(folder, name).parse().unwrap_or(0)
}

/// virtio-blk and NVMe have a file; SCSI answers page 0x80 of its vital product data (SPC-4, 7.8.15): four bytes, then the text.
#[must_use]
pub fn serial(folder: &Path) -> String {
    for name in ["serial", "device/serial"] {
        let text = attribute(folder, name);
        if !text.is_empty() {
            return text;
        }
    }
    let page = std::fs::read(folder.join("device/vpd_pg80")).unwrap_or_default();
    let text = String::from_utf8_lossy(page.get(4..).unwrap_or_default()).into_owned();
    text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned()
}
