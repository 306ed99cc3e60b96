//! Where QEMU's process belongs, so that it outlives what the agent runs in. A session of its own it always has (`-daemonize`); beyond that,
//! systemd ends all that is in the cgroup of a unit that it stops, and a container's runtime all that is in the container's. So a QEMU that
//! has started is moved out: into a scope of its own (systemd.scope(5)), or into a cgroup beside the agent's (cgroups(7)).
//!
//! A container has to let it: the machine's pid namespace, and the machine's cgroup tree mounted where `cgroup_root` says.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use types::id::GuestId;

/// The folder of our cgroups in the second version's tree.
const OURS: &str = "lifeboat";
/// A machine whose first process is systemd; sd_booted(3).
const SYSTEMD: &str = "/run/systemd/system";

/// What the configuration wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// The first that there is.
    #[default]
    Auto,
    Systemd,
    Cgroup,
    None,
}

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// systemd runs the machine, and can be asked.
    pub systemd: bool,
    /// The tree of the second version, if it can be written.
    pub tree: Option<PathBuf>,
    /// `cgroup.procs` of the first version's trees in which this process is below the top: their tops.
    pub tops: Vec<PathBuf>,
    /// This process is in the topmost cgroup of every tree: nobody ends what is in there.
    pub at_the_top: bool,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Systemd,
    Cgroup {
        tree: PathBuf,
        tops: Vec<PathBuf>,
    },
    /// Nothing: QEMU stays in the agent's cgroup.
    Session,
}

/// Decides; with why.
///
/// # Errors
/// What is wanted can't be had.
pub fn decide(wanted: Wanted, seen: &Seen) -> Result<(Scope, &'static str), &'static str> {
    let cgroup = |tree: &PathBuf| Scope::Cgroup { tree: tree.clone(), tops: seen.tops.clone() };
    match (wanted, seen.systemd, &seen.tree) {
        (Wanted::None, ..) => Ok((Scope::Session, "scope says so")),
        (Wanted::Auto | Wanted::Systemd, true, _) => Ok((Scope::Systemd, "systemd runs this machine")),
        (Wanted::Systemd, false, _) => {
            Err("systemd does not run here, or busctl is not installed, or the agent is not root")
        }
        (Wanted::Cgroup, _, Some(tree)) => Ok((cgroup(tree), "scope says so")),
        (Wanted::Cgroup, _, None) => Err("the cgroup tree below cgroup_root can't be written"),
        (Wanted::Auto, false, _) if seen.at_the_top => {
            Ok((Scope::Session, "the agent is in no cgroup that could be ended"))
        }
        (Wanted::Auto, false, Some(tree)) => Ok((cgroup(tree), "the agent is in a cgroup that may be ended")),
        (Wanted::Auto, false, None) => {
            Ok((Scope::Session, "there is no systemd to ask, and the cgroup tree can't be written"))
        }
    }
}

/// Looks. `root`: where the machine's cgroup trees are.
#[must_use]
pub fn look(root: &Path) -> Seen {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let is_root = rustix::process::geteuid().is_root();
    let tree = [root.to_owned(), root.join("unified")].into_iter().find(|tree| tree.join("cgroup.procs").is_file());
    Seen {
        systemd: is_root
            && Path::new(SYSTEMD).is_dir()
            && busctl().arg("--version").output().is_ok_and(|it| it.status.success()),
        tree: tree.filter(|tree| rustix::fs::access(tree, rustix::fs::Access::WRITE_OK).is_ok()),
        tops: tops(&own, root),
        at_the_top: own.lines().all(|line| line.ends_with(":/")),
    }
}

/// From `/proc/self/cgroup` (cgroups(7)): `4:memory:/some/where`, of the second version `0::/some/where`.
fn tops(own: &str, root: &Path) -> Vec<PathBuf> {
    let below = own.lines().filter_map(|line| {
        let mut words = line.splitn(3, ':').skip(1);
        let (controllers, path) = (words.next()?, words.next()?);
        (!controllers.is_empty() && path != "/").then(|| controllers.trim_start_matches("name="))
    });
    below.map(|controllers| root.join(controllers).join("cgroup.procs")).filter(|path| path.is_file()).collect()
}

impl Scope {
    /// For people.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Systemd => "a scope of systemd's",
            Self::Cgroup { .. } => "a cgroup of its own",
            Self::Session => "the agent's cgroup",
        }
    }

    /// Moves a QEMU that has started. Blocks for a moment.
    ///
    /// # Errors
    /// It stays where it is.
    pub fn admit(&self, guest: GuestId, pid: i32) -> io::Result<()> {
        match self {
            Self::Session => Ok(()),
            Self::Cgroup { tree, tops } => {
                let own = tree.join(OURS).join(guest.to_string());
                std::fs::create_dir_all(&own)?;
                tops.iter().try_for_each(|top| std::fs::write(top, pid.to_string()))?;
                std::fs::write(own.join("cgroup.procs"), pid.to_string())
            }
            Self::Systemd => {
                let output = busctl().args(start_unit(guest, pid)).stdin(Stdio::null()).output()?;
                if output.status.success() {
                    return Ok(());
                }
                Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
            }
        }
    }

    /// Clears away what guests left that ended while no agent was there. The kernel keeps a cgroup in which a process is.
    pub fn sweep(&self) {
        if let Self::Cgroup { tree, .. } = self
            && let Ok(left) = std::fs::read_dir(tree.join(OURS))
        {
            left.flatten().for_each(|folder| drop(std::fs::remove_dir(folder.path())));
        }
    }

    /// Clears away what is empty now. systemd does it by itself.
    pub fn forget(&self, guest: GuestId) {
        if let Self::Cgroup { tree, .. } = self {
            let _ = std::fs::remove_dir(tree.join(OURS).join(guest.to_string()));
        }
    }
}

fn busctl() -> Command {
    Command::new("busctl")
}

/// org.freedesktop.systemd1(5): a scope that takes a process in. It is stopped after the agent when the machine goes down, so that the agent
/// does not take the end of its guests for theirs.
fn start_unit(guest: GuestId, pid: i32) -> Vec<String> {
    let manager =
        "call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartTransientUnit";
    let call = format!(
        "{manager} ssa(sv)a(sa(sv)) lifeboat-guest-{guest}-{pid}.scope fail 4 \
         Description s lifeboat-guest PIDs au 1 {pid} CollectMode s inactive-or-failed Before as 1 lifeboat-host.service 0"
    );
    call.split_ascii_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_empty_cgroups_are_swept_away() {
        let tree = tempfile::tempdir().unwrap();
        let ours = |name: &str| tree.path().join(OURS).join(name);
        std::fs::create_dir_all(ours("ended")).unwrap();
        // Stands for one with a process: neither can be removed.
        std::fs::create_dir_all(ours("runs").join("x")).unwrap();
        Scope::Cgroup { tree: tree.path().into(), tops: vec![] }.sweep();
        assert!(!ours("ended").exists() && ours("runs").exists());
    }

    #[test]
    fn what_is_there_decides_and_what_is_wanted_goes_first() {
        let tree = Some(PathBuf::from("/c"));
        let seen = |systemd, tree: &Option<PathBuf>, at_the_top| Seen {
            systemd,
            tree: tree.clone(),
            tops: vec![],
            at_the_top,
        };
        let cgroup = Scope::Cgroup { tree: "/c".into(), tops: vec![] };
        let table = [
            (Wanted::Auto, seen(true, &tree, false), Some(Scope::Systemd)),
            (Wanted::Auto, seen(false, &tree, false), Some(cgroup.clone())),
            (Wanted::Auto, seen(false, &tree, true), Some(Scope::Session)),
            (Wanted::Auto, seen(false, &None, false), Some(Scope::Session)),
            (Wanted::Systemd, seen(true, &None, true), Some(Scope::Systemd)),
            (Wanted::Systemd, seen(false, &tree, false), None),
            (Wanted::Cgroup, seen(true, &tree, true), Some(cgroup)),
            (Wanted::Cgroup, seen(true, &None, true), None),
            (Wanted::None, seen(true, &tree, false), Some(Scope::Session)),
        ];
        for (wanted, seen, expected) in table {
            assert_eq!(decide(wanted, &seen).ok().map(|it| it.0), expected, "{wanted:?} {seen:?}");
        }
    }

    #[test]
    fn the_trees_in_which_this_process_is_below_the_top_are_found() {
        let root = tempfile::tempdir().unwrap();
        for tree in ["memory", "cpu,cpuacct", "pids", "systemd"] {
            std::fs::create_dir(root.path().join(tree)).unwrap();
            std::fs::write(root.path().join(tree).join("cgroup.procs"), "").unwrap();
        }
        let own = "9:name=systemd:/pod\n8:pids:/\n5:cpu,cpuacct:/pod/a:b\n4:memory:/pod\n3:hugetlb:/pod\n0::/pod\n";
        let found = tops(own, root.path());
        let expected = ["systemd", "cpu,cpuacct", "memory"].map(|tree| root.path().join(tree).join("cgroup.procs"));
        assert_eq!(found, expected);
    }

    /// As busctl(1) wants it; `make test-units` has a systemd take it.
    #[test]
    fn systemd_is_asked_for_a_scope_with_the_process_in_it() {
        let guest = GuestId::from_uuid(uuid::Uuid::nil());
        let words = start_unit(guest, 42);
        assert_eq!(words.iter().skip_while(|it| *it != "PIDs").take(4).collect::<Vec<_>>(), ["PIDs", "au", "1", "42"]);
        assert_eq!(words[..2], ["call", "org.freedesktop.systemd1"]);
        assert_eq!(words[4..6], ["StartTransientUnit", "ssa(sv)a(sa(sv))"]);
        assert!(words[6].starts_with("lifeboat-guest-0000") && words[6].ends_with("-42.scope"), "{words:?}");
    }
}
