//! Turning the machine off without harm to its disks: on the host's request, or when the power button is pressed (ACPI).

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount_remount, unmount};
use rustix::process::{Pid, Signal, kill_process};
use rustix::system::{RebootCommand, reboot};

/// Only one thread turns the machine off.
static OFF: Mutex<()> = Mutex::new(());
/// How long programs have to let go of the disks after each signal.
const PATIENCE: Duration = Duration::from_secs(2);

/// Syncs, unmounts, powers off. Programs are ended only where they hold something that is mounted; what can't be unmounted even
/// then is made read-only, and told to `complain`. Returns only if the kernel refuses to power off.
pub fn off(mut complain: impl FnMut(String)) {
    let Ok(_only_one) = OFF.lock() else { return };
    eprintln!("lifeboat: turning the machine off");
    rustix::fs::sync();
    if !unmount_all() {
        for signal in [Signal::TERM, Signal::KILL] {
            end_programs(signal);
            let deadline = Instant::now() + PATIENCE;
            while !unmount_all() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
    for left in mounted() {
        if mount_remount(&left, MountFlags::RDONLY, "").is_err() {
            complain(format!("{} can't be unmounted; it is synced", left.display()));
        }
    }
    rustix::fs::sync();
    if let Err(error) = reboot(RebootCommand::PowerOff) {
        complain(format!("the machine can't be turned off: {error}"));
    }
}

fn unmount_all() -> bool {
    for target in mounted() {
        let _ = unmount(&target, UnmountFlags::empty());
    }
    mounted().is_empty()
}

fn mounted() -> Vec<PathBuf> {
    to_unmount(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

/// What has to be unmounted, in order: whatever is below /mnt or on a device, the last mounted first. proc(5), mountinfo: fields
/// by spaces, the fifth is the mount point; after ` - ` come type and source; spaces in names are octal.
fn to_unmount(mountinfo: &str) -> Vec<PathBuf> {
    let ours = |line: &str| -> Option<PathBuf> {
        let (left, right) = line.split_once(" - ")?;
        let target = unescape(left.split(' ').nth(4)?);
        let source = right.split(' ').nth(1)?;
        (source.starts_with("/dev/") || target.starts_with("/mnt/") || target == "/mnt").then(|| target.into())
    };
    let mut targets: Vec<PathBuf> = mountinfo.lines().filter_map(ours).collect();
    targets.reverse();
    targets
}

fn unescape(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_string(), |text, (code, char)| text.replace(code, char))
}

/// Signals every program but init and this one. Kernel threads have no executable.
fn end_programs(signal: Signal) {
    let Ok(entries) = std::fs::read_dir("/proc") else { return };
    let me = rustix::process::getpid();
    for entry in entries.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid
            && pid != me
            && !pid.is_init()
            && std::fs::read_link(entry.path().join("exe")).is_ok()
        {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Waits for the power button for ever; returns when it was pressed. Without a button it does not return.
pub fn wait_for_button(sys: &Path, dev: &Path) {
    let pressed = |path: PathBuf| -> bool { File::open(path).is_ok_and(|mut file| read_press(&mut file)) };
    let (sender, receiver) = std::sync::mpsc::channel();
    for path in buttons(sys, dev) {
        let sender = sender.clone();
        std::thread::spawn(move || pressed(path).then(|| sender.send(())));
    }
    if receiver.recv().is_err() {
        loop {
            std::thread::park();
        }
    }
}

fn buttons(sys: &Path, dev: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(sys.join("class/input")) else { return vec![] };
    let is_button =
        |path: &Path| std::fs::read_to_string(path.join("device/name")).is_ok_and(|name| name.trim() == "Power Button");
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("event") && is_button(&entry.path()))
        .map(|entry| dev.join("input").join(entry.file_name()))
        .collect()
}

/// Reads `struct input_event` (24 bytes: time in 16, type, code, value) until KEY_POWER goes down; false at the end of the file.
fn read_press(file: &mut impl Read) -> bool {
    const EV_KEY: [u8; 2] = 1u16.to_ne_bytes();
    const KEY_POWER: [u8; 2] = 116u16.to_ne_bytes();
    const DOWN: [u8; 4] = 1i32.to_ne_bytes();
    let mut event = [0; 24];
    while file.read_exact(&mut event).is_ok() {
        if event[16..18] == EV_KEY && event[18..20] == KEY_POWER && event[20..24] == DOWN {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_file_systems_are_unmounted_innermost_first() {
        let mountinfo = "1 1 0:2 / / rw - rootfs rootfs rw\n\
            20 1 0:19 / /proc rw,relatime - proc proc rw\n\
            21 1 0:5 / /dev rw - devtmpfs devtmpfs rw\n\
            30 1 254:1 / /mnt rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
            31 30 0:5 / /mnt/dev rw - devtmpfs devtmpfs rw\n\
            32 1 254:2 / /media/a\\040b rw - xfs /dev/vda2 rw\n\
            33 1 0:40 / /mntx rw - tmpfs tmpfs rw\n";
        let got: Vec<String> = to_unmount(mountinfo).iter().map(|path| path.display().to_string()).collect();
        assert_eq!(got, ["/media/a b", "/mnt/dev", "/mnt"]);
    }

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        [&[9; 16][..], &kind.to_ne_bytes(), &code.to_ne_bytes(), &value.to_ne_bytes()].concat()
    }

    #[test]
    fn only_the_power_key_going_down_counts() {
        let others = [event(0, 116, 1), event(1, 30, 1), event(1, 116, 0)].concat();
        assert!(!read_press(&mut &others[..]));
        assert!(read_press(&mut &[others, event(1, 116, 1)].concat()[..]));
        assert!(!read_press(&mut &event(1, 116, 1)[..20]));
    }

    #[test]
    fn buttons_are_found_by_name() {
        let sys = tempfile::tempdir().unwrap();
        for (entry, name) in [("event0", "Power Button\n"), ("event1", "AT keyboard\n"), ("input3", "Power Button\n")] {
            let folder = sys.path().join("class/input").join(entry).join("device");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("name"), name).unwrap();
        }
        assert_eq!(buttons(sys.path(), Path::new("/dev")), [PathBuf::from("/dev/input/event0")]);
    }
}
