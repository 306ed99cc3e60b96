//! What host and rescue system say to each other.
//!
//! Secrets go in as one JSON file, [`BootSecrets`], by fw_cfg under the name [`FW_CFG_NAME`]. Everything else is
//! [`Frame`]s, one line of JSON each, over the virtio-serial port [`PORT_NAME`]. Where the port does not work, the ready frame is
//! printed on the serial console, on a line of its own behind [`SERIAL_PREFIX`].
//!
//! The proof: each boot of a session has a nonce of its own, given with the secrets. The rescue system answers with
//! [`Frame::Ready`], whose `mac` is HMAC-SHA-256 (RFC 2104), keyed with the session's key, over the bytes of `payload` exactly as
//! sent. The payload repeats session, nonce and boot number, so an old answer, or one for another boot, fits nothing. The kernel's
//! command line holds neither key nor nonce, so its echo on the console proves nothing.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::SessionId;
use crate::secret::Secret;
use crate::status::RescueNetwork;
use crate::verb::Verb;

/// Version of the frames. A peer that reads a higher one answers with its own and ignores what it does not know. Version 2 has
/// [verbs](crate::verb); a rescue system of version 1 is as good as any without them.
pub const PROTOCOL_VERSION: u32 = 2;
/// The virtio-serial port's name, found in the guest at `/sys/class/virtio-ports/*/name`.
pub const PORT_NAME: &str = "org.lifeboat.rescue.0";
/// The fw_cfg file, read in the guest at `/sys/firmware/qemu_fw_cfg/by_name/<name>/raw`.
pub const FW_CFG_NAME: &str = "opt/org.lifeboat/session";
/// Begins a frame on the serial console.
pub const SERIAL_PREFIX: &str = "LIFEBOAT-FRAME ";
/// The longest frame, in bytes, newline included. A longer one ends the connection: a guest is not to be trusted.
pub const MAX_FRAME: usize = 64 * 1024;
/// On the kernel's command line of every rescue boot.
pub const CMDLINE_FLAG: &str = "yn_rescue_mode=true";
/// On the kernel's command line of disk mode `ro`: the rescue system makes the disks read-only as well, as not every bus can be told so.
pub const CMDLINE_READ_ONLY: &str = "lifeboat.disk_mode=ro";
/// On the kernel's command line: `lifeboat.session=<id>`.
pub const CMDLINE_SESSION: &str = "lifeboat.session=";

/// What a rescue system is told and nobody else may know. Written by the host to a file of mode 0600, removed when the session ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootSecrets {
    pub version: u32,
    pub session: SessionId,
    /// 64 hex digits: 32 random bytes, new for each session.
    pub key: Secret,
    /// 32 hex digits: 16 random bytes, new for each boot.
    pub nonce: String,
    /// 1 for the first boot of a session, one more for each reboot inside it.
    pub boot: u32,
    /// Lines for root's `authorized_keys`.
    #[serde(default)]
    pub ssh_keys: Vec<String>,
    /// A crypt(3) hash for root; without one no password opens anything, and consoles offer no login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<Secret>,
    /// The SSH host key of all boots of the session; absent from an older host, and each boot then makes one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<HostKeySecret>,
    /// What it may reach; absent: `full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<RescueNetwork>,
    /// By a disk's serial number, what the guest's own kernel calls it ([`crate::desc::Desc::kernel_names`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disk_names: BTreeMap<String, String>,
}

/// An Ed25519 key (RFC 8032).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostKeySecret {
    /// 64 hex digits: the private key's 32 bytes.
    pub seed: Secret,
    /// 64 hex digits: the public key's 32 bytes.
    pub public: String,
}

/// The one kind of host key that rescue systems have.
pub const HOST_KEY_KIND: &str = "ssh-ed25519";

impl HostKeySecret {
    /// The public key as it stands in `known_hosts`, without the host; `None` if it is not one.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let public = unhex(&self.public).filter(|key| key.len() == 32)?;
        // RFC 8709, 4: two strings, each behind its length.
        let blob: Vec<u8> = [HOST_KEY_KIND.as_bytes(), &public]
            .iter()
            .flat_map(|text| [&u32::try_from(text.len()).unwrap_or(0).to_be_bytes(), *text].concat())
            .collect();
        Some(format!("{HOST_KEY_KIND} {}", BASE64_STANDARD.encode(blob)))
    }
}

/// Of a public key in `known_hosts` form without the host, as `ssh-keygen -l` prints it: `SHA256:...`. `None` if it is no Ed25519 key.
#[must_use]
pub fn ssh_fingerprint(line: &str) -> Option<String> {
    let mut words = line.split_ascii_whitespace();
    let key = words.next().filter(|kind| *kind == HOST_KEY_KIND).and(words.next())?;
    let blob = BASE64_STANDARD.decode(key).ok()?;
    Some(format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(blob))))
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Frame {
    /// Rescue system to host, first, before anything is proven.
    Hello { version: u32 },
    /// Rescue system to host: the proof. `payload` is a [`ReadyReport`] as JSON text, `mac` 64 hex digits.
    Ready { payload: String, mac: String },
    /// Rescue system to host, every few seconds after `ready`.
    Heartbeat { uptime_s: u64 },
    /// Host to rescue system: sync, unmount, power off.
    Shutdown,
    /// Host to rescue system, after its proof: do this. The host chooses the id; one that was seen before in this boot is not
    /// carried out once more, its answer is repeated. Since version 2.
    Request { id: u64, verb: Verb },
    /// Rescue system to host: how far a request is. `of` is 0 where the end is not known.
    Progress { id: u64, done: u64, of: u64, text: String },
    /// Rescue system to host: a piece of a request's answer, numbered from 0. All texts together are JSON: of the type that
    /// belongs to the verb if `ok`, else a [`VerbFault`](crate::verb::VerbFault). See [`Answers`](crate::verb::Answers).
    Answer { id: u64, part: u32, last: bool, ok: bool, text: String },
    /// Rescue system to host: what it sent was not understood.
    Error { message: String },
}

/// What the rescue system says of itself when it is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadyReport {
    pub session: SessionId,
    pub nonce: String,
    pub boot: u32,
    /// `uname -r`.
    pub kernel: String,
    /// Name and version from `/etc/lifeboat-release`.
    pub image: String,
    /// The guest's disks, in the kernel's order.
    pub disks: Vec<SeenDisk>,
    /// IP addresses by interface, as `eth0 10.0.2.15/24`.
    pub addresses: Vec<String>,
    /// SHA-256 fingerprint of the SSH host key, as `ssh-keygen -l` prints it (`SHA256:...`); absent without SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_fingerprint: Option<String>,
    /// The SSH host key itself, one line in `known_hosts` form without the host (`ssh-ed25519 AAAA...`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_host_key: Option<String>,
}

/// A disk as the rescue system sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeenDisk {
    /// The kernel's name: `vda`, `sda`.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// As in the guest's description; empty where the bus has none.
    pub serial: String,
    pub read_only: bool,
    /// What the guest's own kernel calls it: `sdb`; empty if that is not known.
    #[serde(default)]
    pub normal_name: String,
    /// Its name below `/dev/disk/by-id`, in the guest's own system and in the rescue system; empty where it has no serial number.
    #[serde(default)]
    pub by_id: String,
    /// Partitions and what is on them.
    #[serde(default)]
    pub parts: Vec<SeenPart>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeenPart {
    /// `vda1`; the disk's own name where a file system fills the whole disk.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// As `blkid` names it: `ext4`, `vfat`, `LVM2_member`; empty if none was recognised.
    pub filesystem: String,
    pub label: String,
    pub uuid: String,
    /// As of the disk.
    #[serde(default)]
    pub normal_name: String,
    /// As of the disk.
    #[serde(default)]
    pub by_id: String,
    /// Where the guest's own system mounts it, as its fstab says, or where it was mounted last; empty where neither can be read cheaply.
    #[serde(default)]
    pub mounted: String,
}

/// Why a proof was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    #[error("the proof is not made with the session's key")]
    Mac,
    #[error("the proof is not readable: {0}")]
    Form(String),
    #[error("the proof is for another {0}")]
    Other(&'static str),
}

/// Makes the proof. `key` is the session's key as 64 hex digits.
///
/// # Errors
/// [`BadProof::Form`] when the key is not hex.
pub fn prove(key: &Secret, report: &ReadyReport) -> Result<Frame, BadProof> {
    let payload = serde_json::to_string(report).map_err(|e| BadProof::Form(e.to_string()))?;
    let mac = mac(key, payload.as_bytes())?.finalize().into_bytes();
    Ok(Frame::Ready { payload, mac: hex(&mac) })
}

/// Checks the proof: the key, and that it speaks of this session, this boot and this nonce. The comparison takes constant time.
///
/// # Errors
/// [`BadProof`] says what was wrong with it.
pub fn verify(secrets: &BootSecrets, payload: &str, claimed: &str) -> Result<ReadyReport, BadProof> {
    let claimed = unhex(claimed).ok_or_else(|| BadProof::Form("the mac is not hex".into()))?;
    mac(&secrets.key, payload.as_bytes())?.verify_slice(&claimed).map_err(|_| BadProof::Mac)?;
    let report: ReadyReport = serde_json::from_str(payload).map_err(|e| BadProof::Form(e.to_string()))?;
    if report.session != secrets.session {
        return Err(BadProof::Other("session"));
    }
    if report.boot != secrets.boot {
        return Err(BadProof::Other("boot"));
    }
    if report.nonce != secrets.nonce {
        return Err(BadProof::Other("nonce"));
    }
    Ok(report)
}

fn mac(key: &Secret, payload: &[u8]) -> Result<Hmac<Sha256>, BadProof> {
    let key = unhex(key.expose()).filter(|k| k.len() == 32);
    let key = key.ok_or_else(|| BadProof::Form("the session's key is not 64 hex digits".into()))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|e| BadProof::Form(e.to_string()))?;
    mac.update(payload);
    Ok(mac)
}

/// Lower case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes from hex of either case; `None` for anything else.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> BootSecrets {
        BootSecrets {
            version: PROTOCOL_VERSION,
            session: SessionId::generate(),
            key: Secret::new("ab".repeat(32)),
            nonce: "01".repeat(16),
            boot: 2,
            ssh_keys: vec![],
            password_hash: None,
            host_key: None,
            network: None,
            disk_names: BTreeMap::new(),
        }
    }

    #[test]
    fn a_host_key_is_written_as_ssh_keygen_writes_it() {
        let written = "AAAAC3NzaC1lZDI1NTE5AAAAIB0Uno1pM/8DFNiQHTRoic49F7YBssz8Hbe4LjeeRf0Z";
        let blob = BASE64_STANDARD.decode(written).unwrap();
        let key = |public: String| HostKeySecret { seed: Secret::default(), public };
        let line = key(hex(&blob[blob.len() - 32..])).line().unwrap();
        assert_eq!(line, format!("ssh-ed25519 {written}"));
        assert_eq!(key("00".into()).line(), None);
        assert_eq!(key("no hex".into()).line(), None);
        let fingerprint = "SHA256:shJX7O3QGDl75LEMlGNyO00CXyV+P4/sFUvcE6yQhCY";
        assert_eq!(ssh_fingerprint(&line).as_deref(), Some(fingerprint));
        assert_eq!(ssh_fingerprint(&format!("{line} a comment")).as_deref(), Some(fingerprint));
        for bad in ["", "ssh-ed25519", "ssh-ed25519 !!!!", "ssh-rsa AAAA x", "ssh-ed25519x AAAA x"] {
            assert_eq!(ssh_fingerprint(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn neighbours_of_another_version_read_the_secrets() {
        #[derive(Deserialize)]
        struct Older {
            boot: u32,
        }
        let host_key = HostKeySecret { seed: Secret::new("ab".repeat(32)), public: "cd".repeat(32) };
        let new = serde_json::to_string(&BootSecrets { host_key: Some(host_key), ..secrets() }).unwrap();
        assert_eq!(serde_json::from_str::<Older>(&new).unwrap().boot, 2);
        let old = serde_json::to_string(&secrets()).unwrap();
        assert!(!old.contains("host_key"));
        assert_eq!(serde_json::from_str::<BootSecrets>(&old).unwrap().host_key, None);
    }

    fn report(secrets: &BootSecrets) -> ReadyReport {
        ReadyReport {
            session: secrets.session,
            nonce: secrets.nonce.clone(),
            boot: secrets.boot,
            kernel: "6.1".into(),
            image: "small 1".into(),
            disks: vec![],
            addresses: vec![],
            ssh_fingerprint: None,
            ssh_host_key: None,
        }
    }

    fn check(secrets: &BootSecrets, frame: Frame) -> Result<ReadyReport, BadProof> {
        let Frame::Ready { payload, mac } = frame else { unreachable!("prove makes ready frames") };
        verify(secrets, &payload, &mac)
    }

    #[test]
    fn a_proof_holds_for_its_own_boot_only() {
        let secrets = secrets();
        let report = report(&secrets);
        assert_eq!(check(&secrets, prove(&secrets.key, &report).unwrap()), Ok(report.clone()));

        let next_boot = BootSecrets { boot: 3, ..secrets.clone() };
        assert_eq!(check(&next_boot, prove(&secrets.key, &report).unwrap()), Err(BadProof::Other("boot")));
        let other_nonce = BootSecrets { nonce: "02".repeat(16), ..secrets.clone() };
        assert_eq!(check(&other_nonce, prove(&secrets.key, &report).unwrap()), Err(BadProof::Other("nonce")));
        let other_session = BootSecrets { session: SessionId::generate(), ..secrets.clone() };
        assert_eq!(check(&other_session, prove(&secrets.key, &report).unwrap()), Err(BadProof::Other("session")));
        assert_eq!(check(&secrets, prove(&Secret::new("cd".repeat(32)), &report).unwrap()), Err(BadProof::Mac));
    }

    #[test]
    fn a_changed_payload_is_refused() {
        let secrets = secrets();
        let Frame::Ready { payload, mac } = prove(&secrets.key, &report(&secrets)).unwrap() else { unreachable!() };
        assert_eq!(verify(&secrets, &payload.replace("small", "large"), &mac), Err(BadProof::Mac));
    }

    #[test]
    fn hex_reads_what_it_writes() {
        assert_eq!(unhex(&hex(&[0, 15, 255])), Some(vec![0, 15, 255]));
        assert_eq!(unhex("0g"), None);
        assert_eq!(unhex("012"), None);
    }
}
