//! What can happen, to what, how often, and for how long.

use std::time::Duration;

use crate::chance::Chance;
use crate::options::Options;

/// One kind of fault. The names are those of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `kill -9` of a program.
    Kill,
    /// SIGSTOP of a program, and SIGCONT.
    Freeze,
    /// SIGTERM of a program, as an update sends it.
    Terminate,
    DatabaseCrash,
    DatabaseKill,
    /// An orderly restart, as an update makes it.
    DatabaseRestart,
    /// All its processes stand still, and go on.
    DatabaseFreeze,
    DatabaseFull,
    /// Every connection of the database is ended.
    DatabaseCut,
    NetworkDown,
    NetworkSilent,
    NetworkLossy,
    /// Regions can't be reached by anybody; what was open breaks.
    DoorShut,
    DoorSlow,
    HttpSlow,
    HttpFlip,
    HttpCut,
    HttpStatus,
    DiskFull,
    /// Boot files vanish from a host's store.
    StoreLost,
    /// Files as a crash of the machine leaves them, found by the agent when it starts.
    TornFiles,
    ClockJump,
    QemuKill,
    QemuFreeze,
    /// The rescue system's kernel panics.
    GuestPanic,
    /// Simulated QEMU: rescue systems prove themselves wrongly, or not at all.
    BadProof,
    SimCrash,
    /// The whole machine loses its power.
    SimReboot,
    SimLostReplies,
    SimReports,
    SimFails,
    SimMute,
}

/// What is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Region(usize),
    Agent(usize),
    /// A host that is a process: 0 has real QEMU.
    Node(usize),
    Database,
    Door,
    Simulated(usize),
}

/// When it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    Now,
    /// When a task is at this stage, if one comes there soon.
    Stage(&'static str),
}

/// A fault before it happens.
#[derive(Debug, Clone)]
pub struct Plan {
    pub kind: Kind,
    pub target: Target,
    pub moment: Moment,
    /// Until it is undone.
    pub hold: Duration,
    /// Until the next one.
    pub pause: Duration,
    /// For what else is left to chance.
    pub chance: Chance,
}

/// Stages of all that is asked: each is waited for.
pub const STAGES: &[&str] = &[
    "preflight",
    "stop_leftover",
    "restore_leftover",
    "preflight_restored",
    "prepare_rescue",
    "stop_server",
    "write_desc",
    "rescue_start_server",
    "await_ready",
    "finish_stop",
    "undo_desc",
    "start_again",
    "stop_rescue_system",
    "restore_desc",
    "start_server",
    "begin",
    "ask_host",
    "look_again",
    "enter_rescue",
    "entered",
    "diagnose",
    "repair",
    "confirm_boot",
    "nothing_safe",
    "leave_rescue",
    "child_ended",
];

use Kind::{
    BadProof, ClockJump, DatabaseCrash, DatabaseCut, DatabaseFreeze, DatabaseFull, DatabaseKill, DatabaseRestart,
    DiskFull, DoorShut, DoorSlow, Freeze, GuestPanic, HttpCut, HttpFlip, HttpSlow, HttpStatus, Kill, NetworkDown,
    NetworkLossy, NetworkSilent, QemuFreeze, QemuKill, SimCrash, SimFails, SimLostReplies, SimMute, SimReboot,
    SimReports, StoreLost, Terminate, TornFiles,
};

/// Weight, kind, and how long it lasts in milliseconds.
const OF_NODE: &[(usize, (Kind, u64, u64))] = &[
    (10, (Kill, 50, 1500)),
    (5, (Freeze, 500, 7000)),
    (3, (Terminate, 50, 1000)),
    (4, (NetworkDown, 500, 6000)),
    (4, (NetworkSilent, 500, 7000)),
    (4, (NetworkLossy, 2000, 6000)),
    (5, (DiskFull, 1000, 5000)),
    (5, (StoreLost, 0, 1)),
    (6, (TornFiles, 50, 500)),
    (3, (ClockJump, 2000, 5000)),
    (12, (QemuKill, 0, 1)),
    (4, (QemuFreeze, 500, 5000)),
];
const OF_REAL: &[(usize, (Kind, u64, u64))] = &[(8, (GuestPanic, 0, 1))];
const OF_SIM: &[(usize, (Kind, u64, u64))] = &[(12, (BadProof, 1500, 4000))];
const OF_REGION: &[(usize, (Kind, u64, u64))] =
    &[(10, (Kill, 50, 2500)), (6, (Freeze, 500, 9000)), (3, (Terminate, 50, 1000)), (3, (ClockJump, 2000, 5000))];
const OF_AGENT: &[(usize, (Kind, u64, u64))] = &[
    (4, (Kill, 100, 3000)),
    (3, (Freeze, 500, 5000)),
    (1, (Terminate, 50, 1000)),
    (1, (ClockJump, 2000, 5000)),
    (4, (HttpSlow, 1000, 5000)),
    (6, (HttpFlip, 1000, 5000)),
    (6, (HttpCut, 1000, 5000)),
    (6, (HttpStatus, 1000, 5000)),
];
const OF_DATABASE: &[(usize, (Kind, u64, u64))] = &[
    (5, (DatabaseCrash, 50, 2000)),
    (3, (DatabaseKill, 50, 1500)),
    (3, (DatabaseRestart, 50, 1000)),
    (3, (DatabaseFreeze, 500, 9000)),
    (3, (DatabaseFull, 1000, 4000)),
    (5, (DatabaseCut, 0, 1)),
];
const OF_DOOR: &[(usize, (Kind, u64, u64))] = &[(3, (DoorShut, 500, 4000)), (1, (DoorSlow, 1000, 4000))];
const OF_SIMULATED: &[(usize, (Kind, u64, u64))] = &[
    (6, (SimCrash, 50, 3000)),
    (4, (SimReboot, 0, 1)),
    (5, (SimLostReplies, 1000, 4000)),
    (5, (SimReports, 1000, 4000)),
    (6, (SimFails, 1000, 4000)),
    (3, (SimMute, 1000, 7000)),
];

/// Draws the next fault.
#[must_use]
pub fn draw(chance: &mut Chance, options: &Options) -> Plan {
    loop {
        let plan = draw_any(chance, options);
        let name = format!("{:?}", plan.kind);
        if options.only.is_empty() || options.only.iter().any(|only| name.starts_with(only.as_str())) {
            return plan;
        }
    }
}

fn draw_any(chance: &mut Chance, options: &Options) -> Plan {
    let mut targets = vec![
        (8, Target::Region(0)),
        (8, Target::Region(1)),
        (5, Target::Agent(0)),
        (5, Target::Agent(1)),
        (if options.real > 0 { 30 } else { 0 }, Target::Node(0)),
        (if options.programs > 0 { 20 } else { 0 }, Target::Node(1)),
        (8, Target::Database),
        (4, Target::Door),
    ];
    targets.extend((0..options.hosts).map(|n| (16 / options.hosts.max(1), Target::Simulated(n))));
    let target = *chance.weighted(&targets);
    let kinds: Vec<(usize, (Kind, u64, u64))> = match target {
        Target::Region(_) => OF_REGION.to_vec(),
        Target::Agent(_) => OF_AGENT.to_vec(),
        Target::Node(0) => [OF_NODE, OF_REAL].concat(),
        Target::Node(_) => [OF_NODE, OF_SIM].concat(),
        Target::Database => OF_DATABASE.to_vec(),
        Target::Door => OF_DOOR.to_vec(),
        Target::Simulated(_) => OF_SIMULATED.to_vec(),
    };
    let (kind, from, to) = *chance.weighted(&kinds);
    let hold = chance.time(from, to);
    let moment = if chance.percent(60) { Moment::Stage(STAGES[chance.below(STAGES.len())]) } else { Moment::Now };
    let pause = chance.time(50, 900);
    let own = Chance::new(chance.number());
    Plan { kind, target, moment, hold, pause, chance: own }
}

impl Kind {
    /// All there are.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let tables = [OF_NODE, OF_REAL, OF_SIM, OF_REGION, OF_AGENT, OF_DATABASE, OF_DOOR, OF_SIMULATED].concat();
        let mut all: Vec<Self> = Vec::new();
        for (_, (kind, _, _)) in tables {
            if !all.contains(&kind) {
                all.push(kind);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_seed_draws_the_same_faults_and_all_kinds_come() {
        let options = Options::parse_from(["chaos"]);
        let drawn = |seed| {
            let mut chance = Chance::new(seed);
            (0..2000).map(|_| draw(&mut chance, &options)).map(|it| (it.kind, it.hold)).collect::<Vec<_>>()
        };
        let some = drawn(1);
        assert_eq!(some, drawn(1));
        assert_ne!(some, drawn(2));
        for kind in Kind::all() {
            assert!(some.iter().any(|(drawn, _)| *drawn == kind), "{kind:?} never comes");
        }
    }

    /// Of what [`crate::load`] asks, every stage that a task can be at is waited for, and nothing else is.
    #[test]
    fn every_stage_of_what_is_asked_is_waited_for() {
        let tasks = concat!(env!("CARGO_MANIFEST_DIR"), "/../region/tasks.txt");
        let text = std::fs::read_to_string(tasks).expect("region's list of stages");
        let lines = text.lines().filter_map(|line| line.split_once(": ")).filter(|(task, _)| ASKED.contains(task));
        let mut known: Vec<&str> = lines.clone().flat_map(|(_, stages)| stages.split(' ')).collect();
        assert_eq!(lines.count(), ASKED.len());
        known.sort_unstable();
        known.dedup();
        let mut waited = STAGES.to_vec();
        waited.sort_unstable();
        assert_eq!(waited, known);
    }

    const ASKED: &[&str] = &[
        "RescueAutoRepairTask",
        "RescueRestartTask",
        "ServerResetTask",
        "ServerRestartTask",
        "ServerResumeTask",
        "ServerStartTask",
        "ServerStopTask",
        "ServerSuspendTask",
        "ServerSyncstatusTask",
        "StartRescueTask",
        "StopRescueTask",
    ];

    #[test]
    fn faults_can_be_chosen() {
        let options = Options::parse_from(["chaos", "--only", "Http"]);
        let mut chance = Chance::new(3);
        assert!((0..50).all(|_| format!("{:?}", draw(&mut chance, &options).kind).starts_with("Http")));
    }
}
