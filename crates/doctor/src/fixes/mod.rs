//! All fixes, one file each: the list below is the order in which they run. Which of them are safe is said by the rules that offer
//! them, as it depends on what they mend.

use crate::patient::Patient;
use crate::surgery::{Outcome, Step, Stop, Surgery};

/// How a fix works.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// Commands on devices, planned on the mounted machine and run while nothing is mounted.
    Offline(fn(&Patient) -> Result<Vec<Step>, Stop>),
    /// Inside the machine's system, mounted for writing.
    Online(fn(&mut Surgery<'_>) -> Outcome),
}

#[derive(Debug, Clone, Copy)]
pub struct Fix {
    pub code: &'static str,
    /// What it does, in a line.
    pub title: &'static str,
    pub way: Way,
}

macro_rules! fixes {
    ($($way:ident $code:ident),+ $(,)?) => {
        $(pub mod $code;)+

        /// Every fix, in order.
        #[must_use]
        pub fn all() -> Vec<Fix> {
            vec![$(Fix { code: stringify!($code), title: $code::TITLE, way: Way::$way($code::run) }),+]
        }
    };
}

fixes! {
    Offline superblock_restore,
    Offline luks_header_repair,
    Offline lvm_forget_disk,
    Offline filesystem_repair,
    Offline esp_make,
    Online free_space,
    Online fstab_correct_type,
    Online fstab_comment_out,
    Online init_restore,
    Online library_links,
    Online package_reinstall,
    Online initramfs_rebuild,
    Online bootloader_root,
    Online bootloader_regenerate,
    Online esp_loader_copy,
    Online default_target_reset,
    Online machine_id_reset,
    Online root_unlock,
    Online root_access,
    Online sshd_comment_out,
    Online sshd_keys_make,
    Online network_forget_nic,
    Online selinux_relabel_mark,
}

/// The fix with that code.
#[must_use]
pub fn get(code: &str) -> Option<Fix> {
    all().into_iter().find(|fix| fix.code == code)
}

/// Puts `#` before lines of a text, and a line above each that says why. `marked`: line numbers from 1 with the reasons.
fn comment_out(text: &str, marked: &[(usize, String)]) -> String {
    let mut out = String::with_capacity(text.len() + 128);
    for (index, line) in text.lines().enumerate() {
        match marked.iter().find(|(number, _)| *number == index + 1) {
            Some((_, why)) => out += &format!("# Commented out by a rescue: {why}\n#{line}\n"),
            None => out = out + line + "\n",
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_titles_are_there() {
        let all = all();
        for fix in &all {
            assert_eq!(all.iter().filter(|other| other.code == fix.code).count(), 1);
            assert!(fix.title.len() > 15, "{}: say what it does", fix.code);
        }
    }

    #[test]
    fn only_the_lines_that_are_named_become_comments() {
        let text = comment_out("a\nb\nc\n", &[(2, "why".into())]);
        assert_eq!(text, "a\n# Commented out by a rescue: why\n#b\nc\n");
    }
}
