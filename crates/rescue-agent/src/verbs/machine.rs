//! Diagnosis and repair of the machine's own system, by crate `doctor`: for the host, and by hand inside the rescue system.

use types::diagnosis::{Diagnosis, RepairReport};
use types::verb::{Verb, VerbFault};

use super::{Tell, json};

/// Codes in one request.
const MAX_CODES: usize = 100;
/// What it is called by hand.
pub const USAGE: &str =
    "usage: rescue-agent diagnose [--json]\n       rescue-agent repair [--dry-run] [--json] CODE...";

/// Carries out the verbs that look at disks.
///
/// # Errors
/// Why the verb was not begun.
pub fn carry_out(verb: Verb, tell: Tell<'_>) -> Result<String, VerbFault> {
    match verb {
        Verb::Diagnose { serial_log } => json(&doctor::diagnose(&serial_log, tell)),
        Verb::Repair { codes, .. } if codes.is_empty() => {
            Err(VerbFault { message: "a repair needs the codes of its fixes".into() })
        }
        Verb::Repair { codes, .. } if codes.len() > MAX_CODES => {
            Err(VerbFault { message: format!("a repair takes at most {MAX_CODES} codes") })
        }
        Verb::Repair { codes, dry_run } => json(&doctor::repair(&codes, dry_run, tell)),
        Verb::Notice { .. } | Verb::Credentials { .. } => {
            Err(VerbFault { message: format!("{} is no matter of disks", verb.name()) })
        }
    }
}

/// `diagnose` or `repair` of the command line; None if it asks for neither. Returns what to print, and the exit code: 0 all well, 1
/// something was found or not done, 2 not understood.
pub fn by_hand(args: &[String], progress: Tell<'_>) -> Option<(String, i32)> {
    let (verb, rest) = args.split_first()?;
    let flag = |name: &str| rest.iter().any(|arg| arg == name);
    let words: Vec<String> = rest.iter().filter(|arg| !arg.starts_with("--")).cloned().collect();
    let known =
        |allowed: &[&str]| rest.iter().filter(|arg| arg.starts_with("--")).all(|arg| allowed.contains(&arg.as_str()));
    let answer = match verb.as_str() {
        "diagnose" if words.is_empty() && known(&["--json"]) => {
            let diagnosis = doctor::diagnose("", progress);
            let code = i32::from(!diagnosis.findings.is_empty());
            (if flag("--json") { json(&diagnosis).unwrap_or_default() + "\n" } else { told(&diagnosis) }, code)
        }
        "repair" if !words.is_empty() && known(&["--json", "--dry-run"]) => {
            let report = doctor::repair(&words, flag("--dry-run"), progress);
            let code =
                i32::from(report.fixes.iter().any(|fix| !matches!(fix.state.as_str(), "done" | "nothing_to_do")));
            (if flag("--json") { json(&report).unwrap_or_default() + "\n" } else { done(&report) }, code)
        }
        _ => (format!("{USAGE}\n"), 2),
    };
    Some(answer)
}

fn told(diagnosis: &Diagnosis) -> String {
    let system = &diagnosis.system;
    let mut text =
        format!("{} on {} ({})\n", or_dash(&system.version), or_dash(&system.root), or_dash(&system.root_filesystem));
    for finding in &diagnosis.findings {
        text += &format!("\n{} [{}] {}\n", finding.severity, finding.code, finding.title);
        finding.evidence.iter().for_each(|line| text += &format!("    {line}\n"));
        text += &format!("  {}\n", finding.what_to_do);
        for fix in &finding.fixes {
            let safe = if fix.safe { "safe" } else { "with care" };
            text += &format!("  rescue-agent repair {}    {safe}: {}\n", fix.code, fix.reason);
        }
    }
    if diagnosis.findings.is_empty() {
        text += "nothing was found\n";
    }
    for skipped in &diagnosis.skipped {
        text += &format!("\nnot checked: {} ({})", skipped.code, skipped.why);
    }
    text + "\n"
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn done(report: &RepairReport) -> String {
    let mut text = String::new();
    for fix in &report.fixes {
        text += &format!("{}: {}: {}\n", fix.code, fix.state, fix.message);
        fix.log.iter().for_each(|line| text += &format!("    {line}\n"));
    }
    for change in &report.changes {
        text += &format!(
            "{} {}{}\n",
            change.kind,
            change.path,
            change.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"))
        );
        text += change.diff.as_deref().unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand(args: &[&str]) -> Option<(String, i32)> {
        by_hand(&args.iter().map(ToString::to_string).collect::<Vec<_>>(), &mut |_, _, _| {})
    }

    #[test]
    fn what_is_not_understood_says_how() {
        assert_eq!(hand(&[]), None);
        for bad in [&["dance"][..], &["repair"], &["repair", "--force", "x"], &["diagnose", "x"]] {
            let (text, code) = hand(bad).unwrap();
            assert!(text.starts_with("usage:") && code == 2, "{bad:?}");
        }
    }

    #[test]
    fn an_unknown_fix_is_refused_in_both_forms() {
        let (text, code) = hand(&["repair", "--dry-run", "no_such"]).unwrap();
        assert!(code == 1 && text.starts_with("no_such: refused: there is no fix of that name"), "{text}");
        let (text, _) = hand(&["repair", "--json", "no_such"]).unwrap();
        let report: RepairReport = serde_json::from_str(&text).unwrap();
        assert_eq!(report.fixes.len(), 1);
    }

    #[test]
    fn a_repair_without_codes_and_one_with_too_many_are_refused() {
        for codes in [vec![], vec!["x".to_owned(); MAX_CODES + 1]] {
            assert!(carry_out(Verb::Repair { codes, dry_run: true }, &mut |_, _, _| {}).is_err());
        }
    }
}
