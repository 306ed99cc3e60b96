//! Clients that others wrote fetch what is served: tftp-hpa, atftp, curl and busybox.

mod setup;

use artifact::Digest;
use setup::clients::ALL;
use setup::{SECRET, site, start};

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_gets_every_size() {
    let site = site();
    let agent = start(site.config()).await;
    let (tftp, http) = (agent.tftp(), agent.http_address());
    let to = site.folder.path().join("fetched");
    // Around the ends of blocks, and beyond 65535 blocks of 512 bytes, where numbers roll over.
    for size in [1, 511, 512, 513, 1428, 300_000, 34_000_000] {
        let content: Vec<u8> = (0..size).map(|i: u32| (i * 7 % 251) as u8).collect();
        std::fs::write(site.root.join("file"), &content).unwrap();
        for client in ALL {
            let _ = std::fs::remove_file(&to);
            let fetched = to.clone();
            let output = tokio::task::spawn_blocking(move || client.fetch(tftp, http, "file", &fetched)).await.unwrap();
            let got = std::fs::read(&to).unwrap_or_default();
            assert!(
                Digest::of(&got) == Digest::of(&content),
                "{client:?}: {} of {size} bytes; it says {}",
                got.len(),
                said(&output)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_gets_out() {
    let site = site();
    let agent = start(site.config()).await;
    let (tftp, http) = (agent.tftp(), agent.http_address());
    for client in ALL {
        for name in ["../secret", "link", "nowhere"] {
            let to = site.folder.path().join("fetched");
            let _ = std::fs::remove_file(&to);
            let fetched = to.clone();
            let output = tokio::task::spawn_blocking(move || client.fetch(tftp, http, name, &fetched)).await.unwrap();
            let got = std::fs::read_to_string(&to).unwrap_or_default();
            assert!(!got.contains(SECRET), "{client:?} got {name}");
            // tftp-hpa's exit code says nothing in this version; its words do.
            let refused = !output.status.success() || said(&output).contains("Error code");
            assert!(refused, "{client:?} takes the refusal of {name} for success: {}", said(&output));
        }
    }
}
