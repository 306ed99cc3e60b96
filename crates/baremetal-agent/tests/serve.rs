//! Boot files over both protocols, from a real agent: what is right arrives, and nothing else can be reached.

mod setup;

use std::time::Duration;

use artifact::{Digest, Images, Trust, Wanted, download};
use reqwest::StatusCode;
use setup::{SECRET, initramfs, kernel, replace, site, start, until};
use tftp::client::{Get, GetError, get};
use tftp::receiver::{Ask, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers().get(name).unwrap_or_else(|| panic!("{name} is wanted")).to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_had_by_every_name_it_has() {
    let site = site();
    let agent = start(site.config()).await;
    let want = kernel("small");
    let digest = Digest::of(&want);
    for path in ["/tftp/images/small/kernel", "/images/small/kernel", &format!("/artifacts/sha256/{digest}")] {
        let response = agent.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, "etag"), format!("\"{digest}\""));
        assert_eq!(header(&response, "content-length"), want.len().to_string());
        assert_eq!(header(&response, "accept-ranges"), "bytes");
        let for_ever = header(&response, "cache-control").contains("immutable");
        assert_eq!(for_ever, path.starts_with("/artifacts/"), "only a digest's content never changes");
        assert!(response.bytes().await.unwrap() == want, "{path}");
        let head = agent.http.head(agent.url(path)).send().await.unwrap();
        assert_eq!((head.status(), header(&head, "content-length")), (StatusCode::OK, want.len().to_string().as_str()));
        assert!(head.bytes().await.unwrap().is_empty());
    }
    for ask in [Ask::default(), Ask { blksize: Some(1428), windowsize: Some(8), tsize: true, ..Ask::default() }] {
        let got = get(agent.tftp(), b"/images/small/kernel", Get { ask, ..Get::default() }).await.unwrap();
        assert!(got.content == want);
        assert_eq!(got.granted.get("tsize").copied(), ask.tsize.then_some(want.len() as u64));
    }
    let signature = std::fs::read(site.image("small").join("manifest.json.minisig")).unwrap();
    let got = get(agent.tftp(), b"images/small/manifest.json.minisig", Get::default()).await.unwrap();
    assert_eq!(got.content, signature);
    assert_eq!(agent.get("/tftp/pxe/boot.ipxe").await.text().await.unwrap(), "#!ipxe\n");
    assert_eq!(agent.get("/tftp/empty").await.bytes().await.unwrap().len(), 0);
    assert_eq!(agent.get("/tftp/pxe%2Fboot.ipxe").await.status(), StatusCode::OK, "decoded once");
    for wrong in [
        "/images/small",
        "/images/small/",
        "/images/",
        "/images",
        "/tftp/",
        "/tftp",
        "/tftp/pxe",
        "/",
        "/artifacts/sha256/",
    ] {
        assert_eq!(agent.status(wrong).await, 404, "{wrong}: folders are not listed");
    }
    assert_eq!(agent.status("/artifacts/sha256/abc").await, 400);
    assert_eq!(agent.status(&format!("/artifacts/sha256/{}", Digest::of(b"other"))).await, 404);
    assert_eq!(agent.status("/images/small/notes.txt").await, 404, "no manifest vouches for it");
    assert_eq!(agent.status("/images/small/image.json").await, 404);
    let post = agent.http.post(agent.url("/tftp/pxe/boot.ipxe")).send().await.unwrap();
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_files_are_served() {
    let site = site();
    let agent = start(site.config()).await;
    let want = kernel("small");
    let (size, etag) = (want.len(), format!("\"{}\"", Digest::of(&want)));
    let ask = async |headers: &[(&str, &str)]| {
        let request = agent.http.get(agent.url("/images/small/kernel"));
        headers.iter().fold(request, |r, (name, value)| r.header(*name, *value)).send().await.unwrap()
    };
    let part = ask(&[("range", "bytes=100-"), ("if-range", &etag)]).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header(&part, "content-range"), format!("bytes 100-{}/{size}", size - 1));
    assert!(part.bytes().await.unwrap() == want[100..]);
    let part = ask(&[("range", "bytes=-5")]).await;
    assert_eq!(part.bytes().await.unwrap(), &want[size - 5..]);
    let whole = ask(&[("range", "bytes=100-"), ("if-range", "\"another\"")]).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(whole.bytes().await.unwrap().len(), size);
    let beyond = ask(&[("range", &format!("bytes={size}-"))]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(header(&beyond, "content-range"), format!("bytes */{size}"));
    let same = ask(&[("if-none-match", &etag)]).await;
    assert_eq!((same.status(), same.bytes().await.unwrap().len()), (StatusCode::NOT_MODIFIED, 0));
    let manifest = std::fs::read(site.image("small").join("manifest.json")).unwrap();
    let part =
        agent.http.get(agent.url("/images/small/manifest.json")).header("range", "bytes=1-4").send().await.unwrap();
    assert_eq!(part.bytes().await.unwrap(), &manifest[1..5]);
}

/// Names that lead out of the root, to no regular file, or nowhere. None may give anything but an error.
fn hostile() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        &b"../secret"[..],
        b"/../secret",
        b"pxe/../../secret",
        b"pxe/../pxe/boot.ipxe",
        b"images/../../secret",
        b"images/small/../../../secret",
        b"images/small/../../empty",
        b"images/../images/small/kernel",
        b"....//secret",
        b"..\\secret",
        b"pxe\\..\\..\\secret",
        b"\\..\\secret",
        b"C:\\secret",
        b"..%2fsecret",
        b"%2e%2e/secret",
        b"..%c0%afsecret",
        b"..%5csecret",
        b"..;/secret",
        b"link",
        b"up/secret",
        b"up/root/empty",
        b".hidden",
        b"pxe",
        b"pxe/",
        b"/",
        b"//",
        b".",
        b"..",
        b"/etc/passwd",
        b"//etc/passwd",
        b"file:///etc/passwd",
        b"/dev/zero",
        b"/proc/self/environ",
        b"images",
        b"images/small",
        b"images/small/notes.txt",
        b"images/nowhere/kernel",
        b"images/small/kernel/x",
        b"images//small/..//kernel",
        b"IMAGES/small/kernel",
        b"empty/",
        b"empty/.",
        b"\xff\xfe",
        b"~root/.ssh/id_ed25519",
        b"|cat /etc/passwd",
        b"$(id)",
        b"a\r\nSet-Cookie: x",
    ]
    .map(<[u8]>::to_vec)
    .into();
    names.extend([
        b"a".repeat(300),
        b"a/".repeat(900),
        b"../".repeat(40),
        [b"../".repeat(20), b"secret".to_vec()].concat(),
    ]);
    names
}

/// Sends a request line as it is, which no well-behaved client would.
async fn raw_http(agent: &setup::Agent, path: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(agent.http_address()).await.unwrap();
    let request = [b"GET ", path, b" HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"].concat();
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    // A connection that is reset after the answer has given it all the same.
    let _ = read.expect("the connection is closed");
    answer
}

fn percent(name: &[u8]) -> Vec<u8> {
    name.iter().flat_map(|byte| format!("%{byte:02x}").into_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_reach_nothing() {
    let site = site();
    rustix::fs::mknodat(rustix::fs::CWD, site.root.join("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    let agent = start(site.config()).await;
    let mut names = hostile();
    names.push(b"fifo".to_vec());
    names.push(site.folder.path().join("secret").to_string_lossy().into_owned().into_bytes());
    for name in &names {
        let shown = name.escape_ascii().to_string();
        match get(agent.tftp(), name, Get { patience: Duration::from_secs(10), ..Get::default() }).await {
            Err(GetError::Refused(Refusal::Server { code, .. })) => {
                assert!([1, 2, 4].contains(&code.number()), "{shown}: {code:?}")
            }
            other => panic!("TFTP {shown}: {other:?}"),
        }
        for prefix in ["/tftp/", "/images/", "/artifacts/sha256/", "/", "/images/small/", "/tftp/images/small/"] {
            // What is plain below one prefix is a good name below another.
            let good = ["/tftp/images/small/kernel", "/images/small/kernel"];
            for spelling in [name.clone(), percent(name)] {
                let path = [prefix.as_bytes(), &spelling].concat();
                if good.iter().any(|good| good.as_bytes() == path) {
                    continue;
                }
                let answer = raw_http(&agent, &path).await;
                let text = String::from_utf8_lossy(&answer);
                assert!(text.starts_with("HTTP/1.1 4"), "HTTP {}: {text}", path.escape_ascii());
                assert!(!text.contains(SECRET) && !text.contains("root:"), "HTTP {}", path.escape_ascii());
                assert!(!text.to_lowercase().contains("set-cookie"), "HTTP {}", path.escape_ascii());
            }
        }
    }
    // A zero byte can't be sent in a TFTP name; by HTTP it can.
    for path in [
        &b"/tftp/empty%00"[..],
        b"/tftp/empty%00.txt",
        b"/tftp/%00",
        b"/images/small/kernel%00",
        b"/tftp/empty%",
        b"/tftp/empty%zz",
    ] {
        assert!(raw_http(&agent, path).await.starts_with(b"HTTP/1.1 4"), "{}", path.escape_ascii());
    }
    assert_eq!(agent.status("/tftp/empty").await, 200, "the agent is well");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_fails_its_check_is_not_served_by_any_name() {
    let site = site();
    site.add_image("flipped", 1);
    let kernel_path = site.image("flipped").join("kernel");
    let mut flipped = kernel("flipped");
    flipped[1000] ^= 1;
    std::fs::write(&kernel_path, flipped).unwrap();
    site.add_image("renamed", 1);
    std::fs::rename(site.image("renamed"), site.image("moved")).unwrap();
    site.add_image("unsigned", 1);
    std::fs::remove_file(site.image("unsigned").join("manifest.json.minisig")).unwrap();
    std::os::unix::fs::symlink(site.image("small"), site.image("linked")).unwrap();
    let agent = start(site.config()).await;

    let readyz = agent.get("/readyz").await;
    assert_eq!(readyz.status(), StatusCode::SERVICE_UNAVAILABLE);
    let readyz: serde_json::Value = serde_json::from_str(&readyz.text().await.unwrap()).unwrap();
    assert_eq!(readyz["images"][0]["name"], "small");
    assert_eq!(readyz["images"].as_array().unwrap().len(), 1);
    for (name, reason) in [
        ("flipped", "kernel has digest"),
        ("moved", "its manifest is for renamed"),
        ("unsigned", "manifest.json.minisig: no such file"),
        ("linked", "symbolic link"),
    ] {
        let said = readyz["rejected"][name].as_str().unwrap();
        assert!(said.contains(reason), "{name}: {said}");
        for file in ["kernel", "initramfs", "manifest.json", "manifest.json.minisig"] {
            assert_eq!(agent.status(&format!("/images/{name}/{file}")).await, 404);
            assert_eq!(agent.status(&format!("/tftp/images/{name}/{file}")).await, 404);
            let tftp = format!("images/{name}/{file}");
            assert!(matches!(get(agent.tftp(), tftp.as_bytes(), Get::default()).await, Err(GetError::Refused(_))));
        }
    }
    assert_eq!(agent.status(&format!("/artifacts/sha256/{}", Digest::of(&initramfs("flipped")))).await, 404);
    assert_eq!(agent.status("/images/small/kernel").await, 200);
    assert_eq!(agent.status("/healthz").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_is_not_served_and_the_image_is_checked_again() {
    let site = site();
    let agent = start(site.config()).await;
    assert_eq!(agent.status("/readyz").await, 200);
    replace(&site.image("small").join("kernel"), &kernel("other"));
    assert_eq!(agent.status("/images/small/kernel").await, 404);
    until("not ready", async || agent.status("/readyz").await == 503).await;
    assert_eq!(agent.status("/images/small/initramfs").await, 404, "an image is served whole or not at all");
    assert!(matches!(get(agent.tftp(), b"images/small/kernel", Get::default()).await, Err(GetError::Refused(_))));
    // Signed again, it is found without being told.
    site.add_image("small", 2);
    until("ready again", async || agent.status("/readyz").await == 200).await;
    assert_eq!(agent.get("/images/small/kernel").await.bytes().await.unwrap(), kernel("small"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_prepares_an_image_from_here() {
    let site = site();
    let agent = start(site.config()).await;
    let store = tempfile::tempdir().unwrap();
    let trust = Trust::new(&[&site.public], &[] as &[&str], &[]).unwrap();
    let images = Images::open(store.path(), trust, download::Config::default()).unwrap();
    let manifest = site.add_image("small", 1);
    let wanted = Wanted::from(&manifest);
    // The beginning of the kernel is there from an earlier attempt: the rest is asked for by range.
    let part = images.fetcher().store().part_path(manifest.kernel.sha256);
    std::fs::create_dir_all(part.parent().unwrap()).unwrap();
    std::fs::write(&part, &kernel("small")[..30_000]).unwrap();
    let endpoints = [agent.endpoints.http.clone()];
    until("prepared", async || {
        // Signing again has replaced the files; the agent looks again by itself.
        images.prepare(&endpoints, &wanted, |_, _| {}).await.is_ok()
    })
    .await;
    let prepared = images.prepare(&endpoints, &wanted, |_, _| {}).await.unwrap();
    assert_eq!(std::fs::read(&prepared.kernel).unwrap(), kernel("small"));
    assert_eq!(std::fs::read(&prepared.initramfs).unwrap(), initramfs("small"));
    images.recheck(&wanted.kernel, &wanted.initramfs).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_an_empty_root() {
    let folder = tempfile::tempdir().unwrap();
    let site = site();
    let agent = start(baremetal_agent::config::Config { root: folder.path().into(), ..site.config() }).await;
    assert_eq!(agent.status("/readyz").await, 200);
    assert_eq!(agent.status("/images/small/kernel").await, 404);
    let metrics = agent.get("/metrics").await;
    assert_eq!(metrics.status(), StatusCode::OK);
    until("the counter", async || {
        agent.get("/metrics").await.text().await.unwrap().contains("baremetal_agent_http_files_total")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_although_a_client_hangs() {
    let site = site();
    std::fs::write(site.root.join("large"), vec![7; 64 << 20]).unwrap();
    let agent = start(site.config()).await;
    // Asks for much and reads nothing.
    let mut stream = TcpStream::connect(agent.http_address()).await.unwrap();
    stream.write_all(b"GET /tftp/large HTTP/1.1\r\nHost: agent\r\n\r\n").await.unwrap();
    let mut first = [0; 100];
    stream.read_exact(&mut first).await.unwrap();
    agent.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(20), agent.task).await;
    ended.expect("ends in time").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn boot_scripts_are_made_and_hold_no_secret() {
    let site = site();
    site.add_image("std", 9);
    std::fs::create_dir_all(site.root.join("pxelinux.cfg")).unwrap();
    std::fs::write(site.root.join("pxelinux.cfg/01-52-54-00-00-00-99"), "by hand\n").unwrap();
    let mut config = site.config();
    config.boot.image = "small".into();
    for (mac, image) in [("52:54:00:00:00:0A", "std"), ("52:54:00:00:00:0b", "nowhere"), ("52:54:00:00:00:0c", "")] {
        config.boot.machines.insert(mac.into(), image.into());
    }
    let agent = start(config.clone()).await;
    let text = async |name: &str| {
        let http = agent.get(&format!("/tftp/{name}")).await;
        let tftp = get(agent.tftp(), name.as_bytes(), Get::default()).await;
        if http.status() == StatusCode::NOT_FOUND {
            assert!(tftp.is_err(), "{name}");
            return None;
        }
        let http = http.text().await.unwrap();
        assert_eq!(tftp.unwrap().content, http.as_bytes(), "{name}: both protocols give the same");
        Some(http)
    };
    let cmdline = "console=ttyS0 yn_rescue_mode=true";
    assert_eq!(
        text("pxelinux.cfg/01-52-54-00-00-00-01").await.unwrap(),
        format!(
            "DEFAULT rescue\nPROMPT 0\nTIMEOUT 0\nLABEL rescue\n  MENU LABEL small 6.1\n  KERNEL ::images/small/kernel\n  \
             INITRD ::images/small/initramfs\n  APPEND {cmdline}\n"
        )
    );
    assert!(text("pxelinux.cfg/01-52-54-00-00-00-0a").await.unwrap().contains("images/std/kernel"));
    assert_eq!(
        text("boot/grub/grub.cfg-01-52-54-00-00-00-0A").await.unwrap(),
        format!(
            "set default=0\nset timeout=0\nmenuentry 'std 6.1' {{\n  linux /images/std/kernel {cmdline}\n  \
             initrd /images/std/initramfs\n}}\n"
        )
    );
    assert_eq!(
        text("boot.ipxe").await.unwrap(),
        format!(
            "#!ipxe\necho small 6.1\nkernel --name kernel /images/small/kernel initrd=initramfs {cmdline}\n\
             initrd --name initramfs /images/small/initramfs\nboot\n"
        )
    );
    assert!(agent.get("/boot.ipxe").await.text().await.unwrap().starts_with("#!ipxe\n"));
    assert_eq!(text("pxelinux.cfg/01-52-54-00-00-00-99").await.unwrap(), "by hand\n", "a file goes before a script");
    for none in ["0b", "0c"] {
        let name = format!("pxelinux.cfg/01-52-54-00-00-00-{none}");
        assert_eq!(text(&name).await, None, "an image that is not served, and a machine that is to boot nothing");
    }
    assert_eq!(text("pxelinux.cfg/default").await, None);
    // Every script there is, against everything that is secret here.
    let key = std::fs::read_to_string(&site.key).unwrap();
    for name in ["boot.ipxe", "pxelinux.cfg/01-52-54-00-00-00-01", "grub.cfg-01-52-54-00-00-00-01"] {
        let script = text(name).await.unwrap().to_lowercase();
        let key = key.lines().nth(1).unwrap().to_lowercase();
        for secret in [key.as_str(), SECRET, "token", "password", "session", "key="] {
            assert!(!script.contains(secret), "{name} holds {secret}");
        }
    }
    // An image that fails its check is in no script.
    replace(&site.image("small").join("kernel"), b"other");
    assert_eq!(agent.status("/images/small/kernel").await, 404);
    until("no script", async || agent.status("/boot.ipxe").await == 404).await;
    config.boot = baremetal_agent::config::Boot::default();
    let quiet = start(config).await;
    assert_eq!(quiet.status("/boot.ipxe").await, 404, "without a choice nothing is booted");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_an_image_stand_side_by_side() {
    let site = site();
    let old = site.add_image("small", 1);
    std::fs::rename(site.image("small"), site.image("small.1")).unwrap();
    let folder = site.image("small.2");
    site.add_image("small", 2);
    std::fs::rename(site.image("small"), &folder).unwrap();
    std::fs::write(folder.join("kernel"), b"a newer kernel").unwrap();
    let new = baremetal_agent::image::sign(&folder, &site.key, None).unwrap();
    let agent = start(site.config()).await;
    assert_eq!(agent.status("/readyz").await, 200);
    assert_eq!(agent.get("/images/small/kernel").await.text().await.unwrap(), "a newer kernel", "the highest serial");
    assert_eq!(agent.get("/images/small.1/kernel").await.bytes().await.unwrap(), kernel("small"));
    assert_eq!(agent.status("/images/small.3/kernel").await, 404);
    // A host gets the one it was told.
    let trust = Trust::new(&[&site.public], &[] as &[&str], &[]).unwrap();
    for manifest in [old, new] {
        let store = tempfile::tempdir().unwrap();
        let images = Images::open(store.path(), trust.clone(), download::Config::default()).unwrap();
        let endpoints = [agent.endpoints.http.clone()];
        let prepared = images.prepare(&endpoints, &Wanted::from(&manifest), |_, _| {}).await.unwrap();
        assert_eq!(prepared.manifest, manifest);
    }
    let metrics = agent.get("/metrics").await.text().await.unwrap();
    let counted = "baremetal_agent_files_total{protocol=\"http\",file=\"images/small.1/kernel\"}";
    assert!(metrics.contains(counted), "{metrics}");
}
