//! How a fault is done, and undone. What ends with the process or the disk that was hit is put right here; what has to be healed by the
//! product itself is left to it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use host_sim::{Behaviour, Pace, Reply, Reports, Verb};
use rustix::process::Signal;
use tokio::time::sleep;
use types::operation::{Failure, FailureCode};

use crate::chance::Chance;
use crate::fault::{Kind, Moment, Plan, Target};
use crate::fleet::{Fleet, Place};
use crate::site::network::Cut;
use crate::site::program::Program;
use crate::site::relay::Way;
use crate::site::{Node, Site, clock};
use crate::sql;
use crate::watch::{Machine, machines};

/// A fault that has happened.
#[derive(Debug, Clone)]
pub struct Done {
    pub kind: Kind,
    pub target: String,
    /// It hit a real QEMU, or the agent of one that ran then.
    pub real: bool,
    /// The stages at which tasks were, of the servers that it could touch.
    pub stages: Vec<String>,
    /// What exactly was done; or why it could not be.
    pub note: String,
    pub could: bool,
}

/// How long a stage is waited for.
const STAGE: Duration = Duration::from_millis(2500);
const END: Duration = Duration::from_secs(20);

/// Waits for its moment, does it, holds it, undoes it.
pub async fn inject(site: &Site, fleet: &Fleet, mut plan: Plan) -> Done {
    let held = match plan.target {
        Target::Region(n) => site.regions[n].busy.lock().await,
        Target::Agent(n) => site.agents[n].busy.lock().await,
        Target::Node(n) => site.nodes[n].busy.lock().await,
        Target::Database => site.postgres_busy.lock().await,
        Target::Door => site.doors_busy.lock().await,
        Target::Simulated(n) => site.simulated[n].1.lock().await,
    };
    let stages = moment(site, fleet, &plan).await;
    let real = plan.target == Target::Node(0) && !machines(&site.nodes[0].workspace).is_empty();
    let (target, hit) = match plan.target {
        Target::Region(n) => {
            (site.regions[n].program.name.clone(), of_program(site, &site.regions[n].program, &plan).await)
        }
        Target::Agent(n) => (site.agents[n].program.name.clone(), of_agent(site, n, &mut plan).await),
        Target::Node(n) => (site.nodes[n].name.to_owned(), of_node(site, fleet, n, &mut plan).await),
        Target::Database => ("database".into(), of_database(site, &plan).await),
        Target::Door => ("door".into(), of_door(site, &plan).await),
        Target::Simulated(n) => (site.simulated[n].0.name().to_owned(), of_simulated(site, fleet, n, &mut plan).await),
    };
    drop(held);
    let (note, could) = match hit {
        Ok(note) => (note, true),
        Err(error) => (format!("{error:#}"), false),
    };
    Done { kind: plan.kind, target, real, stages, note, could }
}

/// Until a task of a server that the fault can touch is at the stage; the stages at which there are tasks then.
async fn moment(site: &Site, fleet: &Fleet, plan: &Plan) -> Vec<String> {
    let place = match plan.target {
        Target::Node(n) => Some(Place::Node(n)),
        Target::Simulated(n) => Some(Place::Simulated(n)),
        _ => None,
    };
    let ids: Vec<String> = fleet
        .members
        .iter()
        .filter(|it| place.is_none_or(|place| it.place == place))
        .map(|it| it.id.to_string())
        .collect();
    let query = "select distinct obj_id::text as id, stage_name as stage from tasks where ended_at is null";
    let look = async || {
        let rows = sql::rows(&site.postgres.url, query).await.unwrap_or_default();
        let ours = rows.iter().filter(|row| row["id"].as_str().is_some_and(|id| ids.iter().any(|own| own == id)));
        let mut stages: Vec<String> = ours.filter_map(|row| Some(row["stage"].as_str()?.to_owned())).collect();
        stages.sort();
        stages.dedup();
        stages
    };
    let end = tokio::time::Instant::now() + STAGE;
    loop {
        let stages = look().await;
        let there = match &plan.moment {
            Moment::Now => true,
            Moment::Stage(stage) => stages.iter().any(|at| at == stage),
        };
        if there || tokio::time::Instant::now() >= end {
            return stages;
        }
        sleep(Duration::from_millis(40)).await;
    }
}

async fn of_program(site: &Site, program: &Program, plan: &Plan) -> Result<String> {
    match plan.kind {
        Kind::Kill | Kind::Terminate => {
            let signal = if plan.kind == Kind::Kill { Signal::KILL } else { Signal::TERM };
            program.signal(signal);
            if !program.gone(END).await {
                program.signal(Signal::KILL);
                program.gone(END).await;
                bail!("it does not end within {} s after SIGTERM", END.as_secs());
            }
            sleep(plan.hold).await;
            program.ready().await?;
        }
        Kind::Freeze => {
            program.signal(Signal::STOP);
            sleep(plan.hold).await;
            program.signal(Signal::CONT);
        }
        Kind::ClockJump => {
            if !site.clocks {
                bail!("no libfaketime here: clocks stay as they are");
            }
            let mut chance = plan.chance.clone();
            let seconds = *chance.one(&[-7200, -3600, -90, 90, 3600, 7200]);
            clock::set(&site.state, &program.name, seconds)?;
            sleep(plan.hold).await;
            clock::set(&site.state, &program.name, 0)?;
            return Ok(format!("by {seconds} s, and back"));
        }
        other => bail!("{other:?} is not for a program"),
    }
    Ok(String::new())
}

async fn of_agent(site: &Site, n: usize, plan: &mut Plan) -> Result<String> {
    // Boot files are some megabytes: beyond the manifest, within the kernel.
    let after = 2000 + plan.chance.below(4_000_000);
    let way = match plan.kind {
        Kind::HttpSlow => Way::Slow { bytes: 4096, pause_ms: 20 },
        Kind::HttpFlip => Way::Flip { after: if plan.chance.percent(50) { after } else { 300 + after % 1500 } },
        Kind::HttpCut => Way::Cut { after },
        Kind::HttpStatus => Way::Answer(*plan.chance.one(&[404, 500, 503, 302, 200])),
        _ => return of_program(site, &site.agents[n].program, plan).await,
    };
    // Nothing is fetched that a host has: so that something passes here, it must be fetched again.
    let node = plan.chance.below(site.nodes.len());
    lose_store(&site.nodes[node])?;
    site.ways[n].go(way);
    sleep(plan.hold).await;
    site.ways[n].go(Way::Open);
    Ok(format!("{way:?}"))
}

fn lose_store(node: &Node) -> Result<String> {
    let store = node.workspace.join("store");
    let mut lost = 0;
    let mut folders = vec![store];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                lost += usize::from(std::fs::remove_file(&path).is_ok());
            }
        }
    }
    Ok(format!("{lost} files of the store are gone"))
}

async fn of_node(site: &Site, fleet: &Fleet, n: usize, plan: &mut Plan) -> Result<String> {
    let node = &site.nodes[n];
    match plan.kind {
        Kind::NetworkDown | Kind::NetworkSilent | Kind::NetworkLossy => {
            let cut = match plan.kind {
                Kind::NetworkDown => Cut::Down,
                Kind::NetworkSilent => Cut::Silent,
                _ => Cut::Lossy(*plan.chance.one(&[5, 20, 40])),
            };
            node.network.cut(cut)?;
            sleep(plan.hold).await;
            node.network.mend(cut)?;
            Ok(format!("{cut:?}"))
        }
        Kind::DiskFull => {
            node.disk.fill()?;
            sleep(plan.hold).await;
            node.disk.free();
            Ok(String::new())
        }
        Kind::StoreLost => lose_store(node),
        Kind::TornFiles => {
            node.agent.signal(Signal::KILL);
            node.agent.gone(END).await;
            let torn = crate::inject::torn::tear(site, fleet, n, &mut plan.chance)?;
            sleep(plan.hold).await;
            node.agent.ready().await?;
            Ok(torn)
        }
        Kind::QemuKill => {
            let machine = one_machine(node, &mut plan.chance)?;
            if let Ok(id) = machine.server.parse() {
                fleet.strike(id);
            }
            machine.process.signal(Signal::KILL);
            Ok(if machine.rescue { "a rescue system's" } else { "a server's own" }.into())
        }
        Kind::QemuFreeze => {
            let machine = one_machine(node, &mut plan.chance)?;
            machine.process.signal(Signal::STOP);
            sleep(plan.hold).await;
            machine.process.signal(Signal::CONT);
            Ok(if machine.rescue { "a rescue system's" } else { "a server's own" }.into())
        }
        Kind::GuestPanic => panic::panic(site, fleet, &mut plan.chance).await,
        Kind::BadProof => {
            let order = *plan.chance.one(&["wrong", "replayed", "silent", "fewer", "panics", "dies", "other-session"]);
            service::files::write_atomic(&site.orders, order.as_bytes(), 0o644)?;
            sleep(plan.hold).await;
            let _ = std::fs::remove_file(&site.orders);
            Ok(order.into())
        }
        _ => of_program(site, &node.agent, plan).await,
    }
}

fn one_machine(node: &Node, chance: &mut Chance) -> Result<Machine> {
    let found = machines(&node.workspace);
    if found.is_empty() {
        bail!("no QEMU runs there");
    }
    Ok(chance.one(&found).clone())
}

async fn of_database(site: &Site, plan: &Plan) -> Result<String> {
    match plan.kind {
        Kind::DatabaseCrash | Kind::DatabaseKill | Kind::DatabaseRestart => {
            let process = site.postgres.process();
            site.postgres.end(match plan.kind {
                Kind::DatabaseKill => Signal::KILL,
                Kind::DatabaseRestart => Signal::INT,
                _ => Signal::QUIT,
            });
            if let (Kind::DatabaseRestart, Some(process)) = (plan.kind, process)
                && !process.gone_within(END).await
            {
                process.signal(Signal::QUIT);
                bail!("it does not end in order within {} s", END.as_secs());
            }
            sleep(plan.hold).await;
            site.postgres.ensure().await?;
            Ok(String::new())
        }
        Kind::DatabaseFreeze => {
            // Its first process before the others: what stands makes no more of them.
            let mut still = Vec::new();
            while let Some(next) = site.postgres.everyone().into_iter().find(|it| !still.contains(it)) {
                next.signal(Signal::STOP);
                still.push(next);
            }
            sleep(plan.hold).await;
            still.iter().for_each(|process| process.signal(Signal::CONT));
            Ok(format!("{} processes", still.len()))
        }
        Kind::DatabaseFull => {
            site.postgres.disk.fill()?;
            sleep(plan.hold).await;
            let stood = site.postgres.process().is_some();
            site.postgres.disk.free();
            site.postgres.ensure().await?;
            Ok(if stood { "it stood" } else { "it ended, and was started again" }.into())
        }
        Kind::DatabaseCut => {
            let query = "select count(pg_terminate_backend(pid)) as n from pg_stat_activity \
                         where pid <> pg_backend_pid() and datname = current_database()";
            let ended = sql::count(&site.postgres.url, query).await?;
            Ok(format!("{ended} connections"))
        }
        other => bail!("{other:?} is not for a database"),
    }
}

async fn of_door(site: &Site, plan: &Plan) -> Result<String> {
    let way = if plan.kind == Kind::DoorShut { Way::Shut } else { Way::Slow { bytes: 2048, pause_ms: 5 } };
    site.doors.iter().for_each(|door| door.go(way));
    sleep(plan.hold).await;
    site.doors.iter().for_each(|door| door.go(Way::Open));
    Ok(String::new())
}

async fn of_simulated(site: &Site, fleet: &Fleet, n: usize, plan: &mut Plan) -> Result<String> {
    let host = &site.simulated[n].0;
    let times = u32::try_from(1 + plan.chance.below(6)).unwrap_or(1);
    let rule = |behaviour| host.rule(None, None, Some(times), behaviour);
    let note = match plan.kind {
        Kind::SimCrash => {
            host.crash();
            sleep(plan.hold).await;
            host.restart().await?;
            return Ok(String::new());
        }
        Kind::SimReboot => {
            for member in fleet.at(Place::Simulated(n)) {
                fleet.strike(member.id);
            }
            host.reboot().await?;
            return Ok(String::new());
        }
        Kind::SimLostReplies => {
            let pace = if plan.chance.percent(50) { Pace::After(Duration::from_millis(700)) } else { Pace::Inline };
            rule(Behaviour { pace, ..Behaviour::reply(Reply::Lost) });
            format!("{times} replies, {pace:?}")
        }
        Kind::SimReports => {
            let reports = *plan.chance.one(&[Reports::Twice, Reports::Never]);
            rule(Behaviour::reports(reports));
            format!("{times} {reports:?}")
        }
        Kind::SimFails => {
            let verb = *plan.chance.one(&[
                Verb::StopGuest,
                Verb::PreflightRescue,
                Verb::PrepareRescue,
                Verb::WriteRescueDesc,
                Verb::StartRescue,
                Verb::AwaitReady,
                Verb::RestoreDesc,
                Verb::StartGuest,
                Verb::SuspendGuest,
                Verb::ResumeGuest,
            ]);
            let code = *plan.chance.one(&[FailureCode::Internal, FailureCode::Disk, FailureCode::Qemu]);
            let failure = Failure { code, message: "chaos".into(), evidence: vec![] };
            host.rule(Some(verb), None, Some(times), Behaviour::failing(failure.clone()));
            // The way back fails too: what comes of it are the failed statuses, which must have ways out.
            let way_back = plan.chance.percent(60);
            if way_back {
                host.rule(Some(Verb::RestoreDesc), None, Some(times), Behaviour::failing(failure));
            }
            format!("{times} {verb}{}", if way_back { " and the way back" } else { "" })
        }
        Kind::SimMute => {
            host.set_mute(true);
            sleep(plan.hold).await;
            host.set_mute(false);
            return Ok(String::new());
        }
        other => bail!("{other:?} is not for a simulated host"),
    };
    sleep(plan.hold).await;
    host.behave();
    Ok(note)
}

mod torn {
    //! What a crash of the machine can leave: a last line that is half there, files that were being written, a desc that is cut.

    use super::{Chance, Context, Fleet, Place, Result, Site};
    use std::io::Write;

    pub fn tear(site: &Site, fleet: &Fleet, node: usize, chance: &mut Chance) -> Result<String> {
        let members: Vec<_> = fleet.at(Place::Node(node)).collect();
        let workspace = &site.nodes[node].workspace;
        let mut torn = Vec::new();
        for _ in 0..2 {
            let member = *chance.one(&members);
            let log = workspace.join("ledger").join(format!("{}.log", member.id));
            let line = b"00000000 {\"record\":\"begin\",\"header\":{\"id\":\"";
            let mut file =
                std::fs::OpenOptions::new().append(true).open(&log).with_context(|| log.display().to_string())?;
            file.write_all(&line[..1 + chance.below(line.len() - 1)])?;
            torn.push(format!("ledger of {}", member.name));
        }
        let member = *chance.one(&members);
        let folder = member.folder(site, node);
        std::fs::write(folder.join(".desc.4711.tmp"), b"{\"id\": ")?;
        let (desc, copy) = (folder.join("desc"), folder.join("desc.copy"));
        let text = std::fs::read(&desc)?;
        // Only where there is a second copy of the same can the first be lost.
        if std::fs::read(&copy).ok().as_ref() == Some(&text) {
            std::fs::write(&desc, &text[..chance.below(text.len())])?;
            torn.push(format!("desc of {}", member.name));
        }
        Ok(torn.join(", "))
    }
}

mod panic {
    //! A rescue system whose kernel panics, as root's own doing in there.

    use std::process::Stdio;

    use api::rescue::RescueSessions;
    use api::server::Servers;

    use super::{Chance, Context, Duration, Fleet, Place, Result, Site, bail};

    const LIMIT: Duration = Duration::from_secs(25);

    pub async fn panic(site: &Site, fleet: &Fleet, chance: &mut Chance) -> Result<String> {
        let all: Vec<_> = fleet.at(Place::Node(0)).collect();
        let first = chance.below(all.len());
        for member in (0..all.len()).map(|n| all[(first + n) % all.len()]) {
            let server = site.client.get::<Servers>(&member.id.to_string()).await?;
            let Some(session) = server.rescue_session_id else { continue };
            let session = site.client.get::<RescueSessions>(&session.to_string()).await?;
            let (true, Some(host_key), Some(port)) = (session.is_ready, session.ssh_host_key, member.ssh_port) else {
                continue;
            };
            let login = site.key.login(port, &host_key)?;
            let mut words = site.nodes[0].network.enter();
            words.extend(["ssh".into(), "-F".into(), "/dev/null".into()]);
            words.extend(login.words());
            words.push("sync; echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger".into());
            let mut ssh = tokio::process::Command::new(&words[0]);
            ssh.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
            let mut ssh = ssh.spawn().context("ssh")?;
            // It ends with the connection, or hangs on one that nobody answers any more.
            let _ = tokio::time::timeout(LIMIT, ssh.wait()).await;
            return Ok(member.name.clone());
        }
        bail!("no rescue system with real QEMU is up")
    }
}
