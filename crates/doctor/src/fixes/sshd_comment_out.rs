//! Turns lines that the SSH server refuses into comments.

use std::collections::BTreeMap;

use super::comment_out;
use crate::rules::sshd_config_broken::faults;
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Comment out lines of sshd_config that the server does not understand";

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    let found = faults(surgery.system()?);
    if found.is_empty() {
        return Err(Stop::Nothing("every line of sshd_config is understood".into()));
    }
    let mut files: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    for (file, number, what) in found {
        files.entry(file).or_default().push((number, what));
    }
    let mut said = Vec::new();
    for (file, lines) in files {
        let text = surgery.system()?.tree.text(&file).unwrap_or_default();
        surgery.write(&file, &comment_out(&text, &lines), 0o644)?;
        said.extend(lines.into_iter().map(|(number, what)| format!("{file} line {number}: {what}")));
    }
    Ok(said.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn the_server_understands_what_is_left() {
        let folder = Folder::new();
        folder.put("etc/ssh/sshd_config", "Port 22\nNonsense yes\n");
        let mut patient = folder.patient();
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert!(folder.read("etc/ssh/sshd_config").ends_with("\n#Nonsense yes\n"));
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
    }
}
