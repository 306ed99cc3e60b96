//! What is wrong with a machine's own system, and repairs of it, from inside a rescue system.
//!
//! [`diagnose`] asks every rule, read-only; [`repair`] runs the fixes that are named and tells which files differ afterwards.
//!
//! * [`rules`]: one file of data and one probe for each thing that may be wrong; [`rule`] is what they have in common.
//! * [`fixes`]: one file for each repair; [`surgery`] is what they work with, [`changes`] tells what they did.
//! * [`patient`]: the machine: its devices ([`devices`], from [`sysfs`]), its own system ([`tree`]), mounted by [`mounts`].
//! * What rules read: [`fstab`], [`bootloader`], [`efi`], [`initramfs`], [`elf`], [`extfs`], [`xfs`], [`journal`]; programs are run by [`tools`].
//!
//! Nothing on the machine's disks is trusted: links never lead out of its tree, texts are cut and cleaned, programs are given a limit.

pub mod blkid;
pub mod bootloader;
pub mod changes;
pub mod devices;
pub mod efi;
pub mod elf;
pub mod extfs;
pub mod fixes;
pub mod fstab;
pub mod initramfs;
pub mod journal;
pub mod mounts;
pub mod patient;
mod repair;
pub mod rule;
pub mod rules;
pub mod surgery;
pub mod sysfs;
pub mod tools;
pub mod tree;
pub mod xfs;

use std::time::{Duration, Instant};

use types::diagnosis::{DIAGNOSIS_VERSION, Diagnosis, Skipped};

use crate::mounts::Access;
use crate::patient::Patient;
pub use crate::repair::repair;
use crate::rule::Rule;
use crate::tools::Deadline;

/// Tells how far the work is: done, of, what.
pub type Tell<'a> = &'a mut dyn FnMut(u64, u64, &str);

/// How long a diagnosis may take, so that it is over within a minute. What does not get its turn is told as skipped.
const MOST_TIME: Duration = Duration::from_secs(50);
/// How much of one piece of evidence, and how many pieces, are told.
const MAX_TEXT: usize = 400;
const MAX_PIECES: usize = 30;

/// Looks at this machine, read-only. `serial_log` is what its own system last printed on its serial console, empty if not known.
#[must_use]
pub fn diagnose(serial_log: &str, tell: Tell<'_>) -> Diagnosis {
    tell(0, 0, "looking at the disks");
    let started = (chrono::Utc::now(), Instant::now());
    let patient = Patient::examine(Access::Read, serial_log.to_owned(), Deadline::after(MOST_TIME));
    let mut diagnosis = ask_all(&patient, tell);
    diagnosis.started = started.0;
    diagnosis.seconds = started.1.elapsed().as_secs_f64();
    diagnosis
}

/// Asks every rule about a machine, until its deadline.
#[must_use]
pub fn ask_all(patient: &Patient, tell: Tell<'_>) -> Diagnosis {
    ask(&rules::all(), patient, tell)
}

fn ask(rules: &[Rule], patient: &Patient, tell: Tell<'_>) -> Diagnosis {
    let (start, now) = (chrono::Utc::now(), Instant::now());
    let mut diagnosis = Diagnosis {
        version: DIAGNOSIS_VERSION,
        started: start,
        seconds: 0.0,
        system: patient.seen(),
        findings: Vec::new(),
        checked: Vec::new(),
        skipped: Vec::new(),
    };
    let of = u64::try_from(rules.len()).unwrap_or(0);
    for (done, rule) in (0..).zip(rules) {
        tell(done, of, &rule.data.code);
        let seen = if patient.deadline.is_over() { Err(tools::NO_TIME.into()) } else { (rule.probe)(patient) };
        match seen {
            Ok(evidence) => {
                diagnosis.checked.push(rule.data.code.clone());
                if !evidence.is_empty() {
                    diagnosis.findings.push(rule.finding(bounded(evidence)));
                }
            }
            Err(why) => {
                let why = why.chars().take(MAX_TEXT).collect();
                diagnosis.skipped.push(Skipped { code: rule.data.code.clone(), why });
            }
        }
    }
    // Stable: within one severity the order of the rules stays.
    diagnosis.findings.sort_by_key(|finding| finding.severity);
    diagnosis.seconds = now.elapsed().as_secs_f64();
    tell(of, of, "done");
    diagnosis
}

fn bounded(evidence: Vec<String>) -> Vec<String> {
    let more = evidence.len().saturating_sub(MAX_PIECES);
    let mut pieces: Vec<String> =
        evidence.into_iter().take(MAX_PIECES).map(|text| text.chars().take(MAX_TEXT).collect()).collect();
    if more > 0 {
        pieces.push(format!("and {more} more"));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;
    use types::diagnosis::Severity;

    #[test]
    fn all_rules_are_asked_and_the_gravest_findings_come_first() {
        let folder = Folder::new();
        folder.put("etc/fstab", "LABEL=no-such /data ext4 defaults 0 2\n").put("lib/systemd/systemd", "");
        let mut told = Vec::new();
        let diagnosis = ask_all(&folder.patient(), &mut |done, of, code: &str| told.push((done, of, code.to_owned())));
        assert_eq!(diagnosis.checked.len() + diagnosis.skipped.len(), rules::all().len());
        assert_eq!(told.len(), rules::all().len() + 1);
        let severities: Vec<Severity> = diagnosis.findings.iter().map(|finding| finding.severity).collect();
        assert!(severities.is_sorted() && severities.contains(&Severity::Warning));
        let fstab = diagnosis.findings.iter().find(|finding| finding.code == "fstab_missing_device").unwrap();
        assert_eq!(fstab.fixes[0].code, "fstab_comment_out");
        assert!(fstab.fixes[0].safe && !fstab.fixes[0].title.is_empty());
    }

    #[test]
    fn what_does_not_get_its_turn_in_time_is_skipped() {
        let slow = |patient: &Patient| {
            let ended = tools::run("sleep", &["100"], patient.deadline.within(Duration::from_secs(100)))?;
            Ok(vec![format!("cut off: {}", ended.too_slow)])
        };
        let mut rules = rules::all();
        rules[1].probe = slow;
        let folder = Folder::new();
        let mut patient = folder.patient();
        patient.deadline = Deadline::after(Duration::from_secs(1));
        let diagnosis = ask(&rules, &patient, &mut |_, _, _| {});
        assert_eq!(diagnosis.checked, [rules[0].data.code.clone(), rules[1].data.code.clone()]);
        assert_eq!(diagnosis.findings[0].evidence, ["cut off: true"]);
        assert_eq!(diagnosis.skipped.len(), rules.len() - 2);
        assert!(diagnosis.skipped.iter().all(|skipped| skipped.why == tools::NO_TIME));
        assert!(diagnosis.seconds < 60.0);
    }

    #[test]
    fn evidence_is_bounded() {
        let pieces = bounded(vec!["x".repeat(1000); 100]);
        assert_eq!((pieces.len(), pieces[0].len(), pieces[30].as_str()), (31, MAX_TEXT, "and 70 more"));
    }
}
