//! Who may get in: root's SSH keys and password, as the session gives them. Without them nobody can.

use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use types::secret::Secret;

/// A credential was not usable. Neither text repeats it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCredential {
    #[error("the password's hash is not in the form of crypt(3)")]
    Hash,
    #[error("root has no line in /etc/shadow")]
    NoRoot,
    #[error("entry {0} of the SSH keys is not one line with a key in it")]
    Key(usize),
}

/// Ways that are open after [`install`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways {
    pub keys: usize,
    pub password: bool,
}

impl Ways {
    /// Whether an SSH server would let anybody in.
    pub fn ssh(self) -> bool {
        self.keys > 0 || self.password
    }
}

/// Whether these can be used, all of them, before anything is changed.
///
/// # Errors
/// [`BadCredential`] says which can't.
pub fn check(ssh_keys: &[String], password_hash: Option<&Secret>) -> Result<(), BadCredential> {
    if let Some(bad) = ssh_keys.iter().position(|key| authorized_keys(std::slice::from_ref(key)).0 == 0) {
        return Err(BadCredential::Key(bad + 1));
    }
    password_hash.map_or(Ok(()), |hash| set_hash("root:*:\n", hash.expose()).map(drop))
}

/// Writes `authorized_keys` and the password's hash below `root`. A bad hash leaves the password locked, and is said on `warn`.
///
/// # Errors
/// When a file can't be written.
pub fn install(
    root: &Path,
    ssh_keys: &[String],
    password_hash: Option<&Secret>,
    mut warn: impl FnMut(String),
) -> io::Result<Ways> {
    let (keys, text) = authorized_keys(ssh_keys);
    if keys < ssh_keys.len() {
        warn(format!("{} of the session's SSH keys were left out: no key in them", ssh_keys.len() - keys));
    }
    let folder = root.join("root/.ssh");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    write_private(&folder.join("authorized_keys"), &text)?;

    let shadow = root.join("etc/shadow");
    let old = std::fs::read_to_string(&shadow)?;
    let hash = password_hash.map_or("*", |hash| hash.expose());
    let (new, password) = match set_hash(&old, hash) {
        Ok(new) => (new, password_hash.is_some()),
        Err(error) => {
            warn(format!("root's password stays locked: {error}"));
            (set_hash(&old, "*").unwrap_or_default(), false)
        }
    };
    write_private(&shadow, &new)?;
    Ok(Ways { keys, password })
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(new, path)
}

/// How many keys are usable, and the file with them. One entry is one line: an entry that holds a line feed could smuggle in another.
fn authorized_keys(keys: &[String]) -> (usize, String) {
    let usable = |key: &&str| !key.is_empty() && !key.starts_with('#') && !key.chars().any(char::is_control);
    let lines: Vec<&str> = keys.iter().map(|key| key.trim()).filter(usable).collect();
    (lines.len(), lines.iter().fold(String::new(), |text, line| text + line + "\n"))
}

/// The text of /etc/shadow with root's second field (shadow(5)) replaced. `*` locks the password.
fn set_hash(shadow: &str, hash: &str) -> Result<String, BadCredential> {
    // crypt(5): `$id$...` in an alphabet without colon, white space, `*`, `!`, `;`, backslash. An empty hash would let everyone in.
    let crypt = hash.len() > 3
        && hash.starts_with('$')
        && hash.bytes().all(|b| b.is_ascii_graphic() && !b":*!;\\".contains(&b));
    if hash != "*" && !crypt {
        return Err(BadCredential::Hash);
    }
    let mut found = false;
    let mut text = String::with_capacity(shadow.len() + hash.len());
    for line in shadow.lines() {
        match line.strip_prefix("root:").and_then(|rest| rest.split_once(':')) {
            Some((_, rest)) => {
                found = true;
                text += &format!("root:{hash}:{rest}\n");
            }
            None => text = text + line + "\n",
        }
    }
    if found { Ok(text) } else { Err(BadCredential::NoRoot) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SHADOW: &str = "root:*:19000:0:99999:7:::\nnobody:*:19000::::::\n";
    const HASH: &str = "$6$saltsalt$abcdefghijklmnop./0123";

    fn install_into(keys: &[&str], hash: Option<&str>) -> (tempfile::TempDir, Ways, Vec<String>) {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/shadow"), SHADOW).unwrap();
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let hash = hash.map(Secret::new);
        let mut warnings = Vec::new();
        let ways = install(root.path(), &keys, hash.as_ref(), |text| warnings.push(text)).unwrap();
        (root, ways, warnings)
    }

    fn read(root: &tempfile::TempDir, path: &str) -> (String, u32) {
        let path = root.path().join(path);
        (std::fs::read_to_string(&path).unwrap(), std::fs::metadata(&path).unwrap().permissions().mode() & 0o777)
    }

    #[test]
    fn keys_and_hash_are_written_for_root_alone() {
        let (root, ways, warnings) = install_into(&["ssh-ed25519 AAAA me", " ssh-rsa BBBB "], Some(HASH));
        assert_eq!((ways, warnings.len()), (Ways { keys: 2, password: true }, 0));
        assert_eq!(read(&root, "root/.ssh/authorized_keys"), ("ssh-ed25519 AAAA me\nssh-rsa BBBB\n".into(), 0o600));
        let shadow = format!("root:{HASH}:19000:0:99999:7:::\nnobody:*:19000::::::\n");
        assert_eq!(read(&root, "etc/shadow"), (shadow, 0o600));
    }

    #[test]
    fn nothing_given_opens_nothing() {
        let (root, ways, _) = install_into(&[], None);
        assert!(!ways.ssh());
        assert_eq!(read(&root, "etc/shadow").0, SHADOW);
        assert_eq!(read(&root, "root/.ssh/authorized_keys").0, "");
    }

    #[test]
    fn a_hash_that_would_open_or_break_something_leaves_the_password_locked() {
        for bad in ["", "$", "plain", "$6$a:b", "$6$salt$x\nother::0:0:::::", "$6$salt$x ", "!", "$6$salt$x*"] {
            let (root, ways, warnings) = install_into(&[], Some(bad));
            assert!(!ways.password, "{bad:?}");
            assert_eq!(warnings.len(), 1, "{bad:?}");
            assert_eq!(read(&root, "etc/shadow").0, SHADOW, "{bad:?}");
        }
    }

    #[test]
    fn a_key_that_holds_a_second_line_is_left_out_and_said() {
        let (root, ways, warnings) = install_into(&["ssh-ed25519 AAAA me\nssh-ed25519 EVIL", "# none", ""], None);
        assert_eq!(ways.keys, 0);
        assert_eq!(read(&root, "root/.ssh/authorized_keys").0, "");
        assert!(warnings[0].contains("3 of the session's SSH keys") && !warnings[0].contains("EVIL"));
    }
}
