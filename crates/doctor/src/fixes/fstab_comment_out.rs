//! Turns lines of /etc/fstab that can't be served into comments. The root's own line gets the name of the root that is there.

use super::comment_out;
use super::fstab_correct_type::with_field;
use crate::rules::{fstab_bad_option, fstab_bad_syntax, fstab_missing_device};
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str =
    "Comment out lines of /etc/fstab that can't be served (the line of / gets the root that is there)";

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    let patient = &*surgery.patient;
    let mut marked: Vec<(usize, String, String)> = Vec::new();
    for line in fstab_missing_device::lines(patient) {
        let why = format!("there is no {}; put it back with the option nofail", crate::tools::clean(&line.device));
        marked.push((line.number, line.point, why));
    }
    for (line, fault) in fstab_bad_syntax::lines(patient) {
        marked.push((line.number, line.point, fault));
    }
    for (line, option) in fstab_bad_option::lines(patient) {
        marked.push((line.number, line.point, format!("its file system knows no option {option}")));
    }
    if marked.is_empty() {
        return Err(Stop::Nothing("every line of /etc/fstab can be served, or the boot goes on without it".into()));
    }
    let system = surgery.system()?;
    let mut text = system.tree.text("/etc/fstab").unwrap_or_default();
    let mut said = Vec::new();
    // Without its line the root would stay read-only.
    if let Some(at) = marked.iter().position(|(_, point, _)| point == "/") {
        let number = marked[at].0;
        marked.retain(|(other, _, _)| *other != number);
        let device = &system.device;
        let name = if device.uuid.is_empty() { device.path() } else { format!("UUID={}", device.uuid) };
        let mut lines: Vec<String> = text.lines().map(String::from).collect();
        if let Some(line) = lines.get_mut(number - 1) {
            *line = with_field(&with_field(&with_field(line, 0, &name), 2, &device.filesystem), 3, "defaults");
        }
        text = lines.join("\n") + "\n";
        said.push(format!("line {number}: / is now {name}"));
    }
    marked.sort();
    marked.dedup_by_key(|(number, _, _)| *number);
    let comments: Vec<(usize, String)> = marked.into_iter().map(|(number, _, why)| (number, why)).collect();
    said.extend(comments.iter().map(|(number, why)| format!("line {number} is now a comment: {why}")));
    surgery.write("/etc/fstab", &comment_out(&text, &comments), 0o644)?;
    Ok(said.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    const FSTAB: &str =
        "LABEL=root / ext4 defaults 0 1\nLABEL=no-such /data ext4 defaults 0 2\nbad\ntmpfs /t tmpfs nonsense 0 0\n";

    #[test]
    fn lines_that_cannot_be_served_become_comments_once() {
        let folder = Folder::new();
        folder.put("etc/fstab", FSTAB);
        let mut patient = folder.patient();
        let mut dry = Surgery::new(&mut patient, true);
        run(&mut dry).unwrap();
        assert_eq!(dry.planned[0].diff.as_ref().unwrap().matches("\n+#").count(), 6);
        assert_eq!(folder.read("etc/fstab"), FSTAB);
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        let text = folder.read("etc/fstab");
        assert!(
            text.contains("\n#LABEL=no-such /data") && text.contains("\n#bad\n") && text.contains("\n#tmpfs"),
            "{text}"
        );
        assert!(text.starts_with("LABEL=root / ext4") && text.contains("nofail"));
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
    }

    #[test]
    fn the_roots_line_gets_the_root_that_is_there() {
        let folder = Folder::new();
        folder.put("etc/fstab", "UUID=gone / xfs defaults,bogus 0 1\n");
        let mut patient = folder.patient();
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert_eq!(folder.read("etc/fstab"), "UUID=aaaa / ext4 defaults 0 1\n");
    }
}
