//! Whole images: manifest, signature, serial, files, with agents that lie in each of them.

mod nasty;

use std::time::Duration;

use artifact::manifest::FORMAT;
use artifact::{Digest, Images, Manifest, ManifestFile, PrepareError, Trust, Wanted, download};
use bytes::Bytes;
use minisign::KeyPair;
use nasty::{Server, Way};
use types::operation::FailureCode;
use types::status::Arch;

struct Bench {
    folder: tempfile::TempDir,
    pair: KeyPair,
    kernel: Bytes,
    initramfs: Bytes,
}

fn bench() -> Bench {
    let pair = KeyPair::generate_unencrypted_keypair().unwrap();
    let (kernel, initramfs) = (Bytes::from(vec![1; 50_000]), Bytes::from(vec![2; 70_000]));
    Bench { folder: tempfile::tempdir().unwrap(), pair, kernel, initramfs }
}

fn sign(pair: &KeyPair, content: &[u8]) -> Bytes {
    minisign::sign(Some(&pair.pk), &pair.sk, content, Some("test"), None).unwrap().to_string().into()
}

impl Bench {
    fn images(&self) -> Images {
        let config = download::Config {
            idle_timeout: Duration::from_secs(2),
            rounds: 2,
            pause: Duration::from_millis(10),
            ..download::Config::default()
        };
        let trust = Trust::new(&[self.pair.pk.to_base64()], &[] as &[&str], &[]).unwrap();
        Images::open(self.folder.path(), trust, config).unwrap()
    }

    fn manifest(&self, serial: u64) -> Manifest {
        let file = |name: &str, content: &Bytes| ManifestFile {
            file: name.into(),
            sha256: Digest::of(content),
            size: content.len() as u64,
        };
        Manifest {
            format: FORMAT,
            name: "small".into(),
            version: "1".into(),
            serial,
            arch: Arch::X86_64,
            kernel: file("kernel", &self.kernel),
            initramfs: file("initramfs", &self.initramfs),
            cmdline: "console=ttyS0".into(),
            min_memory_mib: 192,
            drivers: vec![],
            expires: None,
        }
    }

    async fn agent(&self, manifest: &Manifest) -> Server {
        let json = manifest.to_json().unwrap();
        let server = Server::start().await;
        server.set("/images/small/manifest.json.minisig", Way::Well(sign(&self.pair, &json)));
        server.set("/images/small/manifest.json", Way::Well(json.into()));
        for content in [&self.kernel, &self.initramfs] {
            server.set(format!("/artifacts/sha256/{}", Digest::of(content)), Way::Well(content.clone()));
        }
        server
    }
}

async fn prepare(images: &Images, agents: &[&Server], wanted: &Manifest) -> Result<artifact::Prepared, PrepareError> {
    let endpoints: Vec<String> = agents.iter().map(|a| a.endpoint.clone()).collect();
    images.prepare(&endpoints, &Wanted::from(wanted), |_, _| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_prepared_checked_and_not_fetched_twice() {
    let (bench, last) = (bench(), std::sync::Mutex::new((0, 0)));
    let (images, manifest) = (bench.images(), bench.manifest(1));
    let agent = bench.agent(&manifest).await;
    let endpoints = [agent.endpoint.clone()];
    let told = |bytes, total| *last.lock().unwrap() = (bytes, total);
    let prepared = images.prepare(&endpoints, &Wanted::from(&manifest), told).await.unwrap();
    assert_eq!((prepared.downloaded, prepared.from.as_ref()), (120_000, Some(&agent.endpoint)));
    assert_eq!(*last.lock().unwrap(), (120_000, 120_000));
    assert_eq!(prepared.manifest, manifest);
    assert_eq!(std::fs::read(&prepared.kernel).unwrap(), bench.kernel);
    assert_eq!(std::fs::read(&prepared.initramfs).unwrap(), bench.initramfs);
    let wanted = Wanted::from(&manifest);
    let (kernel, initramfs) = images.recheck(&wanted.kernel, &wanted.initramfs).unwrap();
    assert_eq!((kernel, initramfs), (prepared.kernel.clone(), prepared.initramfs.clone()));
    assert_eq!(prepare(&images, &[&agent], &manifest).await.unwrap().downloaded, 0);

    std::fs::remove_file(&prepared.kernel).unwrap();
    std::fs::write(&prepared.kernel, b"something else").unwrap();
    let error = images.recheck(&wanted.kernel, &wanted.initramfs).unwrap_err();
    assert_eq!(error.code(), FailureCode::Verification, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_here_is_prepared_again_without_an_agent_as_long_as_it_counts() {
    let bench = bench();
    let manifest = bench.manifest(1);
    let agent = bench.agent(&manifest).await;
    let first = prepare(&bench.images(), &[&agent], &manifest).await.unwrap();
    let asked = agent.asked().len();
    // Also after a restart.
    let images = bench.images();
    let again = prepare(&images, &[&agent], &manifest).await.unwrap();
    assert_eq!((again.downloaded, again.from, &again.kernel), (0, None, &first.kernel));
    assert_eq!(prepare(&images, &[], &manifest).await.unwrap().manifest, manifest);
    assert_eq!(agent.asked().len(), asked, "nobody was asked");

    // Another command line than was signed is asked for, and an agent that could say so is not believed either.
    let other = Manifest { cmdline: "init=/bin/sh".into(), ..manifest.clone() };
    let error = prepare(&images, &[&agent], &other).await.unwrap_err();
    assert_eq!(error.code(), FailureCode::Verification, "{error}");
    // What was revoked since does not count, remembered or not.
    let key = bench.pair.pk.to_base64();
    for (revoked_keys, revoked_digests, word) in
        [(vec![key.clone()], vec![], "no key is trusted"), (vec![], vec![manifest.kernel.sha256], "is revoked")]
    {
        let trust = Trust::new(std::slice::from_ref(&key), &revoked_keys, &revoked_digests).unwrap();
        let images = Images::open(bench.folder.path(), trust, download::Config::default()).unwrap();
        let error = prepare(&images, &[], &manifest).await.unwrap_err();
        assert!(matches!(error, PrepareError::Manifest { .. }), "{error}");
        let error = prepare(&images, &[&agent], &manifest).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    // A file that was damaged is found, and fetched again, from whoever was named.
    std::fs::remove_file(&first.initramfs).unwrap();
    std::fs::write(&first.initramfs, b"something else").unwrap();
    assert_eq!(prepare(&images, &[&agent], &manifest).await.unwrap().downloaded, 70_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_lies_is_refused_and_named() {
    let bench = bench();
    let stranger = KeyPair::generate_unencrypted_keypair().unwrap();
    let wanted = bench.manifest(5);
    let json = |change: fn(&mut Manifest)| {
        let mut manifest = bench.manifest(5);
        change(&mut manifest);
        Bytes::from(manifest.to_json().unwrap())
    };
    let (same, expired) = (json(|_| {}), json(|m| m.expires = Some("2020-01-01T00:00:00Z".parse().unwrap())));
    let other_name = json(|m| m.name = "other".into());
    let other_kernel = json(|m| m.kernel.sha256 = Digest::of(b"old kernel"));
    let other_cmdline = json(|m| m.cmdline = "init=/bin/sh".into());
    let flipped: Bytes = String::from_utf8(same.to_vec()).unwrap().replace("192", "193").into();
    for (json, signature, want, code) in [
        (same.clone(), sign(&stranger, &same), "not by a trusted key", FailureCode::Verification),
        (same.clone(), Bytes::from_static(b"nonsense"), "signature can't be read", FailureCode::Verification),
        (flipped, sign(&bench.pair, &same), "not by a trusted key", FailureCode::Verification),
        (expired.clone(), sign(&bench.pair, &expired), "has expired at 2020-01-01", FailureCode::Verification),
        (other_name.clone(), sign(&bench.pair, &other_name), "its name is other", FailureCode::Verification),
        (other_kernel.clone(), sign(&bench.pair, &other_kernel), "its kernel is", FailureCode::Verification),
        (
            other_cmdline.clone(),
            sign(&bench.pair, &other_cmdline),
            "its cmdline is init=/bin/sh",
            FailureCode::Verification,
        ),
    ] {
        let agent = bench.agent(&wanted).await;
        agent.set("/images/small/manifest.json", Way::Well(json));
        agent.set("/images/small/manifest.json.minisig", Way::Well(signature));
        let error = prepare(&bench.images(), &[&agent], &wanted).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(want) && text.contains(&agent.endpoint), "{text} should say: {want}");
        assert_eq!(error.code(), code, "{text}");
        assert!(agent.asked().iter().all(|a| !a.path.contains("artifacts")), "{want}: no file was fetched");
        // Another agent that tells the truth makes up for it.
        let honest = bench.agent(&wanted).await;
        assert_eq!(prepare(&bench.images(), &[&agent, &honest], &wanted).await.unwrap().from, Some(honest.endpoint));
        std::fs::remove_dir_all(bench.folder.path().join("sha256")).unwrap();
        std::fs::remove_file(bench.folder.path().join("serials.json")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_can_not_deliver_is_refused_and_named() {
    let bench = bench();
    let wanted = bench.manifest(5);
    for (path, way, want, code) in [
        ("/images/small/manifest.json", Way::Status(404), "HTTP status 404", FailureCode::Download),
        ("/images/small/manifest.json.minisig", Way::Status(500), "HTTP status 500", FailureCode::Download),
        ("/images/small/manifest.json", Way::Redirect("/x".into()), "redirect", FailureCode::Verification),
        ("/images/small/manifest.json", Way::Endless, "longer than", FailureCode::Verification),
        (
            "/images/small/manifest.json",
            Way::HangAfter(Bytes::from_static(b"{}"), 1),
            "nothing came",
            FailureCode::Download,
        ),
    ] {
        let agent = bench.agent(&wanted).await;
        agent.set(path, way);
        let error = prepare(&bench.images(), &[&agent], &wanted).await.unwrap_err();
        assert!(error.to_string().contains(want), "{error} should say: {want}");
        assert_eq!(error.code(), code, "{error}");
    }
    let agent = bench.agent(&wanted).await;
    agent.set(format!("/artifacts/sha256/{}", wanted.initramfs.sha256), Way::Well(vec![3; 70_000].into()));
    let error = prepare(&bench.images(), &[&agent], &wanted).await.unwrap_err();
    assert_eq!(error.code(), FailureCode::Verification, "{error}");
    let error = prepare(&bench.images(), &[], &wanted).await.unwrap_err();
    assert_eq!(error.code(), FailureCode::Download, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_manifest_is_refused_after_a_newer_one_was_seen() {
    let bench = bench();
    let (old, new) = (bench.manifest(4), bench.manifest(5));
    let (old_agent, new_agent) = (bench.agent(&old).await, bench.agent(&new).await);
    prepare(&bench.images(), &[&old_agent], &old).await.unwrap();
    prepare(&bench.images(), &[&new_agent], &new).await.unwrap();
    // Also after a restart, since the mark is on disk.
    let error = prepare(&bench.images(), &[&old_agent], &old).await.unwrap_err();
    assert!(error.to_string().contains("serial 4, but 5 was seen"), "{error}");
    assert_eq!(error.code(), FailureCode::Verification);
    prepare(&bench.images(), &[&new_agent], &new).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leaves_the_folder_is_never_asked_for() {
    let bench = bench();
    let agent = bench.agent(&bench.manifest(1)).await;
    let wanted = Wanted { name: "../../etc".into(), ..Wanted::from(&bench.manifest(1)) };
    let error = bench.images().prepare(std::slice::from_ref(&agent.endpoint), &wanted, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, PrepareError::Name(_)));
    assert_eq!(agent.asked(), []);
}
