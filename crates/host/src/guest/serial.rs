//! The serial console's log: what it says as evidence, and the rescue system's frames in it. QEMU appends to it; offsets are bytes
//! from its beginning, and one beyond its end means that it was begun anew.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use types::rescue::{Frame, MAX_FRAME, SERIAL_PREFIX};

/// Lines of evidence in a failure.
pub const EVIDENCE_LINES: usize = 40;
/// Characters of one line of it.
const EVIDENCE_WIDTH: usize = 300;
/// Bytes at the end of the log that evidence is taken from.
const TAIL: u64 = 64 * 1024;
/// A log that is longer is begun anew; the last part of it stays in `serial.log.1`.
const MOST: u64 = 16 << 20;
const KEPT: u64 = 1 << 20;

#[must_use]
pub fn length(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |data| data.len())
}

/// The bytes from an offset on, at most the last `most` of them.
///
/// # Errors
/// As the file system says; no file is no bytes.
pub fn read(log: &Path, from: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut file = match File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let end = file.metadata()?.len();
    let from = if from > end { 0 } else { from };
    file.seek(SeekFrom::Start(from.max(end.saturating_sub(most))))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last bytes, also of before the log was begun anew.
///
/// # Errors
/// As the file system says.
pub fn recent(log: &Path, most: u64) -> io::Result<Vec<u8>> {
    let now = read(log, 0, most)?;
    let missing = most.saturating_sub(now.len() as u64);
    let before = if missing == 0 { Vec::new() } else { read(&log.with_extension("log.1"), 0, missing)? };
    Ok([before, now].concat())
}

/// Of a kernel's panic: lines before it, where what led to it stands.
const BEFORE_PANIC: usize = 12;
const PANIC: &str = "Kernel panic - not syncing";

/// The last lines that the guest printed since the offset, fit to be shown; where its kernel gave up, those about that.
#[must_use]
pub fn evidence(log: &Path, from: u64) -> Vec<String> {
    let lines = lines(log, from);
    let last = lines.len().saturating_sub(EVIDENCE_LINES);
    // What it prints after that of its registers and calls may be longer than what is shown.
    let panic = lines.iter().position(|line| line.contains(PANIC)).map(|at| at.saturating_sub(BEFORE_PANIC));
    let first = panic.map_or(last, |at| at.min(last));
    lines[first..lines.len().min(first + EVIDENCE_LINES)].to_vec()
}

/// The lines near the log's end that the guest printed since the offset, without the empty ones; the last may be half said.
#[must_use]
pub fn lines(log: &Path, from: u64) -> Vec<String> {
    let text = String::from_utf8_lossy(&read(log, from, TAIL).unwrap_or_default()).into_owned();
    text.split(['\n', '\r']).map(clean).filter(|line| !line.is_empty()).collect()
}

/// Whether the kernel has given up since the offset.
#[must_use]
pub fn panicked(log: &Path, from: u64) -> bool {
    let bytes = read(log, from, TAIL).unwrap_or_default();
    String::from_utf8_lossy(&bytes).contains(PANIC)
}

/// The whole frames in the log since the offset, in order. What is not a frame is left out: the kernel prints there as well.
#[must_use]
pub fn frames(log: &Path, from: u64) -> Vec<Frame> {
    let bytes = read(log, from, 4 * MAX_FRAME as u64).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    whole.filter_map(|line| serde_json::from_str(line.split_once(SERIAL_PREFIX)?.1.trim_end()).ok()).collect()
}

/// Without escape sequences (ECMA-48 CSI and OSC) and control characters, and not too long.
fn clean(line: &str) -> String {
    let mut out = String::new();
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\u{1b}' {
            if characters.next_if_eq(&'[').is_some() {
                while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            } else if characters.next_if_eq(&']').is_some() {
                // Ends with BEL, or with ESC and a backslash.
                while characters.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {}
                characters.next_if_eq(&'\\');
            } else {
                characters.next();
            }
        } else if c == '\t' {
            out.push(' ');
        } else if !c.is_control() {
            out.push(c);
        }
        if out.chars().count() >= EVIDENCE_WIDTH {
            break;
        }
    }
    out.trim_end().to_owned()
}

/// Begins a log anew that has grown too long. QEMU appends, so it goes on at the new end.
///
/// # Errors
/// As the file system says.
pub fn trim(log: &Path) -> io::Result<()> {
    if length(log) <= MOST {
        return Ok(());
    }
    let kept = read(log, 0, KEPT)?;
    service::files::write_atomic(&log.with_extension("log.1"), &kept, 0o600)?;
    File::options().write(true).open(log)?.set_len(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_the_last_lines_since_the_boot_without_colours() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("serial.log");
        assert!(evidence(&log, 0).is_empty());
        std::fs::write(&log, "of the boot before: Kernel panic - not syncing\n").unwrap();
        let from = length(&log);
        assert!(panicked(&log, 0) && !panicked(&log, from));
        assert_eq!(clean("\u{1b}]3008;start=1\u{1b}\\web1\u{1b}]0;title\u{7} login:"), "web1 login:");
        let mut text = std::fs::read_to_string(&log).unwrap();
        (0..60).for_each(|n| text += &format!("\u{1b}[1;31mline\u{1b}[0m\t{n}\u{7}\r\n\r\n"));
        text += &"x".repeat(1000);
        std::fs::write(&log, text).unwrap();
        let seen = evidence(&log, from);
        assert_eq!(seen.len(), EVIDENCE_LINES);
        assert_eq!(seen[0], "line 21");
        assert_eq!(seen[39].len(), EVIDENCE_WIDTH);
        assert_eq!(evidence(&log, 1 << 40).len(), EVIDENCE_LINES, "begun anew since");
        let many = |word: &str| (0..60).map(|n| format!("{word} {n}\n")).collect::<String>();
        std::fs::write(&log, format!("{}Kernel panic - not syncing: x\n{}", many("before"), many("call"))).unwrap();
        let seen = evidence(&log, 0);
        assert_eq!((seen[0].as_str(), seen[12].as_str()), ("before 48", "Kernel panic - not syncing: x"));
        assert_eq!((seen.len(), seen[39].as_str()), (EVIDENCE_LINES, "call 26"));
    }

    #[test]
    fn frames_are_found_between_other_lines_once_they_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("serial.log");
        let frame = Frame::Ready { payload: "{}".into(), mac: "00".into() };
        let line = format!("{SERIAL_PREFIX}{}", serde_json::to_string(&frame).unwrap());
        std::fs::write(
            &log,
            format!("boot\r\n[1.0] {line}\r\n{SERIAL_PREFIX}{{\"type\": \"re[2.0] oops\r\n\u{0}\n{line}"),
        )
        .unwrap();
        assert_eq!(frames(&log, 0), [frame]);
    }

    #[test]
    fn a_long_log_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("serial.log");
        let file = File::create(&log).unwrap();
        file.set_len(MOST).unwrap();
        trim(&log).unwrap();
        assert_eq!(length(&log), MOST);
        file.set_len(MOST + 1).unwrap();
        trim(&log).unwrap();
        assert_eq!((length(&log), length(&log.with_extension("log.1"))), (0, KEPT));
        std::fs::write(&log, "new").unwrap();
        assert_eq!(recent(&log, 5).unwrap(), b"\0\0new");
        assert_eq!(recent(&log, 2).unwrap(), b"ew");
    }
}
