//! Transfers while packets get lost: 1 % and 5 % of all packets in each direction, at random, by the kernel.
//!
//! The test starts itself once more in a network namespace of its own, where a firewall rule drops what arrives on loopback: each packet
//! of either direction arrives there once. Packets that were handed over together are cut up first, so that they are lost one by one.

mod setup;

use std::process::Command;
use std::time::{Duration, Instant};

use artifact::Digest;
use setup::clients::{ALL, Client};
use setup::{site, start};
use tftp::client::{Get, get};
use tftp::receiver::Ask;

const INSIDE: &str = "LIFEBOAT_TEST_IN_NAMESPACE";
/// For one file by one client. Clients that wait five seconds after each loss of their own need most of it.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn every_transfer_ends_with_the_right_digest_at_1_and_5_percent() {
    if std::env::var_os(INSIDE).is_some() {
        return;
    }
    for program in ["unshare", "nft", "ip"] {
        let found =
            Command::new(program).arg("--version").output().or_else(|_| Command::new(program).arg("-V").output());
        assert!(found.is_ok(), "{program} is wanted for this test: make deps");
    }
    let mut unshare = Command::new("unshare");
    unshare.arg("--net");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let script = "ip link set lo up && ip link set lo gso_max_segs 1 && exec \"$0\" \"$@\"";
    let output = unshare
        .args(["sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "inside_the_namespace", "--ignored", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "within its own network namespace:\n{said}");
    println!("{said}");
}

/// Drops so many of a hundred packets that arrive.
fn lose(percent: u32) {
    let rules = format!(
        "flush ruleset\ntable inet loss {{\nchain input {{\ntype filter hook input priority 0;\n\
         numgen random mod 100 < {percent} counter drop\n}}\n}}\n"
    );
    let output = Command::new("nft").arg(rules).output().unwrap();
    assert!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
}

fn lost() -> u64 {
    let output = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = text.split("counter packets ").nth(1).and_then(|rest| rest.split(' ').next());
    count.expect("a counter").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test above, in a namespace"]
async fn inside_the_namespace() {
    assert!(std::env::var_os(INSIDE).is_some(), "this is not a namespace of its own");
    let site = site();
    let content: Vec<u8> = (0..1 << 20).map(|i: u32| (i * 31 % 253) as u8).collect();
    let small = &content[..200_000];
    std::fs::write(site.root.join("large"), &content).unwrap();
    std::fs::write(site.root.join("small"), small).unwrap();
    let agent = start(site.config()).await;
    let (tftp, http) = (agent.tftp(), agent.http_address());
    for percent in [1, 5] {
        lose(percent);
        for (blksize, windowsize) in [(512, 1), (1468, 1), (8192, 1), (512, 16), (1468, 64), (8192, 16)] {
            let ask = Ask { blksize: Some(blksize), windowsize: Some(windowsize), tsize: true, ..Ask::default() };
            let began = Instant::now();
            let fetch = get(tftp, b"large", Get { ask, ..Get::default() });
            let got = tokio::time::timeout(LIMIT, fetch).await.expect("within the limit").unwrap();
            assert!(Digest::of(&got.content) == Digest::of(&content), "{percent} % lost, {blksize} x {windowsize}");
            println!("{percent} % lost, {blksize} x {windowsize}: 1 MiB in {:.2?}", began.elapsed());
        }
        // All at once: most of the time each of them waits.
        let fetches = ALL.map(|client| {
            let to = site.folder.path().join(format!("{client:?}-{percent}"));
            (client, to.clone(), tokio::task::spawn_blocking(move || fetch_again(client, tftp, http, &to)))
        });
        for (client, to, fetch) in fetches {
            let (tries, took) = tokio::time::timeout(LIMIT * 2, fetch).await.expect("within the limit").unwrap();
            let got = std::fs::read(&to).unwrap();
            assert!(Digest::of(&got) == Digest::of(small), "{client:?} at {percent} %: {} bytes", got.len());
            println!("{percent} % lost, {client:?}: 200 kB in {took:.2?}, try {tries}");
        }
        assert!(lost() > 50, "the rule has dropped {} packets only", lost());
    }
}

/// A client may give up on an unanswered request of its own; what it must never do is end well with another content. It gets three tries.
fn fetch_again(
    client: Client,
    tftp: std::net::SocketAddr,
    http: std::net::SocketAddr,
    to: &std::path::Path,
) -> (u32, Duration) {
    let began = Instant::now();
    for tries in 1..=3 {
        let output = client.fetch(tftp, http, "small", to);
        let said =
            [&output.stdout[..], &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
        let whole = std::fs::metadata(to).is_ok_and(|m| m.len() == 200_000);
        if output.status.success() && whole {
            return (tries, began.elapsed());
        }
        println!("{client:?}, try {tries}: {said}");
    }
    (4, began.elapsed())
}
