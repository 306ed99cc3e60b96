//! The agent's own time in a rescue: from `StartRescue` to the outcome of `AwaitReady`, as region sees both, over the bare QEMU
//! ([`crate::bare`]). By turns, and the median of the differences counts.
//!
//! `overhead_ms` is measured with the simulated QEMU, which proves itself at once. An emulated boot takes some seconds, and differs from
//! the next by more than the agent takes; what the agent does while a real guest boots is besides hidden behind the boot. With an instant
//! guest nothing is hidden and the noise is small, so the figure is the larger and the surer one: all that the agent does, one after
//! the other, with its requests, its ledger's syncs, the second look at kernel and initramfs of the real rescue system, the start of the
//! program, and the proof. `overhead_real_qemu_ms` is the same with the real QEMU and the real rescue system, beside it the quartiles of
//! the differences: where they lie farther apart than the figure is large, the boots differed by more than the agent takes, and the
//! figure says only that the overhead is lost among them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bench_report::numbers::{median, millis, percentile, rounded};
use bench_report::report::{self, Report};
use serde_json::json;
use types::id::SessionId;

use crate::agent::{Agent, desc};
use crate::bare::Bare;
use crate::images::{self, BootServer};
use crate::{Arguments, Sizes};

/// MiB; enough for the small rescue system.
const MEMORY: u32 = 256;

/// What was measured with one program, milliseconds.
struct Pairs {
    differences: Vec<f64>,
    by_agent: Vec<f64>,
    bare: Vec<f64>,
    start: Vec<f64>,
    wait: Vec<f64>,
    agent_cpu: Vec<f64>,
}

/// # Errors
/// As agent and QEMU report them.
pub async fn run(arguments: &Arguments, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(crate::agent::disk_folder())?;
    let server = BootServer::start(arguments, folder.path(), &[&arguments.image_key], &[&arguments.image]).await?;
    let simulated = std::path::absolute(arguments.bin.join("qemu-sim"))?;
    let real = which(&arguments.qemu)?;
    let mut rows = Vec::new();
    for (name, program, count) in [("simulated", simulated, sizes.simulated_pairs), ("real", real, sizes.real_pairs)] {
        let pairs = pairs(arguments, &server, &program, count).await.with_context(|| format!("{name} QEMU"))?;
        let difference = median(&pairs.differences);
        let (quarter, three) = (percentile(&pairs.differences, 0.25), percentile(&pairs.differences, 0.75));
        let row = json!({
            "part": "overhead", "qemu": name, "pairs": count,
            "difference_ms": { "median": rounded(difference), "p25": rounded(quarter), "p75": rounded(three) },
            "by_agent_ms": rounded(median(&pairs.by_agent)), "bare_ms": rounded(median(&pairs.bare)),
            "start_rescue_ms": rounded(median(&pairs.start)), "await_ready_ms": rounded(median(&pairs.wait)),
            "agent_cpu_ms": rounded(median(&pairs.agent_cpu)),
        });
        report.row(row);
        let cells =
            [median(&pairs.by_agent), median(&pairs.bare), difference, quarter, three, median(&pairs.agent_cpu)];
        let cells = cells.map(|cell| rounded(cell).to_string());
        rows.push([name.to_owned(), count.to_string()].into_iter().chain(cells).collect());
        report.metric(if name == "real" { "overhead_real_qemu_ms" } else { "overhead_ms" }, difference);
        if name == "simulated" {
            report.metric("overhead_agent_cpu_ms", median(&pairs.agent_cpu));
        } else {
            report.metric("overhead_real_qemu_p25_ms", quarter);
            report.metric("overhead_real_qemu_p75_ms", three);
        }
    }
    let header =
        ["QEMU", "pairs", "by the agent, ms", "bare, ms", "difference, ms", "p25", "p75", "the agent's CPU, ms"];
    report::print("start of the rescue system until its proof", &header, rows);
    Ok(())
}

async fn pairs(arguments: &Arguments, server: &BootServer, program: &Path, count: usize) -> anyhow::Result<Pairs> {
    let key = arguments.image_key.canonicalize()?;
    let agent = Agent::start(arguments, program, &key.to_string_lossy()).await?;
    let (desc, image) = (desc(MEMORY), images::named(&arguments.image)?);
    agent.create(&desc).await?;
    agent.prepare(desc.id, &image, &server.http).await?;

    // The first of each fills caches and does not count; it is what the bare one repeats.
    let session = SessionId::generate();
    agent.write_desc(desc.id, session, &image).await?;
    agent.rescue(desc.id, session).await?;
    let bare = Bare::copy(&agent, desc.id, program).await?;
    agent.restore(desc.id, session).await?;
    bare.rescue().await?;

    let none = Vec::new;
    let mut pairs =
        Pairs { differences: none(), by_agent: none(), bare: none(), start: none(), wait: none(), agent_cpu: none() };
    for turn in 0..count {
        let mut alone = 0.0;
        if turn % 2 == 1 {
            alone = millis(bare.rescue().await?);
        }
        let session = SessionId::generate();
        agent.write_desc(desc.id, session, &image).await?;
        let before = agent.process()?.used()?;
        let (start, wait) = agent.rescue(desc.id, session).await?;
        pairs.agent_cpu.push(agent.process()?.used()?.cpu_s_since(&before) * 1000.0);
        agent.restore(desc.id, session).await?;
        if turn % 2 == 0 {
            alone = millis(bare.rescue().await?);
        }
        let in_all = millis(start + wait);
        pairs.differences.push(in_all - alone);
        pairs.by_agent.push(in_all);
        pairs.bare.push(alone);
        pairs.start.push(millis(start));
        pairs.wait.push(millis(wait));
    }
    Ok(pairs)
}

/// The program's path: what the bare start runs must be what the agent runs.
fn which(program: &Path) -> anyhow::Result<PathBuf> {
    if program.components().count() > 1 {
        return Ok(std::path::absolute(program)?);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.with_context(|| format!("{} is not installed: make deps", program.display()))
}
