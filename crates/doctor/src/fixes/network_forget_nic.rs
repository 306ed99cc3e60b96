//! Gives the network's configuration the hardware address that the machine has, where there is no doubt which one.

use std::collections::BTreeSet;

use crate::rules::network_nic_gone;
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Write the address of the machine's only network device into its configuration";

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    if network_nic_gone::probe(surgery.patient).map_err(Stop::Refused)?.is_empty() {
        return Err(Stop::Nothing("no address of a device that is gone is named".into()));
    }
    let named = network_nic_gone::addresses(surgery.system()?);
    let gone: BTreeSet<String> = named.iter().map(|(_, _, address)| address.clone()).collect();
    let (Some(new), Some(old), true) = (
        surgery.patient.nics.first().cloned(),
        gone.first().cloned(),
        surgery.patient.nics.len() == 1 && gone.len() == 1,
    ) else {
        return Err(Stop::Refused(
            "there are several addresses or devices: which belongs to which is yours to say".into(),
        ));
    };
    let files: BTreeSet<String> = named.into_iter().map(|(file, _, _)| file).collect();
    for file in &files {
        let text = surgery.system()?.tree.text(file).unwrap_or_default();
        let forms =
            [old.clone(), old.to_ascii_uppercase(), old.replace(':', "-"), old.to_ascii_uppercase().replace(':', "-")];
        let text = forms.iter().fold(text, |text, form| text.replace(form, &new));
        surgery.write(file, &text, 0o600)?;
    }
    Ok(format!("{old} is now {new} in {}", files.into_iter().collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn one_for_one_is_replaced_and_doubt_is_refused() {
        let folder = Folder::new();
        folder.put("etc/systemd/network/a.network", "[Match]\nMACAddress=52:54:00:AA:BB:01\n");
        let mut patient = folder.patient();
        patient.nics = ["52:54:00:00:00:02".to_owned(), "52:54:00:00:00:03".to_owned()].into();
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Refused(_))));
        patient.nics.pop_last();
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert_eq!(folder.read("etc/systemd/network/a.network"), "[Match]\nMACAddress=52:54:00:00:00:02\n");
    }
}
