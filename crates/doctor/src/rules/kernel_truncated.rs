//! Kernels whose files are shorter than they say themselves (kernel: Documentation/arch/x86/boot.rst).

use std::os::unix::fs::FileExt;

use crate::bootloader;
use crate::patient::Patient;
use crate::tree::Tree;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    let faults = bootloader::kernels(system)
        .into_iter()
        .filter_map(|path| fault(&system.tree, &path).map(|fault| format!("{path}: {fault}")));
    Ok(faults.collect())
}

fn fault(tree: &Tree, path: &str) -> Option<String> {
    let file = tree.open_file(path).ok()?;
    let length = file.metadata().ok()?.len();
    if length == 0 {
        return Some("it is empty".into());
    }
    let mut header = [0; 0x210];
    if file.read_exact_at(&mut header, 0).is_err() {
        return Some(format!("it has {length} bytes"));
    }
    // Other architectures' and unified kernels have other headers; only emptiness is seen there.
    if &header[0x202..0x206] != b"HdrS" {
        let known = header.starts_with(b"MZ") || header.starts_with(b"\x1f\x8b") || header.starts_with(b"\x7fELF");
        return (header.iter().all(|byte| *byte == 0) && !known).then(|| "it holds zeros".into());
    }
    let setup = match header[0x1f1] {
        0 => 4,
        sectors => u64::from(sectors),
    };
    let rest = u64::from(u32::from_le_bytes([header[0x1f4], header[0x1f5], header[0x1f6], header[0x1f7]]));
    let wanted = (setup + 1) * 512 + rest * 16;
    (length < wanted).then(|| format!("it has {length} of {wanted} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    /// As long as it says: one setup sector beside the boot sector, and 16 bytes.
    fn kernel() -> Vec<u8> {
        let mut bytes = vec![0; 1024 + 16];
        bytes[0x1f1] = 1;
        bytes[0x1f4] = 1;
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        bytes
    }

    #[test]
    fn a_kernel_that_is_too_short_is_named() {
        let folder = Folder::new();
        folder.put("boot/vmlinuz-1", kernel());
        assert!(probe(&folder.patient()).unwrap().is_empty());
        folder.put("boot/vmlinuz-1", &kernel()[..1030]).put("boot/vmlinuz-2", "").put("boot/vmlinuz-3", "short");
        let evidence = probe(&folder.patient()).unwrap();
        assert_eq!(
            evidence,
            [
                "/boot/vmlinuz-1: it has 1030 of 1040 bytes",
                "/boot/vmlinuz-2: it is empty",
                "/boot/vmlinuz-3: it has 5 bytes",
            ]
        );
    }
}
