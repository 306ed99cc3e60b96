//! Writes the type that is really on the device into lines of /etc/fstab.

use crate::rules::fstab_wrong_type;
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Correct the file system's type in /etc/fstab";

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    let wrong = fstab_wrong_type::lines(surgery.patient);
    if wrong.is_empty() {
        return Err(Stop::Nothing("every line of /etc/fstab names the file system that is there".into()));
    }
    let text = surgery.system()?.tree.text("/etc/fstab").unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    for (line, real) in &wrong {
        if let Some(text) = lines.get_mut(line.number - 1) {
            *text = with_field(text, 2, real);
        }
    }
    surgery.write("/etc/fstab", &(lines.join("\n") + "\n"), 0o644)?;
    let said: Vec<String> =
        wrong.iter().map(|(line, real)| format!("line {}: {} is now {real}", line.number, line.kind)).collect();
    Ok(said.join("; "))
}

/// The line with its field of that number (from 0) replaced; white space stays as it is.
pub fn with_field(line: &str, number: usize, value: &str) -> String {
    let mut out = String::new();
    let mut field = 0;
    let mut rest = line;
    loop {
        let blank = rest.len() - rest.trim_start().len();
        out += &rest[..blank];
        rest = &rest[blank..];
        if rest.is_empty() {
            return out;
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        out += if field == number { value } else { &rest[..end] };
        rest = &rest[end..];
        field += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn one_field_changes_and_nothing_else() {
        let folder = Folder::new();
        folder.put("etc/fstab", "# x\nLABEL=root  /\txfs  defaults 0 1\n");
        let mut patient = folder.patient();
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert_eq!(folder.read("etc/fstab"), "# x\nLABEL=root  /\text4  defaults 0 1\n");
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
    }
}
