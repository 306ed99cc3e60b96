//! What a rescue image is made of: `manifest.json`, signed beside it.
//!
//! Everything in it is checked when it is read, so that a [`Manifest`] in hand holds no name that leaves a folder and no command line
//! that breaks out of its argument.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::desc::BootFile;
use types::status::Arch;

use crate::digest::Digest;

/// The format that is written and read.
pub const FORMAT: u32 = 1;
/// Bytes. A longer manifest is not read.
pub const MAX_MANIFEST: usize = 64 * 1024;
/// Bytes. A longer signature is not read.
pub const MAX_SIGNATURE: usize = 4 * 1024;
/// Bytes; the kernel's own limit on x86 is 2048 with what the host adds.
const MAX_CMDLINE: usize = 1536;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    /// `[a-z0-9._-]`, 1 to 64 of them, not beginning with a dot; also the name of the image's folder.
    pub name: String,
    /// Letters, digits and `.+~_-`, 1 to 64 of them.
    pub version: String,
    /// Rises with every manifest signed for one name and version; a lower one than was seen is refused.
    pub serial: u64,
    pub arch: Arch,
    pub kernel: ManifestFile,
    pub initramfs: ManifestFile,
    /// The kernel's command line: printable ASCII.
    pub cmdline: String,
    pub min_memory_mib: u32,
    /// Kernel drivers that the image brings, by module name.
    #[serde(default)]
    pub drivers: Vec<String>,
    /// Refused from this moment on (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// In the image's folder; the same characters as a name.
    pub file: String,
    pub sha256: Digest,
    /// Bytes, more than 0.
    pub size: u64,
}

impl From<&ManifestFile> for BootFile {
    fn from(file: &ManifestFile) -> Self {
        Self { sha256: file.sha256.to_string(), size: file.size }
    }
}

/// A manifest's content is not allowed. Names the field, what is there and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("manifest: {0}")]
pub struct BadManifest(String);

impl Manifest {
    /// Reads and checks. Does not look at any signature: see [`crate::trust`].
    ///
    /// # Errors
    /// [`BadManifest`].
    pub fn parse(json: &[u8]) -> Result<Self, BadManifest> {
        if json.len() > MAX_MANIFEST {
            return Err(BadManifest(format!("{} bytes are too many, at most {MAX_MANIFEST}", json.len())));
        }
        // The format first: a newer one may have fields that are unknown here, and that is then the better message.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let wrong = |e: serde_json::Error| BadManifest(e.to_string());
        let Format { format } = serde_json::from_slice(json).map_err(wrong)?;
        if format != FORMAT {
            return Err(BadManifest(format!("format {format} is not known to this program, which reads {FORMAT}")));
        }
        let manifest: Self = serde_json::from_slice(json).map_err(wrong)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The bytes that are signed: fields in the order of the type, two spaces of indentation, a line end. The same manifest gives the
    /// same bytes.
    ///
    /// # Errors
    /// [`BadManifest`]: nothing is written that would not be read.
    pub fn to_json(&self) -> Result<Vec<u8>, BadManifest> {
        self.check()?;
        let mut json = serde_json::to_vec_pretty(self).map_err(|e| BadManifest(e.to_string()))?;
        json.push(b'\n');
        Ok(json)
    }

    /// Kernel and initramfs.
    #[must_use]
    pub fn files(&self) -> [&ManifestFile; 2] {
        [&self.kernel, &self.initramfs]
    }

    fn check(&self) -> Result<(), BadManifest> {
        let must = |right: bool, field: &str, got: &str, want: &str| {
            let got: String = got.chars().take(80).collect();
            if right { Ok(()) } else { Err(BadManifest(format!("{field} '{}' must be {want}", got.escape_default()))) }
        };
        must(is_name(&self.name), "name", &self.name, NAME_RULE)?;
        must(is_version(&self.version), "version", &self.version, "1 to 64 letters, digits or .+~_-")?;
        for (field, file) in [("kernel", &self.kernel), ("initramfs", &self.initramfs)] {
            must(is_name(&file.file), &format!("{field}.file"), &file.file, NAME_RULE)?;
            must(file.size > 0, &format!("{field}.size"), "0", "more than 0 bytes")?;
        }
        must(
            self.kernel.file != self.initramfs.file,
            "initramfs.file",
            &self.initramfs.file,
            "another file than the kernel",
        )?;
        let printable = self.cmdline.len() <= MAX_CMDLINE && self.cmdline.bytes().all(|b| (b' '..=b'~').contains(&b));
        must(printable, "cmdline", &self.cmdline, "printable ASCII, at most 1536 bytes")?;
        for driver in &self.drivers {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            let right = (1..=64).contains(&driver.len()) && driver.bytes().all(plain);
            must(right, "drivers", driver, "1 to 64 letters, digits, _ or -")?;
        }
        Ok(())
    }
}

const NAME_RULE: &str = "1 to 64 of a-z, 0-9, '.', '_' and '-', not beginning with '.'";

/// Whether a text may name an image or a file of one.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(plain)
}

fn is_version(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'~' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> Manifest {
        let file = |name: &str| ManifestFile { file: name.into(), sha256: Digest::of(name.as_bytes()), size: 7 };
        Manifest {
            format: FORMAT,
            name: "small".into(),
            version: "12.1".into(),
            serial: 3,
            arch: Arch::X86_64,
            kernel: file("kernel"),
            initramfs: file("initramfs"),
            cmdline: "console=ttyS0 panic=-1".into(),
            min_memory_mib: 192,
            drivers: vec!["virtio_blk".into()],
            expires: None,
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_always_the_same() {
        let manifest = Manifest { expires: Some("2030-01-01T00:00:00Z".parse().unwrap()), ..sample() };
        let json = manifest.to_json().unwrap();
        assert_eq!(Manifest::parse(&json).unwrap(), manifest);
        assert_eq!(Manifest::parse(&json).unwrap().to_json().unwrap(), json);
        let text = String::from_utf8(json).unwrap();
        assert!(text.starts_with("{\n  \"format\": 1,\n  \"name\": \"small\",") && text.ends_with("}\n"), "{text}");
        assert!(text.contains("\"expires\": \"2030-01-01T00:00:00Z\""), "{text}");
    }

    #[test]
    fn what_is_not_allowed_is_refused_by_name() {
        type Change = fn(&mut serde_json::Value);
        let cases: [(Change, &str); 16] = [
            (|m| m["format"] = 2.into(), "format 2"),
            (|m| m["extra"] = 1.into(), "unknown field `extra`"),
            (|m| m["kernel"]["mode"] = 1.into(), "unknown field `mode`"),
            (|m| m["name"] = "".into(), "name"),
            (|m| m["name"] = ".hidden".into(), "name"),
            (|m| m["name"] = "../up".into(), "name"),
            (|m| m["name"] = "Small".into(), "name"),
            (|m| m["name"] = "a".repeat(65).into(), "name"),
            (|m| m["version"] = "1 2".into(), "version"),
            (|m| m["kernel"]["file"] = "a/b".into(), "kernel.file"),
            (|m| m["initramfs"]["file"] = "kernel".into(), "initramfs.file"),
            (|m| m["initramfs"]["size"] = 0.into(), "initramfs.size"),
            (|m| m["kernel"]["sha256"] = "00".into(), "not a SHA-256 digest"),
            (|m| m["cmdline"] = "a\nb".into(), "cmdline"),
            (|m| m["drivers"] = serde_json::json!(["../evil"]), "drivers"),
            (|m| m["expires"] = "tomorrow".into(), "input"),
        ];
        for (change, want) in cases {
            let mut value = serde_json::to_value(sample()).unwrap();
            change(&mut value);
            let error = Manifest::parse(value.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(want), "{error} should name {want}");
        }
        assert!(Manifest::parse(&vec![b' '; MAX_MANIFEST + 1]).is_err());
        assert!(Manifest { name: "UP".into(), ..sample() }.to_json().is_err());
    }
}
