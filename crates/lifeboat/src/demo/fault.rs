//! What goes wrong in the two stories, how it shows, and how it is put right.

use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Story {
    /// Init was moved away; repaired over ssh
    Init,
    /// A bad line in /etc/fstab; repaired over the serial console
    Fstab,
    /// Both, one after the other
    All,
}

impl Story {
    pub fn faults(self) -> &'static [Fault] {
        match self {
            Self::Init => &[Fault::Init],
            Self::Fstab => &[Fault::Fstab],
            Self::All => &[Fault::Init, Fault::Fstab],
        }
    }
}

/// How a disk is broken; also the word that `tests/guests/break.sh` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Init,
    Fstab,
}

/// The way in for the repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Ssh,
    Serial,
}

impl Fault {
    pub fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Fstab => "fstab",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Init => "somebody moved init away",
            Self::Fstab => "somebody put a bad line into /etc/fstab",
        }
    }

    pub fn way(self) -> Way {
        match self {
            Self::Init => Way::Ssh,
            Self::Fstab => Way::Serial,
        }
    }

    /// Any of these on the console says that the machine will not come up.
    pub fn signs(self) -> &'static [&'static str] {
        match self {
            Self::Init => &["requested /sbin/init", "No working init found", "Attempted to kill init", "Kernel panic"],
            Self::Fstab => &["Dependency failed for", "emergency mode", "Emergency mode"],
        }
    }

    /// One shell command inside the rescue system, where `part` is the partition with the server's root.
    pub fn repair(self, part: &str) -> String {
        let mend = match self {
            Self::Init => "mv /mnt/sbin/init.moved /mnt/sbin/init",
            Self::Fstab => "sed -i '/no-such-disk/d' /mnt/etc/fstab",
        };
        format!("mount /dev/{part} /mnt && {mend} && umount /mnt")
    }
}
