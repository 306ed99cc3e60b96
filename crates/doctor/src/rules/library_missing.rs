//! Shared libraries that init and the first programs of a boot need, down to the last.

use std::collections::BTreeMap;

use crate::elf;
use crate::patient::{Patient, System};

use super::init_missing;

/// Beside init; those that are there are looked at.
const FIRST: [&str; 6] =
    ["/bin/sh", "/bin/mount", "/lib/systemd/systemd-udevd", "/sbin/agetty", "/bin/login", "/usr/sbin/sshd"];

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    Ok(missing(system).into_iter().map(|(library, who)| format!("{library}: {who}")).collect())
}

/// What is missing, and who wants it or what is wrong with it.
pub fn missing(system: &System) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let programs = std::iter::once(init_missing::init(system)).chain(FIRST.map(String::from));
    // What is no program at all is another rule's matter.
    for program in programs.filter(|program| init_missing::fault(&system.tree, program).is_none()) {
        for (name, who) in elf::missing(&system.tree, &program) {
            let text = if who.starts_with('/') { format!("wanted by {who}") } else { who };
            found.entry(name).or_insert(text);
        }
    }
    found
}
