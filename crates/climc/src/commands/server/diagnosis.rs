//! `server-rescue-diagnose`, `server-rescue-findings`: what the rescue system finds. Its words come from a machine that is broken: they are
//! shown without control characters.

use api::rescue::{Examined, Repaired, RescueSessions, Tried};
use api::server::RescueDiagnose;
use types::diagnosis::Diagnosis;

use super::perform;
use crate::batch::{Cx, Verb};
use crate::exit::Exit;
use crate::lang::say;
use crate::output::{self, Format};
use crate::text;

/// With `--wait`: then shows what was found.
pub async fn diagnose(cx: &Cx, verb: Verb<RescueDiagnose>) -> Result<(), Exit> {
    let (ids, wait) = (verb.many.ids.clone(), verb.wait.wait);
    perform(cx, verb).await?;
    if !wait || cx.format != Format::Table {
        return Ok(());
    }
    for id in &ids {
        if let Some(diagnosis) = examined(cx, id).await?.diagnosis {
            show_diagnosis(id, &diagnosis)?;
        }
    }
    Ok(())
}

pub async fn findings(cx: &Cx, id: &str) -> Result<(), Exit> {
    let examined = examined(cx, id).await?;
    if cx.format != Format::Table {
        return Ok(output::data(cx.format, &examined)?);
    }
    match &examined.diagnosis {
        Some(diagnosis) => show_diagnosis(id, diagnosis)?,
        None => {
            return Err(Exit {
                next: Some(format!("climc server-rescue-diagnose {id} --wait")),
                ..Exit::failed(say!("nobody has asked yet what is wrong with {id}", id = text::line(id)))
            });
        }
    }
    examined.repairs.iter().try_for_each(|repaired| show_repair(id, repaired))?;
    examined.trials.iter().try_for_each(|tried| show_trial(id, tried))
}

pub async fn examined(cx: &Cx, id: &str) -> Result<Examined, Exit> {
    let told = cx.client.detail::<RescueSessions>(id, "diagnosis").await?;
    serde_json::from_value(told).map_err(|error| Exit::failed(error.to_string()))
}

fn show_diagnosis(id: &str, diagnosis: &Diagnosis) -> Result<(), Exit> {
    let system = &diagnosis.system;
    output::sheet(&[
        ("server", text::line(id)),
        ("system", text::line(&format!("{} {}", system.version, system.hostname))),
        ("root", text::line(&format!("{} {} {}", system.root, system.root_filesystem, system.root_uuid))),
        ("checked", format!("{} rules in {:.1}s", diagnosis.checked.len(), diagnosis.seconds)),
        ("skipped", text::or_dash(Some(lines(diagnosis.skipped.iter().map(|it| format!("{}: {}", it.code, it.why)))))),
    ])?;
    if diagnosis.findings.is_empty() {
        return Ok(output::sheet(&[("found", say!("nothing that keeps it from booting"))])?);
    }
    for finding in &diagnosis.findings {
        let fixes = finding.fixes.iter().map(|fix| {
            let safe = if fix.safe { "safe" } else { "not safe" };
            format!("{} ({safe}: {}): {}", fix.code, fix.reason, fix.title)
        });
        output::sheet(&[
            ("found", text::line(&format!("{} ({})", finding.code, finding.severity))),
            ("what", text::line(&finding.title)),
            ("seen", text::or_dash(Some(lines(finding.evidence.iter().cloned())))),
            ("what to do", text::line(&finding.what_to_do)),
            ("fixes", text::or_dash(Some(lines(fixes)))),
        ])?;
    }
    Ok(())
}

pub fn show_repair(id: &str, repaired: &Repaired) -> Result<(), Exit> {
    let report = &repaired.report;
    let fixes = report.fixes.iter().map(|fix| format!("{} {}: {}", fix.code, fix.state, fix.message));
    output::sheet(&[
        ("server", text::line(id)),
        ("at", format!("{} {}", text::time(repaired.at), text::line(&repaired.user))),
        ("dry run", text::yes_no(report.dry_run)),
        ("repaired", lines(fixes)),
    ])?;
    for change in &report.changes {
        let more = change.diff.iter().chain(&change.note).flat_map(|text| text.lines()).map(str::to_owned);
        output::sheet(&[
            ("file", text::line(&format!("{} {}", change.path, change.kind))),
            ("change", text::or_dash(Some(lines(more)))),
        ])?;
    }
    Ok(())
}

pub fn show_trial(id: &str, tried: &Tried) -> Result<(), Exit> {
    let trial = &tried.report;
    Ok(output::sheet(&[
        ("server", text::line(id)),
        ("at", format!("{} {}", text::time(tried.at), text::line(&tried.user))),
        ("boots with it", text::yes_no(trial.sign.is_some())),
        ("known by", text::or_dash(trial.sign.as_deref().map(text::line))),
        ("after", text::or_dash(trial.seconds.map(|seconds| format!("{seconds:.1}s")))),
        ("cause", text::or_dash(trial.cause.as_deref().map(text::line))),
        ("console", text::or_dash(Some(lines(trial.console.iter().cloned())))),
    ])?)
}

/// One below the other, each without control characters. Empty where there are none.
fn lines(of: impl Iterator<Item = String>) -> String {
    of.map(|line| text::line(&line)).collect::<Vec<_>>().join("\n")
}
