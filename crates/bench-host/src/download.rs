//! A rescue image from a real baremetal agent, over HTTP, into an empty store, by the host agent and by curl in turns; then what a second
//! rescue on the same host downloads.
//!
//! `download_ratio_vs_curl` is the agent's throughput over that of curl, which writes the same two files to the same file system and
//! does nothing else. The agent's time is that of the whole `PrepareRescue`: it fetches and checks the signed manifest, takes SHA-256
//! digests of all that comes, and has both files on disk (fsync) before they get their names. Two rows show what of that curl does not
//! do: `curl, sha256sum`, the digests taken while the files come, and `curl, sync`, the files brought to disk.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench_report::numbers::{median, rounded};
use bench_report::report::{self, Report};
use proto::host::v1 as pb;
use serde_json::json;
use types::id::SessionId;

use crate::agent::{Agent, desc};
use crate::images::{self, BootServer};
use crate::{Arguments, Sizes};

const OURS: &str = "agent";
const CURL: &str = "curl";
/// Each with what it does to a URL and a file, as a shell would be told; `$0` is the URL, `$1` the file.
const OTHERS: &[(&str, &str)] = &[
    (CURL, "curl -sfo \"$1\" \"$0\""),
    ("curl, sha256sum", "curl -sf \"$0\" | tee \"$1\" | sha256sum"),
    ("curl, sync", "curl -sfo \"$1\" \"$0\" && sync \"$1\""),
];

/// # Errors
/// As agents and curl report them.
pub async fn run(arguments: &Arguments, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(crate::agent::disk_folder())?;
    let (large, large_key) = images::make(arguments, folder.path(), sizes.initramfs_mib).await?;
    let (keys, sources) = ([&*large_key, &*arguments.image_key], [&*large, &*arguments.image]);
    let server = BootServer::start(arguments, folder.path(), &keys, &sources).await?;
    let program = std::path::absolute(arguments.bin.join("qemu-sim"))?;
    throughput(arguments, sizes, &server, &program, (&large, &large_key), report).await?;
    second_rescue(arguments, &server, &program, report).await
}

async fn throughput(
    arguments: &Arguments,
    sizes: &Sizes,
    server: &BootServer,
    program: &Path,
    (large, key): (&Path, &Path),
    report: &mut Report,
) -> anyhow::Result<()> {
    let agent = Agent::start(arguments, program, &key.to_string_lossy()).await?;
    let (desc, image) = (desc(64), images::named(large)?);
    agent.create(&desc).await?;
    let mib = images::size(&image) as f64 / f64::from(1 << 20);
    let folder = tempfile::tempdir_in(crate::agent::disk_folder())?;
    let names: Vec<_> = OTHERS.iter().map(|(name, _)| *name).chain([OURS]).collect();
    let mut speeds: Vec<Vec<f64>> = names.iter().map(|_| Vec::new()).collect();
    // The first of each fills caches and does not count.
    for turn in 0..=sizes.downloads {
        for at in 0..names.len() {
            let at = (at + turn) % names.len();
            let took = match OTHERS.get(at) {
                Some((_, script)) => fetch(script, server, &image, folder.path()).await?,
                None => {
                    let _ = std::fs::remove_dir_all(agent.workspace().join("store"));
                    std::fs::create_dir(agent.workspace().join("store"))?;
                    settle();
                    let begun = Instant::now();
                    let bytes = agent.prepare(desc.id, &image, &server.http).await?;
                    let took = begun.elapsed();
                    ensure!(bytes == images::size(&image), "{bytes} bytes were downloaded");
                    took
                }
            };
            if turn > 0 {
                speeds[at].push(mib / took.as_secs_f64());
            }
        }
    }
    let of = |name: &str| names.iter().position(|it| *it == name).map_or(0.0, |at| median(&speeds[at]));
    report.metric("download_ratio_vs_curl", of(OURS) / of(CURL));
    report.metric("download_mib_s", of(OURS));
    let mut rows = Vec::new();
    for (name, speeds) in names.iter().zip(&speeds) {
        let (speed, ratio) = (median(speeds), of(OURS) / median(speeds));
        let runs: Vec<f64> = speeds.iter().copied().map(rounded).collect();
        rows.push(vec![(*name).to_owned(), rounded(speed).to_string(), rounded(ratio).to_string()]);
        report.row(json!({
            "part": "download", "by": name, "mib": mib, "mib_s": rounded(speed), "agent_over_this": rounded(ratio), "runs_mib_s": runs,
        }));
    }
    let title = format!("kernel and initramfs of {mib} MiB from a baremetal agent, {} runs each", sizes.downloads);
    report::print(&title, &["by", "MiB/s", "the agent over this"], rows);
    Ok(())
}

/// Both files of the image, one after the other, as the agent fetches them.
async fn fetch(script: &str, server: &BootServer, image: &pb::RescueImage, folder: &Path) -> anyhow::Result<Duration> {
    let mut took = Duration::ZERO;
    for file in [&image.kernel, &image.initramfs].into_iter().flatten() {
        let (url, path) = (format!("{}/artifacts/sha256/{}", server.http, file.sha256), folder.join(&file.sha256));
        let _ = std::fs::remove_file(&path);
        settle();
        let begun = Instant::now();
        let mut command = tokio::process::Command::new("sh");
        command.args(["-c", script, &url]).arg(&path).stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.status().await.context("sh")?;
        took += begun.elapsed();
        ensure!(status.success(), "{script}: {status}");
        ensure!(std::fs::metadata(&path)?.len() == file.size, "{script} brought another size");
    }
    Ok(took)
}

/// What was written before is on disk, so that it is not written during the next run.
fn settle() {
    rustix::fs::sync();
}

/// Two whole rescues on one host, of two guests.
async fn second_rescue(
    arguments: &Arguments,
    server: &BootServer,
    program: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let key = arguments.image_key.canonicalize()?;
    let agent = Agent::start(arguments, program, &key.to_string_lossy()).await?;
    let image = images::named(&arguments.image)?;
    for number in [1, 2] {
        let (desc, session) = (desc(256), SessionId::generate());
        agent.create(&desc).await?;
        let before = server.sent().await?;
        let begun = Instant::now();
        let files = agent.prepare(desc.id, &image, &server.http).await?;
        let took = begun.elapsed();
        agent.write_desc(desc.id, session, &image).await?;
        agent.rescue(desc.id, session).await?;
        let bytes = server.sent_since(before).await?;
        agent.restore(desc.id, session).await?;
        let prepare_ms = rounded(took.as_secs_f64() * 1000.0);
        println!(
            "rescue {number} on a host: {bytes} bytes from the baremetal agent, {files} of them boot files; {prepare_ms} ms to prepare"
        );
        report.row(json!({
            "part": "second_rescue", "rescue": number, "bytes": bytes, "boot_file_bytes": files, "prepare_ms": prepare_ms,
        }));
        if number == 1 {
            ensure!(bytes >= images::size(&image), "the baremetal agent counts {bytes} bytes for a whole image");
        } else {
            report.metric("second_rescue_bytes", bytes as f64);
        }
    }
    Ok(())
}
