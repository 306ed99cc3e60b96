//! A line for everybody who is there: on the consoles, and in every login over SSH.

use std::path::Path;

use types::verb::{MAX_NOTICE, NoticeShown, VerbFault};

use crate::serial;

/// Shows `text` on `consoles` (names below `dev`) and on all pseudo-terminals.
///
/// # Errors
/// When there is nothing to show, or it is too long.
pub fn show(dev: &Path, consoles: &[String], text: &str) -> Result<NoticeShown, VerbFault> {
    let line = printable(text)?;
    let bytes = format!("\r\n*** {line}\r\n").into_bytes();
    let all = consoles.iter().cloned().chain(logins(dev));
    let terminals = all.filter(|terminal| serial::say(&dev.join(terminal), &bytes).is_ok()).collect();
    Ok(NoticeShown { terminals })
}

/// One line that steers no terminal.
fn printable(text: &str) -> Result<String, VerbFault> {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.trim() {
        "" => Err(VerbFault { message: "a notice needs a text".into() }),
        line if line.chars().count() > MAX_NOTICE => {
            Err(VerbFault { message: format!("a notice has at most {MAX_NOTICE} characters") })
        }
        line => Ok(line.to_owned()),
    }
}

fn logins(dev: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dev.join("pts")) else { return vec![] };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.bytes().all(|b| b.is_ascii_digit())).map(|name| format!("pts/{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_reads_one_line_that_steers_no_terminal() {
        let dev = tempfile::tempdir().unwrap();
        std::fs::create_dir(dev.path().join("pts")).unwrap();
        for name in ["ttyS0", "pts/0", "pts/ptmx"] {
            std::fs::write(dev.path().join(name), "").unwrap();
        }
        let consoles = ["ttyS0".to_string(), "tty1".to_string()];
        let shown = show(dev.path(), &consoles, "ends in 10 minutes\n\x1b[2J ").unwrap();
        assert_eq!(shown.terminals, ["ttyS0", "pts/0"]);
        for name in ["ttyS0", "pts/0"] {
            let text = std::fs::read_to_string(dev.path().join(name)).unwrap();
            assert_eq!(text, "\r\n*** ends in 10 minutes  [2J\r\n");
        }
        assert_eq!(std::fs::read_to_string(dev.path().join("pts/ptmx")).unwrap(), "");
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        let dev = Path::new("/nowhere");
        assert!(show(dev, &[], " \n").is_err());
        assert!(show(dev, &[], &"x".repeat(MAX_NOTICE + 1)).is_err());
        assert!(show(dev, &[], &"x".repeat(MAX_NOTICE)).is_ok());
    }
}
