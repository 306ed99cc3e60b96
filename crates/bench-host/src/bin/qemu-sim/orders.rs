//! Rescue systems that fail, as a test orders it: a word in the file `<this program>.orders` holds for all that are started while it is
//! there.

use std::path::Path;

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The proof is made with another key.
    Wrong,
    /// The proof is that of the boot before.
    Replayed,
    /// The proof is another session's.
    OtherSession,
    /// It says that it is there, and nothing more.
    Silent,
    /// It sees no disks.
    Fewer,
    /// The kernel panics before anything is proven, and with it QEMU ends.
    Panics,
    /// QEMU ends at once.
    Dies,
}

impl Order {
    fn of(word: &str) -> Option<Self> {
        match word.trim() {
            "wrong" => Some(Self::Wrong),
            "replayed" => Some(Self::Replayed),
            "other-session" => Some(Self::OtherSession),
            "silent" => Some(Self::Silent),
            "fewer" => Some(Self::Fewer),
            "panics" => Some(Self::Panics),
            "dies" => Some(Self::Dies),
            _ => None,
        }
    }

    /// The order that holds now.
    pub fn now(program: &Path) -> Option<Self> {
        let mut file = program.as_os_str().to_owned();
        file.push(".orders");
        std::fs::read_to_string(file).ok().and_then(|word| Self::of(&word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_holds_while_its_file_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("qemu");
        assert_eq!(Order::now(&program), None);
        std::fs::write(folder.path().join("qemu.orders"), "wrong\n").unwrap();
        assert_eq!(Order::now(&program), Some(Order::Wrong));
        std::fs::write(folder.path().join("qemu.orders"), "nonsense").unwrap();
        assert_eq!(Order::now(&program), None);
    }
}
