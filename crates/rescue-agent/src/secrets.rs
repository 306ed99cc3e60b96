//! Reads what only this boot may know: [`BootSecrets`], from fw_cfg through sysfs.

use std::io;
use std::path::{Path, PathBuf};

use types::rescue::{BootSecrets, FW_CFG_NAME};

/// The secrets could not be taken. The text never repeats any of the file: a parser's own message might.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error("the session's file can't be read from fw_cfg: {0}")]
    Read(#[source] io::Error),
    #[error("the session's file in fw_cfg is not what was agreed: {what} at line {line}, column {column}")]
    Form { what: &'static str, line: usize, column: usize },
}

/// The secrets of this boot; `None` where the machine was given no session, as in a boot over the network.
///
/// # Errors
/// [`SecretsError`] when there is a file, and it is of no use.
pub fn read(sys: &Path) -> Result<Option<BootSecrets>, SecretsError> {
    let path: PathBuf = sys.join("firmware/qemu_fw_cfg/by_name").join(FW_CFG_NAME).join("raw");
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SecretsError::Read(error)),
    };
    parse(&bytes).map(Some)
}

fn parse(bytes: &[u8]) -> Result<BootSecrets, SecretsError> {
    serde_json::from_slice(bytes).map_err(|error| SecretsError::Form {
        what: match error.classify() {
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "no JSON",
            serde_json::error::Category::Data => "a field is missing or of another type",
            serde_json::error::Category::Eof => "it is cut off",
        },
        line: error.line(),
        column: error.column(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"version":1,"session":"0190b3c0-7a5e-7000-8000-000000000001","key":"abab","nonce":"0101","boot":1,
        "ssh_keys":["ssh-ed25519 AAAA me"],"password_hash":"$6$salt$hash","from_a_newer_host":true}"#;

    fn tree(content: Option<&str>) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        if let Some(content) = content {
            let folder = sys.path().join("firmware/qemu_fw_cfg/by_name").join(FW_CFG_NAME);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("raw"), content).unwrap();
        }
        sys
    }

    #[test]
    fn reads_the_session_and_ignores_what_it_does_not_know() {
        let secrets = read(tree(Some(GOOD)).path()).unwrap().unwrap();
        assert_eq!(secrets.ssh_keys, ["ssh-ed25519 AAAA me"]);
        assert_eq!(secrets.password_hash.unwrap().expose(), "$6$salt$hash");
    }

    #[test]
    fn a_machine_without_a_session_is_no_error() {
        assert!(read(tree(None).path()).unwrap().is_none());
    }

    #[test]
    fn a_broken_file_is_told_without_its_content() {
        for bad in ["{\"version\":1,\"key\":\"hunter2", "hunter2", "{\"version\":\"hunter2\"}", "{\"hunter2\":1}"] {
            let error = read(tree(Some(bad)).path()).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
