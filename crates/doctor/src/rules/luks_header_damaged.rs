//! Devices without a LUKS header in the first place, but with LUKS2's second one further in (LUKS2 On-Disk Format, 2.1).

use std::os::unix::fs::FileExt;

use crate::patient::Patient;

const SECOND: &[u8; 6] = b"SKUL\xba\xbe";
/// Where the second header may lie, depending on the first one's size.
const PLACES: [u64; 9] = [0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x10_0000, 0x20_0000, 0x40_0000];

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    Ok(damaged(patient)
        .into_iter()
        .map(|(device, place)| format!("{device}: only the second header is there, at byte {place}"))
        .collect())
}

pub fn damaged(patient: &Patient) -> Vec<(String, u64)> {
    let blank =
        patient.devices.leaves().filter(|device| device.is_blank() || device.filesystem == "crypto_LUKS");
    blank.filter_map(|device| Some((device.path(), second_alone(&std::fs::File::open(device.path()).ok()?)?))).collect()
}

fn second_alone(file: &impl FileExt) -> Option<u64> {
    let mut magic = [0; 6];
    file.read_exact_at(&mut magic, 0).ok()?;
    if &magic == b"LUKS\xba\xbe" {
        return None;
    }
    PLACES.into_iter().find(|place| file.read_exact_at(&mut magic, *place).is_ok() && &magic == SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_header_is_found_where_the_first_is_gone() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        assert_eq!(second_alone(&file), None);
        file.write_all_at(SECOND, 0x4000).unwrap();
        assert_eq!(second_alone(&file), Some(0x4000));
        file.write_all_at(b"LUKS\xba\xbe", 0).unwrap();
        assert_eq!(second_alone(&file), None);
    }
}
