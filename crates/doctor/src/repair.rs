//! Runs fixes: first those that work on devices while nothing is mounted, then those that work inside the system.

use std::time::Duration;

use types::diagnosis::{FixResult, FixState, RepairReport};

use crate::Tell;
use crate::changes::{self, Before};
use crate::fixes::{self, Fix, Way};
use crate::mounts::Access;
use crate::patient::Patient;
use crate::surgery::{Outcome, Step, Stop, Surgery};
use crate::tools::Deadline;

/// A check of a large file system takes its time.
const STEP_LIMIT: Duration = Duration::from_secs(3600);

/// Runs the fixes with these codes, in the order of [`fixes::all`]. Without `dry_run` it writes to the machine's disks.
#[must_use]
pub fn repair(codes: &[String], dry_run: bool, tell: Tell<'_>) -> RepairReport {
    let mut fixes = Vec::new();
    let known: Vec<Fix> = fixes::all();
    for code in codes {
        if !known.iter().any(|fix| fix.code == code) {
            let all: Vec<&str> = known.iter().map(|fix| fix.code).collect();
            let message = format!("there is no fix of that name; there are {}", all.join(", "));
            fixes.push(result(code, Err(Stop::Refused(message)), Vec::new()));
        }
    }
    let chosen: Vec<Fix> = known.into_iter().filter(|fix| codes.iter().any(|code| code == fix.code)).collect();
    if chosen.is_empty() {
        return RepairReport { fixes, changes: Vec::new(), dry_run };
    }
    let mut planned = Vec::new();
    let mut patient = Patient::examine(Access::Read, String::new(), Deadline::default());
    if !dry_run && let Some(why) = read_only(&patient) {
        fixes.extend(chosen.iter().map(|fix| result(fix.code, Err(Stop::Refused(why.clone())), Vec::new())));
        return RepairReport { fixes, changes: planned, dry_run };
    }
    tell(0, 0, "keeping /etc and /boot as they are now");
    let before = patient.system.as_ref().filter(|_| !dry_run).map(|system| changes::before(&system.tree));
    let of = u64::try_from(chosen.len()).unwrap_or(0);
    let mut mounted_for_writing = dry_run;
    for (done, fix) in (0..).zip(&chosen) {
        tell(done, of, fix.code);
        match fix.way {
            Way::Offline(plan) => {
                let (outcome, log) = offline(plan, &mut patient, dry_run);
                fixes.push(result(fix.code, outcome, log));
                if patient.system.is_none() && !dry_run {
                    patient = Patient::examine(Access::Read, String::new(), Deadline::default());
                }
            }
            Way::Online(run) => {
                if !mounted_for_writing {
                    // The old mounts go first: one file system can't be mounted in both ways.
                    patient.mounts.back_to(0);
                    drop(patient);
                    patient = Patient::examine(Access::Write, String::new(), Deadline::default());
                    mounted_for_writing = true;
                }
                let mut surgery = Surgery::new(&mut patient, dry_run);
                let outcome = run(&mut surgery);
                let (log, plan) = (surgery.log, surgery.planned);
                planned.extend(plan);
                fixes.push(result(fix.code, outcome, log));
            }
        }
    }
    tell(of, of, "comparing files with before");
    rustix::fs::sync();
    let changes = if dry_run { planned } else { after(&patient, before.as_ref()) };
    RepairReport { fixes, changes, dry_run }
}

fn after(patient: &Patient, before: Option<&Before>) -> Vec<types::diagnosis::FileChange> {
    patient.system.as_ref().map_or_else(Vec::new, |system| changes::after(&system.tree, before))
}

/// Plans on the mounted machine, then unmounts it for the steps.
fn offline(
    plan: fn(&Patient) -> Result<Vec<Step>, Stop>,
    patient: &mut Patient,
    dry_run: bool,
) -> (Outcome, Vec<String>) {
    let steps = match plan(patient) {
        Ok(steps) => steps,
        Err(stop) => return (Err(stop), Vec::new()),
    };
    if !dry_run {
        patient.system = None;
        patient.esp = None;
        patient.mounts.back_to(0);
        if let Some(device) =
            steps.iter().filter_map(|step| step.args.last()).find(|device| crate::mounts::mounted_at(device).is_some())
        {
            let why = format!("{device} is mounted; unmount it, and end the programs that use it");
            return (Err(Stop::Refused(why)), Vec::new());
        }
    }
    let mut surgery = Surgery::new(patient, dry_run);
    for step in &steps {
        if let Err(stop) = surgery.step(step, STEP_LIMIT) {
            return (Err(stop), surgery.log);
        }
    }
    let devices: Vec<&str> = steps.iter().filter_map(|step| step.args.last()).map(String::as_str).collect();
    (Ok(format!("{} on {}", if dry_run { "would run" } else { "ran" }, devices.join(", "))), surgery.log)
}

fn read_only(patient: &Patient) -> Option<String> {
    let disks: Vec<_> = patient.devices.all.iter().filter(|device| device.parent.is_none()).collect();
    let all = !disks.is_empty() && disks.iter().all(|disk| disk.read_only);
    let root = patient.system.as_ref().is_some_and(|system| system.device.read_only);
    (all || root).then(|| "the disk is read-only in this rescue; start it with disk mode overlay or rw".into())
}

fn result(code: &str, outcome: Outcome, log: Vec<String>) -> FixResult {
    let (state, message) = match outcome {
        Ok(message) => (FixState::Done, message),
        Err(Stop::Nothing(message)) => (FixState::NothingToDo, message),
        Err(Stop::Refused(message)) => (FixState::Refused, message),
        Err(Stop::Failed(message)) => (FixState::Failed, message),
    };
    let clean = |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(600).collect() };
    FixResult { code: clean(code), state, message: clean(&message), log: log.into_iter().take(300).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn an_unknown_fix_is_refused_with_those_that_exist() {
        let report = repair(&["no_such\x1b_fix".into()], false, &mut |_, _, _| {});
        assert_eq!((report.fixes.len(), report.fixes[0].state), (1, FixState::Refused));
        assert!(report.fixes[0].message.contains("fstab_comment_out") && report.fixes[0].code == "no_such_fix");
    }

    #[test]
    fn a_read_only_disk_is_not_worked_on() {
        let folder = Folder::new();
        let mut patient = folder.patient();
        assert_eq!(read_only(&patient), None);
        patient.system.as_mut().unwrap().device.read_only = true;
        assert!(read_only(&patient).unwrap().contains("overlay"));
    }

    #[test]
    fn steps_stop_at_the_first_failure_and_say_what_was_said() {
        fn plan(_: &Patient) -> Result<Vec<Step>, Stop> {
            let step = |code: &str| Step {
                program: "sh",
                args: vec!["-c".into(), format!("echo said; exit {code}")],
                good: &[0, 1],
            };
            Ok(vec![step("1"), step("8"), step("0")])
        }
        let folder = Folder::new();
        let (outcome, log) = offline(plan, &mut folder.patient(), false);
        assert!(matches!(outcome, Err(Stop::Failed(text)) if text.contains("exit code 8")));
        assert_eq!(log.iter().filter(|line| line.contains("  said")).count(), 2);
        let (dry, log) = offline(plan, &mut folder.patient(), true);
        assert!(dry.is_ok() && log.len() == 3 && log[0].starts_with("would run: sh"));
    }
}
