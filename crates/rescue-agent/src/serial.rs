//! The serial console: frames on lines of their own, where the virtio-serial port does not work.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use types::rescue::{Frame, SERIAL_PREFIX};

use crate::frames;

const KERNEL_LOG_LEVEL: &str = "/proc/sys/kernel/printk";

/// Prints the frame. The kernel keeps silent meanwhile: a message of its in the middle would spoil the line.
///
/// # Errors
/// When the console can't be written.
pub fn print(device: &Path, frame: &Frame) -> io::Result<()> {
    let level = std::fs::read_to_string(KERNEL_LOG_LEVEL).unwrap_or_default();
    let _ = std::fs::write(KERNEL_LOG_LEVEL, "1");
    let result = write(device, frame);
    if let Some(level) = level.split_ascii_whitespace().next() {
        let _ = std::fs::write(KERNEL_LOG_LEVEL, level);
    }
    result
}

fn write(device: &Path, frame: &Frame) -> io::Result<()> {
    let mut line = format!("\n{SERIAL_PREFIX}").into_bytes();
    line.extend(frames::line(frame));
    say(device, &line)
}

/// Writes to a terminal.
///
/// # Errors
/// When there is none, or nothing behind it.
pub fn say(device: &Path, text: &[u8]) -> io::Result<()> {
    // It must not become this process's terminal, or a Ctrl-C there would end it and no getty could have it; nor may a line
    // without a carrier hold the opening up.
    let flags = i32::try_from((OFlags::NOCTTY | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let mut file = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(device)?;
    rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
    file.write_all(text)?;
    // A getty that comes next throws away what is still on its way out.
    if rustix::termios::isatty(&file) {
        rustix::termios::tcdrain(&file)?;
    }
    Ok(())
}

/// Decides when the ready frame goes to the serial console.
///
/// At once where there is no port; where there is one, only after the host had time to connect. Then a few times more: the first
/// may have been lost in what else was printed.
#[derive(Default)]
pub struct Fallback {
    printed: usize,
}

/// Since the system was ready.
const TIMES: [Duration; 3] = [Duration::from_secs(3), Duration::from_secs(15), Duration::from_secs(60)];

impl Fallback {
    /// Whether to print now, `since` after the system was ready. `delivered`: the port has carried the frame.
    pub fn due(&mut self, since: Duration, port: bool, delivered: bool) -> bool {
        let at = match self.printed {
            0 if !port => Some(Duration::ZERO),
            n => TIMES.get(n).copied(),
        };
        let due = !delivered && at.is_some_and(|at| since >= at);
        self.printed += usize::from(due);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_line_of_its_own_behind_the_prefix() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "").unwrap();
        write(file.path(), &Frame::Hello { version: 1 }).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text, "\nLIFEBOAT-FRAME {\"type\":\"hello\",\"version\":1}\n");
    }

    #[test]
    fn when_the_console_is_used() {
        let s = Duration::from_secs;
        // (port there, delivered) at each of these seconds
        let run = |port: bool, delivered_at: u64| -> Vec<u64> {
            let mut fallback = Fallback::default();
            (0..100).filter(|second| fallback.due(s(*second), port, *second >= delivered_at)).collect()
        };
        assert_eq!(run(true, 0), [0; 0]);
        assert_eq!(run(true, 2), [0; 0]);
        assert_eq!(run(true, 1000), [3, 15, 60]);
        assert_eq!(run(true, 5), [3]);
        assert_eq!(run(false, 1000), [0, 15, 60]);
    }
}
