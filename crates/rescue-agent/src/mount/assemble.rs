//! Makes what the disks hold visible: RAID arrays, encrypted devices that are to be unlocked, logical volumes; in rounds, as one may lie
//! on the other, until a round finds nothing new.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::mount::devices::{self, Device};
use crate::mount::notes::{Note, Notes};
use crate::mount::options::Access;
use crate::mount::{Problem, Unlock};

/// More than anybody lays on each other.
const MAX_ROUNDS: usize = 5;

/// What a round has to do, from what is there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Work {
    raid: bool,
    lvm: bool,
    luks: Vec<Device>,
}

fn work(devices: &[Device], seen: &BTreeSet<String>) -> Work {
    let new: Vec<&Device> = devices.iter().filter(|device| !seen.contains(&device.path)).collect();
    let some = |kind: &str| new.iter().any(|device| device.kind == kind);
    Work {
        raid: some("linux_raid_member"),
        lvm: some("LVM2_member"),
        luks: new.iter().filter(|device| device.kind == "crypto_LUKS").map(|device| (*device).clone()).collect(),
    }
}

/// Assembles, and gives all devices that there are then.
///
/// # Errors
/// A tool is missing, a passphrase is wrong, or `--unlock` names no encrypted device.
pub fn all(unlock: &Unlock, access: Access, notes: &mut Notes) -> Result<Vec<Device>, Problem> {
    let mut seen = BTreeSet::new();
    let mut unlocked = false;
    for _ in 0..MAX_ROUNDS {
        let devices = devices::all()?;
        let work = work(&devices, &seen);
        if work == Work::default() {
            break;
        }
        seen.extend(devices.into_iter().map(|device| device.path));
        if work.raid {
            raid(access, notes)?;
        }
        for device in &work.luks {
            let wanted = match unlock {
                Unlock::Nothing => false,
                Unlock::All => true,
                Unlock::One(path) => *path == device.path,
            };
            if wanted {
                luks(device, access, notes)?;
                unlocked = true;
            } else {
                println!(
                    "{}  is encrypted; rescue-mount --unlock {} asks for its passphrase",
                    device.path, device.path
                );
            }
        }
        if work.lvm {
            lvm(access, notes)?;
        }
    }
    match unlock {
        Unlock::One(path) if !unlocked => Err(Problem::new(format!("{path} is not encrypted with LUKS"))),
        _ => devices::all(),
    }
}

/// Arrays come up degraded as well: that is what one is here for. mdadm(8).
fn raid(access: Access, notes: &mut Notes) -> Result<(), Problem> {
    let before = arrays();
    let mut args = vec!["--assemble", "--scan", "--run"];
    if access == Access::Read {
        args.push("--readonly");
    }
    // It ends with 1 or 2 if any array is incomplete; what came up counts.
    run("mdadm", &args, "RAID arrays")?;
    for name in arrays().difference(&before) {
        println!("/dev/{name}  assembled");
        notes.add(Note::Raid(format!("/dev/{name}")))?;
    }
    Ok(())
}

fn arrays() -> BTreeSet<String> {
    let entries = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let array = |name: &String| Path::new("/sys/block").join(name).join("md/array_state").exists();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(array).collect()
}

/// cryptsetup asks for the passphrase itself: on the terminal, or it reads it from a pipe. cryptsetup(8).
fn luks(device: &Device, access: Access, notes: &mut Notes) -> Result<(), Problem> {
    let name = format!("luks-{}", device.uuid);
    if Path::new("/dev/mapper").join(&name).exists() {
        return Ok(());
    }
    let mut args = vec!["open", "--type", "luks"];
    if access == Access::Read {
        args.push("--readonly");
    }
    args.extend([device.path.as_str(), &name]);
    if !run("cryptsetup", &args, "encrypted devices")? {
        return Err(Problem::new(format!("{} was not unlocked", device.path)));
    }
    println!("{}  unlocked as /dev/mapper/{name}", device.path);
    notes.add(Note::Crypt(name))
}

/// lvm(8), lvm.conf(5).
fn lvm(access: Access, notes: &mut Notes) -> Result<(), Problem> {
    let output =
        crate::command::run("/sbin/lvm", &["vgs", "--noheadings", "-o", "vg_name"], std::time::Duration::from_secs(30));
    let output = output.map_err(|_| missing("lvm", "logical volumes"))?;
    for group in output.stdout.split_ascii_whitespace() {
        let only_read = format!("activation/read_only_volume_list=[\"{group}\"]");
        let mut args = vec!["vgchange", "--activate", "y"];
        if access == Access::Read {
            args.extend(["--config", &only_read]);
        }
        args.push(group);
        // Incomplete groups come up in part.
        run("lvm", &args, "logical volumes")?;
        notes.add(Note::Group(group.to_owned()))?;
    }
    Ok(())
}

/// Runs a tool at the terminal. True: it ended well.
fn run(tool: &str, args: &[&str], what: &str) -> Result<bool, Problem> {
    let status = Command::new(format!("/sbin/{tool}"))
        .args(args)
        .stdout(Stdio::null())
        .env("DM_DISABLE_UDEV", "1")
        .env("LVM_SUPPRESS_FD_WARNINGS", "1")
        .status();
    match status {
        Ok(status) => Ok(status.success()),
        Err(_) => Err(missing(tool, what)),
    }
}

fn missing(tool: &str, what: &str) -> Problem {
    Problem::new(format!(
        "this machine has {what}, and this rescue image has no {tool}: leave rescue, and start it with --rescue-image std"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_works_on_what_is_new() {
        let device = |path: &str, kind: &str| Device { path: path.into(), kind: kind.into(), ..Device::default() };
        let devices = [
            device("/dev/vda1", "ext4"),
            device("/dev/vdb", "linux_raid_member"),
            device("/dev/vdc", "linux_raid_member"),
            device("/dev/md0", "crypto_LUKS"),
        ];
        let first = work(&devices, &BTreeSet::new());
        assert!(first.raid && !first.lvm);
        assert_eq!(first.luks, [devices[3].clone()]);
        let seen = devices.iter().map(|device| device.path.clone()).collect();
        assert_eq!(work(&devices, &seen), Work::default());
    }
}
