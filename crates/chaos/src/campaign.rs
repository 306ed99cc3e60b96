//! Rounds: while servers are worked with, faults come; then all is healed, becomes calm, and is looked at.

use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::task::JoinSet;

use crate::chance::Chance;
use crate::fault::draw;
use crate::fleet::Fleet;
use crate::inject::inject;
use crate::leave::leave;
use crate::load::Load;
use crate::options::Options;
use crate::promise::{Chains, calm, check};
use crate::report::Report;
use crate::site::Site;
use crate::sown::sow;
use crate::sql;
use crate::watch::Watch;

const INSIDE: &str = "LIFEBOAT_CHAOS_INSIDE";
/// The exit code of what could not be tried here.
pub const SKIPPED: u8 = 77;

/// Whether this process is in namespaces of its own, where the campaign may do what it likes.
#[must_use]
pub fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Starts this program once more, in namespaces for network, mounts and processes: what it starts ends with it, however it ends.
///
/// # Errors
/// It can't be started.
pub fn enter(seed: u64) -> Result<ExitCode> {
    let unshare = ["--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"];
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: namespaces for network, mounts and processes are wanted: run it as root");
        return Ok(ExitCode::from(SKIPPED));
    }
    for (program, package) in
        [("unshare", "util-linux"), ("nsenter", "util-linux"), ("nft", "nftables"), ("ip", "iproute2")]
    {
        let found = Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        found.with_context(|| format!("{program} is wanted (package {package}): make deps"))?;
    }
    let allowed = Command::new("unshare").args(unshare).arg("true").output()?;
    if !allowed.status.success() {
        eprintln!("SKIPPED: no namespaces here: {}", String::from_utf8_lossy(&allowed.stderr).trim());
        return Ok(ExitCode::from(SKIPPED));
    }
    // A shell as the first process takes care of those whose parents have ended. Shared memory of its own, for what is killed leaves it.
    let script = "mount -t tmpfs chaos /dev/shm && \"$0\" \"$@\"; exit $?";
    let own = std::env::current_exe()?;
    let mut command = Command::new("unshare");
    command.args(unshare).args(["sh", "-c", script]).arg(own).args(std::env::args_os().skip(1));
    if std::env::args().all(|it| it != "--seed" && !it.starts_with("--seed=")) {
        command.args(["--seed", &seed.to_string()]);
    }
    let status = command.env(INSIDE, "1").status()?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

/// The whole campaign. True: every promise held, all faults came that were wanted, and the looks find what was sown at the end.
///
/// # Errors
/// It can't be begun, or its own part of the healing fails.
pub async fn run(options: &Options, seed: u64) -> Result<bool> {
    let began = Instant::now();
    let chance = Chance::new(seed);
    let mut site = Some(Arc::new(Site::start(options).await?));
    let running = Arc::clone(site.as_ref().expect("just made"));
    say(began, &format!("{} hosts, 2 regions and 2 agents are up", running.nodes.len() + running.simulated.len()));
    if !running.clocks {
        say(began, "clocks will not jump: there is no libfaketime");
    }
    let fleet = Arc::new(Fleet::make(&running, options).await?);
    say(began, &format!("{} servers are made", fleet.members.len()));
    let mut report = Report { seed, servers: fleet.members.len(), ..Report::default() };
    let told = rounds(&running, &fleet, options, &chance, &mut report, began).await;
    let ends = "select count(*) filter (where ended_at is not null) as ended, count(*) filter (where state = 'succeeded') as succeeded, \
                count(*) filter (where state = 'failed') as failed, count(*) filter (where ended_at is null) as alive from tasks";
    let tasks = sql::rows(&running.postgres.url, ends).await.unwrap_or_default();
    report.tasks = tasks.into_iter().next().unwrap_or_else(|| json!({}));
    if told.is_ok() && report.broken.is_empty() {
        report.unnoticed = sow(&running, &fleet).await.unwrap_or_else(|error| vec![format!("{error:#}")]);
    }
    report.seconds = began.elapsed().as_secs_f64();
    report.write(options.report.as_deref())?;
    drop(running);
    if (told.is_err() || !report.broken.is_empty())
        && let (Some(keep), Some(mut site)) = (&options.keep, site.take().and_then(Arc::into_inner))
    {
        let folder = site.keep();
        // What lies on disks of the campaign's own is gone with it.
        let copied = Command::new("cp").arg("-a").arg(folder).arg(keep).status();
        eprintln!("kept in {}: {copied:?}", keep.display());
    }
    told?;
    let (all, real) = report.counts();
    let enough = all >= options.faults && (options.real == 0 || real * 10 >= options.faults);
    if !enough {
        say(
            began,
            &format!("too few: {all} faults of {}, of which a tenth has to be on real QEMU: {real}", options.faults),
        );
    }
    Ok(report.broken.is_empty() && report.unnoticed.is_empty() && enough)
}

async fn rounds(
    site: &Arc<Site>,
    fleet: &Arc<Fleet>,
    options: &Options,
    chance: &Chance,
    report: &mut Report,
    began: Instant,
) -> Result<()> {
    let watch = Watch::start(site.state.root().to_owned());
    let load = Load::start(site, fleet, chance);
    let (mut faults, mut ways) = (chance.part("faults"), chance.part("ways out"));
    let mut chains = Chains::default();
    while report.counts().0 < options.faults && began.elapsed() < options.time() {
        report.rounds += 1;
        load.on.send_replace(true);
        let mut at_work = JoinSet::new();
        for _ in 0..options.round {
            let plan = draw(&mut faults, options);
            let pause = plan.pause;
            let (site, fleet) = (Arc::clone(site), Arc::clone(fleet));
            at_work.spawn(async move { inject(&site, &fleet, plan).await });
            tokio::time::sleep(pause).await;
        }
        while let Some(done) = at_work.join_next().await {
            report.faults.push(done.context("a fault could not be undone")?);
        }
        load.on.send_replace(false);
        let mut broken = Vec::new();
        if let Err(error) = site.heal().await {
            broken.push(format!("what ended does not come up again: {error:#}"));
        }
        if let Err(error) = site.all_online(Duration::from_secs(60)).await {
            broken.push(format!("hosts and agents are not heard again: {error:#}"));
        }
        let (took, left) = calm(site).await;
        report.calm.push(took);
        let stuck = !left.is_empty();
        broken.extend(left);
        let last = report.counts().0 >= options.faults || began.elapsed() >= options.time();
        let whole = last || report.rounds.is_multiple_of(5);
        broken.extend(check(site, fleet, &mut chains, whole).await);
        let left = if stuck { Vec::new() } else { leave(site, fleet, &mut ways).await };
        if !left.is_empty() {
            broken.extend(
                left.iter()
                    .filter_map(|it| it.problem.as_ref().map(|why| format!("{} by {:?}: {why}", it.from, it.by))),
            );
            report.left.extend(left);
            broken.extend(calm(site).await.1);
            broken.extend(check(site, fleet, &mut chains, whole).await);
        }
        broken.extend(watch.broken());
        report.looks = watch.looks();
        let (all, real) = report.counts();
        say(
            began,
            &format!(
                "round {}: {all} faults, {real} on real QEMU; calm after {:.1} s; broken: {}",
                report.rounds,
                took.as_secs_f64(),
                broken.len()
            ),
        );
        broken.sort();
        broken.dedup();
        for what in broken {
            say(began, &format!("BROKEN: {what}"));
            report.broken.push((report.rounds, what));
        }
        if stuck || report.broken.len() > 40 {
            say(began, "too much is broken to go on");
            break;
        }
    }
    Ok(())
}

fn say(began: Instant, what: &str) {
    println!("{:7.1} s  {what}", began.elapsed().as_secs_f64());
}
