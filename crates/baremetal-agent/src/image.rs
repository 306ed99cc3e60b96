//! The commands around images: make a key, sign what a build has left, verify, list.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use artifact::manifest::FORMAT;
use artifact::{Digest, Manifest, ManifestFile, Trust};
use chrono::{DateTime, Utc};
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};
use serde::Deserialize;
use service::files::{read_secret, write_atomic};
use types::status::Arch;

use crate::catalogue::{Catalogue, MANIFEST, SIGNATURE, check_folder};
use crate::config::Config;
use crate::root::Root;

/// What an image's build leaves beside its files.
const DESCRIPTION: &str = "image.json";

/// `image.json`: the manifest's fields without what follows from the files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: u32,
    name: String,
    version: String,
    serial: u64,
    arch: Arch,
    #[serde(default = "kernel")]
    kernel: Named,
    #[serde(default = "initramfs")]
    initramfs: Named,
    cmdline: String,
    min_memory_mib: u32,
    #[serde(default)]
    drivers: Vec<String>,
    #[serde(default)]
    expires: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    file: String,
}

fn kernel() -> Named {
    Named { file: "kernel".into() }
}

fn initramfs() -> Named {
    Named { file: "initramfs".into() }
}

/// Makes a key pair: `<path>.key`, mode 0600, and `<path>.pub`. For a folder that exists: `<path>/images.key` and `images.pub`. Gives both paths.
///
/// The secret key is not encrypted, which is right for development and for a build machine that holds it in a secret store;
/// `minisign -G` makes one with a password.
///
/// # Errors
/// The files are there already, or can't be written.
pub fn keygen(path: &Path) -> Result<(PathBuf, PathBuf)> {
    let base = if path.is_dir() { path.join("images") } else { path.to_owned() };
    let name =
        base.file_name().with_context(|| format!("{} names no file", base.display()))?.to_string_lossy().into_owned();
    let [secret, public] = ["key", "pub"].map(|end| base.with_file_name(format!("{name}.{end}")));
    for path in [&secret, &public] {
        ensure!(
            !path.exists(),
            "{} is there already: choose another name, or remove it if nothing trusts it",
            path.display()
        );
    }
    if let Some(folder) = base.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    }
    let pair = KeyPair::generate_unencrypted_keypair().context("making a key pair")?;
    let secret_text = pair.sk.to_box(Some("lifeboat image signing key, not encrypted"))?.into_string();
    write_atomic(&secret, secret_text.as_bytes(), 0o600)
        .with_context(|| format!("can't write {}", secret.display()))?;
    let public_text = pair.pk.to_box()?.into_string();
    write_atomic(&public, public_text.as_bytes(), 0o644)
        .with_context(|| format!("can't write {}", public.display()))?;
    Ok((secret, public))
}

/// Reads `image.json` and the files it names, and writes `manifest.json` and its signature. The same input gives the same manifest; a
/// signature is another one each time, so one by the same key that fits already is left as it is. `password`: a file with the password of an
/// encrypted key.
///
/// # Errors
/// Whatever keeps the image from being signed, with the file's name.
pub fn sign(folder: &Path, key: &Path, password: Option<&Path>) -> Result<Manifest> {
    let root = Root::open(folder).with_context(|| format!("can't open {}", folder.display()))?;
    let description = folder.join(DESCRIPTION);
    let json = std::fs::read(&description)
        .with_context(|| format!("can't read {}; the image's build writes it", description.display()))?;
    let description: Description =
        serde_json::from_slice(&json).with_context(|| format!("{} is not what is expected", description.display()))?;
    ensure!(
        description.format == FORMAT,
        "{DESCRIPTION} has format {}, this program writes {FORMAT}",
        description.format
    );
    let file = |named: &Named| -> Result<ManifestFile> {
        let opened = root.file(named.file.as_bytes());
        let opened = opened.with_context(|| format!("can't open {} in {}", named.file, folder.display()))?;
        let (sha256, size) = Digest::read(&opened.file).with_context(|| format!("can't read {}", named.file))?;
        Ok(ManifestFile { file: named.file.clone(), sha256, size })
    };
    let manifest = Manifest {
        format: FORMAT,
        kernel: file(&description.kernel)?,
        initramfs: file(&description.initramfs)?,
        name: description.name,
        version: description.version,
        serial: description.serial,
        arch: description.arch,
        cmdline: description.cmdline,
        min_memory_mib: description.min_memory_mib,
        drivers: description.drivers,
        expires: description.expires,
    };
    let json = manifest.to_json().context(DESCRIPTION)?;
    let secret = secret_key(key, password)?;
    let public = PublicKey::from_secret_key(&secret)?.to_base64();
    if verify(folder, &[public]).is_ok_and(|there| there == manifest)
        && std::fs::read(folder.join(MANIFEST)).is_ok_and(|there| there == json)
    {
        return Ok(manifest);
    }
    let trusted = format!("{} {} serial {}", manifest.name, manifest.version, manifest.serial);
    let untrusted = "signature of a lifeboat image's manifest";
    let signature = minisign::sign(None, &secret, json.as_slice(), Some(&trusted), Some(untrusted))?.to_string();
    // The signature first: where both are read in between, the old manifest does not fit the new signature, and nothing is served that
    // is neither.
    for (name, content) in [(SIGNATURE, signature.as_bytes()), (MANIFEST, &json)] {
        let path = folder.join(name);
        write_atomic(&path, content, 0o644).with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(manifest)
}

fn secret_key(key: &Path, password: Option<&Path>) -> Result<SecretKey> {
    let text = read_secret(key).context("the secret key")?;
    let boxed =
        SecretKeyBox::from_string(&text).with_context(|| format!("{} is no minisign secret key", key.display()))?;
    let Some(file) = password else {
        let hint = || format!("{} can't be used; if it is encrypted, give --password-file", key.display());
        return boxed.into_unencrypted_secret_key().with_context(hint);
    };
    let password = read_secret(file).context("the key's password")?;
    boxed.into_secret_key(Some(password)).with_context(|| format!("{} can't be decrypted", key.display()))
}

/// Checks an image's folder: signature by one of the keys, expiry, digests.
///
/// # Errors
/// The reason why it would not be served.
pub fn verify(folder: &Path, keys: &[String]) -> Result<Manifest> {
    let trust = Trust::new(keys, &[] as &[&str], &[])?;
    let root = Root::open(folder).with_context(|| format!("can't open {}", folder.display()))?;
    match check_folder(&root, "", &trust, Utc::now()) {
        Ok(image) => Ok(image.manifest),
        Err(reason) => bail!("{}: {reason}", folder.display()),
    }
}

/// Prints the images of the configured root, one a line, or as JSON. Gives whether all of them pass their check.
///
/// # Errors
/// The root can't be opened, or nothing can be printed.
pub fn list(config: &Config, json: bool, out: &mut impl Write) -> Result<bool> {
    let root = Root::open(&config.root).with_context(|| format!("can't open root {}", config.root.display()))?;
    let catalogue = Catalogue::scan(&root, &config.trust()?, Utc::now());
    if json {
        let images: Vec<_> = catalogue
            .images
            .iter()
            .map(|(folder, image)| serde_json::json!({"folder": folder, "manifest": image.manifest}))
            .collect();
        writeln!(out, "{:#}", serde_json::json!({"images": images, "rejected": catalogue.rejected}))?;
        return Ok(catalogue.rejected.is_empty());
    }
    for (folder, image) in &catalogue.images {
        let m = &image.manifest;
        let bytes = m.kernel.size + m.initramfs.size;
        writeln!(out, "{folder}  version {}  serial {}  {}  {bytes} bytes  verified", m.version, m.serial, m.arch)?;
    }
    for (folder, reason) in &catalogue.rejected {
        writeln!(out, "{folder}  rejected: {reason}")?;
    }
    Ok(catalogue.rejected.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SAMPLE: &str = r#"{"format": 1, "name": "small", "version": "6.1-1", "serial": 7, "arch": "x86_64",
        "kernel": {"file": "kernel"}, "initramfs": {"file": "initramfs"},
        "cmdline": "console=ttyS0", "min_memory_mib": 192, "drivers": ["virtio_blk"]}"#;

    fn built() -> (tempfile::TempDir, PathBuf, PathBuf, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let (key, public) = keygen(&folder.path().join("keys/development")).unwrap();
        let image = folder.path().join("small");
        std::fs::create_dir(&image).unwrap();
        for (name, content) in [("image.json", SAMPLE), ("kernel", "kernel bytes"), ("initramfs", "initramfs bytes")] {
            std::fs::write(image.join(name), content).unwrap();
        }
        let keys = vec![public.to_string_lossy().into_owned()];
        (folder, image, key, keys)
    }

    #[test]
    fn a_key_is_secret_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (secret, public) = keygen(folder.path()).unwrap();
        assert_eq!((secret.clone(), public), (folder.path().join("images.key"), folder.path().join("images.pub")));
        assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
        let before = std::fs::read(&secret).unwrap();
        assert!(keygen(folder.path()).unwrap_err().to_string().contains("there already"));
        assert_eq!(std::fs::read(&secret).unwrap(), before);
        let (secret, public) = keygen(&folder.path().join("new/dev.v1")).unwrap();
        assert!(secret.ends_with("new/dev.v1.key") && public.ends_with("new/dev.v1.pub"));
    }

    #[test]
    fn what_is_signed_verifies_and_is_always_the_same() {
        let (_folder, image, key, keys) = built();
        let manifest = sign(&image, &key, None).unwrap();
        assert_eq!(manifest.kernel.sha256, Digest::of(b"kernel bytes"));
        assert_eq!(manifest.initramfs.size, 15);
        assert_eq!(verify(&image, &keys).unwrap(), manifest);
        let first = [MANIFEST, SIGNATURE].map(|name| std::fs::read(image.join(name)).unwrap());
        sign(&image, &key, None).unwrap();
        assert_eq!([MANIFEST, SIGNATURE].map(|name| std::fs::read(image.join(name)).unwrap()), first);
        assert_eq!(std::fs::read_dir(&image).unwrap().count(), 5, "nothing is left beside them");
    }

    #[test]
    fn what_was_changed_after_signing_does_not_verify() {
        let (_folder, image, key, keys) = built();
        sign(&image, &key, None).unwrap();
        std::fs::write(image.join("kernel"), "kernel bytez").unwrap();
        let error = verify(&image, &keys).unwrap_err().to_string();
        assert!(error.contains("kernel has digest"), "{error}");
        std::fs::write(image.join("kernel"), "short").unwrap();
        assert!(verify(&image, &keys).unwrap_err().to_string().contains("kernel has 5 bytes"));
        sign(&image, &key, None).unwrap();
        verify(&image, &keys).unwrap();
        let other = tempfile::tempdir().unwrap();
        let (strange_key, stranger) = keygen(other.path()).unwrap();
        let error = verify(&image, &[stranger.to_string_lossy().into_owned()]).unwrap_err().to_string();
        assert!(error.contains("not by a trusted key"), "{error}");
        sign(&image, &strange_key, None).unwrap();
        assert!(verify(&image, &keys).is_err(), "another key signs anew");
    }

    #[test]
    fn an_encrypted_key_needs_its_password() {
        let (folder, image, _, _) = built();
        let pair = KeyPair::generate_encrypted_keypair(Some("correct horse".into())).unwrap();
        let [key, password, wrong] = ["k", "p", "w"].map(|name| folder.path().join(name));
        write_atomic(&key, pair.sk.to_box(None).unwrap().into_string().as_bytes(), 0o600).unwrap();
        write_atomic(&password, b"correct horse\n", 0o600).unwrap();
        write_atomic(&wrong, b"battery staple\n", 0o600).unwrap();
        let error = format!("{:#}", sign(&image, &key, None).unwrap_err());
        assert!(error.contains("--password-file"), "{error}");
        assert!(sign(&image, &key, Some(&wrong)).is_err());
        sign(&image, &key, Some(&password)).unwrap();
        verify(&image, &[pair.pk.to_base64()]).unwrap();
    }

    #[test]
    fn what_can_not_be_signed_is_named() {
        let (_folder, image, key, _) = built();
        for (change, want) in [
            (SAMPLE.replace("\"small\"", "\"../up\""), "name '../up'"),
            (SAMPLE.replace("{\"file\": \"kernel\"}", "{\"file\": \"../kernel\"}"), "can't open ../kernel"),
            (SAMPLE.replace("\"serial\"", "\"serail\""), "unknown field `serail`"),
            (SAMPLE.replace("\"format\": 1", "\"format\": 2"), "format 2"),
        ] {
            std::fs::write(image.join(DESCRIPTION), change).unwrap();
            let error = format!("{:#}", sign(&image, &key, None).unwrap_err());
            assert!(error.contains(want), "{error} should name {want}");
            assert!(!image.join(MANIFEST).exists());
        }
        std::fs::write(image.join(DESCRIPTION), SAMPLE).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
        let error = format!("{:#}", sign(&image, &key, None).unwrap_err());
        assert!(error.contains("chmod 600"), "{error}");
        std::fs::remove_file(image.join("kernel")).unwrap();
        assert!(format!("{:#}", sign(&image, &key, None).unwrap_err()).contains("kernel"));
    }
}
