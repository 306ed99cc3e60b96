//! `rescue-mount`: the guest's own system, as it is when it runs, below a folder; `rescue-chroot` then enters it.
//!
//! In order: [`assemble`] makes what the disks hold visible (RAID, LUKS, LVM), [`root`] finds the one file system that a system is on,
//! [`fstab`] says what else belongs to it, [`options`] how each kind is mounted without harm, [`kernel`] adds the file systems of the
//! kernel. Each step is noted by [`notes`] before the next begins, so that `--undo` takes back exactly what was done.
//!
//! Nothing is guessed: with two systems on the disks, `--root` has to say which one is meant.

mod assemble;
mod devices;
mod fstab;
mod kernel;
mod notes;
mod options;
mod root;

use std::path::{Path, PathBuf};

use crate::mount::devices::Device;
use crate::mount::notes::{Note, Notes};
use crate::mount::options::Access;

/// The name that it is called by.
pub const NAME: &str = "rescue-mount";
/// The disks of the ready report, for the names that the guest's own kernel gives them.
pub const DISKS: &str = "/run/lifeboat/disks.json";
const NOTES: &str = "/run/lifeboat/mounts";

const USAGE: &str = "\
rescue-mount: mounts this machine's own system, with all that belongs to it, at /mnt

  rescue-mount [--ro] [--unlock [DEVICE]] [--root DEVICE] [DIR]
  rescue-mount --undo

  --ro            nothing is written, not even a journal played back
  --unlock        asks for the passphrase of each encrypted device, or of this one
  --root DEVICE   which one is the root, where there are several
  --undo          unmounts all of it, closes what was unlocked, stops what was assembled

Afterwards: rescue-chroot, a shell inside that system.
";

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Help,
    Undo,
    Mount(Wanted),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Wanted {
    read_only: bool,
    unlock: Unlock,
    root: Option<String>,
    dir: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Unlock {
    #[default]
    Nothing,
    All,
    One(String),
}

/// Why it could not be done, with what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

impl Problem {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Runs the command; gives the exit code: 2 for what was asked wrongly.
pub fn command(args: impl Iterator<Item = String>) -> u8 {
    let done = match parse(args) {
        Ok(Asked::Help) => {
            print!("{USAGE}");
            return 0;
        }
        Ok(Asked::Undo) => notes::undo(&mut Notes::open(Path::new(NOTES)), |text| println!("{text}")),
        Ok(Asked::Mount(wanted)) => mount(&wanted),
        Err(problem) => {
            eprintln!("rescue-mount: {problem}\n\n{USAGE}");
            return 2;
        }
    };
    match done {
        Ok(()) => 0,
        Err(problem) => {
            eprintln!("rescue-mount: {problem}");
            1
        }
    }
}

fn parse(args: impl Iterator<Item = String>) -> Result<Asked, Problem> {
    let mut wanted = Wanted::default();
    let mut dir = None;
    let mut args = args.peekable();
    while let Some(word) = args.next() {
        match word.as_str() {
            "-h" | "--help" => return Ok(Asked::Help),
            "--undo" => return Ok(Asked::Undo),
            "--ro" => wanted.read_only = true,
            "--unlock" => {
                let device = args.next_if(|next| next.starts_with("/dev/"));
                wanted.unlock = device.map_or(Unlock::All, Unlock::One);
            }
            "--root" => {
                let device = args.next().ok_or_else(|| Problem::new("--root wants a device: --root /dev/vda2"))?;
                wanted.root = Some(device);
            }
            flag if flag.starts_with('-') => return Err(Problem::new(format!("'{flag}' is not known"))),
            path if dir.is_none() && path.starts_with('/') => dir = Some(PathBuf::from(path)),
            other => return Err(Problem::new(format!("'{other}': one folder is wanted, with all of its path"))),
        }
    }
    wanted.dir = dir.unwrap_or_else(|| "/mnt".into());
    Ok(Asked::Mount(wanted))
}

fn mount(wanted: &Wanted) -> Result<(), Problem> {
    let mut notes = Notes::open(Path::new(NOTES));
    if notes.all().iter().any(|note| matches!(note, Note::Mount(_))) {
        return Err(Problem::new(
            "a system is mounted already: rescue-chroot enters it, rescue-mount --undo unmounts it",
        ));
    }
    std::fs::create_dir_all(&wanted.dir)
        .map_err(|error| Problem::new(format!("{} can't be made: {error}", wanted.dir.display())))?;
    let access = if wanted.read_only { Access::Read } else { Access::Write };
    let devices = assemble::all(&wanted.unlock, access, &mut notes)?;
    let found = root::find(&devices, wanted.root.as_deref())?;
    let said = options::mount(&found.device, &found.options(), &wanted.dir, access)?;
    notes.add(Note::Mount(wanted.dir.clone()))?;
    println!("{}  {said}", wanted.dir.display());

    for entry in fstab::wanted(&wanted.dir, &devices, Path::new(DISKS)) {
        match entry.device.and_then(|device| {
            let place = kernel::inside(&wanted.dir, &entry.place)?;
            let said = options::mount(&device, &entry.options, &place, access)?;
            notes.add(Note::Mount(place.clone()))?;
            Ok((place, said))
        }) {
            Ok((place, said)) => println!("{}  {said}", place.display()),
            Err(problem) => eprintln!("left out: {}: {problem}", entry.place),
        }
    }
    kernel::add(&wanted.dir, &mut notes)?;
    println!("\nrescue-chroot{} enters it; rescue-mount --undo takes it all back", folder(&wanted.dir));
    Ok(())
}

fn folder(dir: &Path) -> String {
    if dir == Path::new("/mnt") { String::new() } else { format!(" {}", dir.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Asked, String> {
        parse(words.split_ascii_whitespace().map(str::to_owned)).map_err(|problem| problem.to_string())
    }
    fn wanted(read_only: bool, unlock: Unlock, root: Option<&str>, dir: &str) -> Asked {
        Asked::Mount(Wanted { read_only, unlock, root: root.map(str::to_owned), dir: dir.into() })
    }

    #[test]
    fn words_say_what_is_wanted() {
        let device = |name: &str| Unlock::One(name.into());
        assert_eq!(parsed(""), Ok(wanted(false, Unlock::Nothing, None, "/mnt")));
        assert_eq!(parsed("--ro --unlock /dev/md0 /sys2"), Ok(wanted(true, device("/dev/md0"), None, "/sys2")));
        assert_eq!(parsed("--unlock --root /dev/vda2"), Ok(wanted(false, Unlock::All, Some("/dev/vda2"), "/mnt")));
        assert_eq!(parsed("--undo"), Ok(Asked::Undo));
        assert_eq!(parsed("--help"), Ok(Asked::Help));
        for bad in ["--root", "--rw", "mnt", "/a /b"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }
}
