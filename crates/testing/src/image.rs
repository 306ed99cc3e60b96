//! A rescue image that exists as a signed manifest only: enough for region, which never sees the files.

use artifact::{Digest, Manifest, ManifestFile};
use proto::region::v1::AgentImage;
use types::status::Arch;

pub struct SignedImage {
    /// The base64 line that region is to trust.
    pub public_key: String,
    pub manifest: Manifest,
    signature: String,
    keys: minisign::KeyPair,
}

impl SignedImage {
    /// An image of this name, signed with a key made for it.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let keys = minisign::KeyPair::generate_unencrypted_keypair()?;
        Self::signed(keys, name, 192, &["virtio-blk", "virtio-scsi", "virtio-net"])
    }

    /// Another image, signed with the same key.
    ///
    /// # Panics
    /// It can't be signed.
    #[must_use]
    pub fn beside(&self, name: &str, min_memory_mib: u32, drivers: &[&str]) -> Self {
        let keys = minisign::KeyPair { pk: self.keys.pk.clone(), sk: self.keys.sk.clone() };
        Self::signed(keys, name, min_memory_mib, drivers).expect("a manifest is signed")
    }

    fn signed(keys: minisign::KeyPair, name: &str, min_memory_mib: u32, drivers: &[&str]) -> anyhow::Result<Self> {
        let file = |file: &str| ManifestFile { file: file.into(), sha256: Digest::of(file.as_bytes()), size: 4096 };
        let manifest = Manifest {
            format: artifact::manifest::FORMAT,
            name: name.into(),
            version: "1".into(),
            serial: 1,
            arch: Arch::X86_64,
            kernel: file("kernel"),
            initramfs: file("initramfs"),
            cmdline: "console=ttyS0".into(),
            min_memory_mib,
            drivers: drivers.iter().map(|&driver| driver.into()).collect(),
            expires: None,
        };
        let bytes = manifest.to_json()?;
        let signature = minisign::sign(Some(&keys.pk), &keys.sk, bytes.as_slice(), None, None)?.into_string();
        Ok(Self { public_key: keys.pk.to_base64(), manifest, signature, keys })
    }

    /// As an agent announces it.
    pub fn announced(&self) -> anyhow::Result<AgentImage> {
        Ok(AgentImage {
            image: None,
            arch: self.manifest.arch.to_string(),
            manifest: self.manifest.to_json()?,
            signature: self.signature.clone(),
        })
    }
}
