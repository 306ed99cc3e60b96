//! `status` and `logs`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::board::{Board, Condition, Row, Rows, SUPERVISOR};
use crate::state::{State, tail};

/// Prints one line for each part. Exit code 3: something that should run does not.
///
/// # Errors
/// The state folder holds something else.
pub fn show(state: &State, json: bool) -> Result<ExitCode> {
    let rows = living(state)?;
    let all_well = rows.contains_key(SUPERVISOR) && rows.values().all(|row| row.condition == Condition::Ready);
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &rows)?;
        writeln!(out)?;
    } else if rows.is_empty() {
        eprintln!("nothing runs in {}; start it with: lifeboat up", state.root().display());
    } else {
        writeln!(out, "{:<16} {:<9} {:>8} {:>8}  serves", "part", "state", "pid", "restarts")?;
        for (name, row) in &rows {
            let pid = row.process.map(|p| p.pid.to_string()).unwrap_or_default();
            let condition = match row.condition {
                Condition::Starting => "starting",
                Condition::Ready => "ready",
                Condition::Down => "down",
            };
            writeln!(out, "{name:<16} {condition:<9} {pid:>8} {:>8}  {}", row.restarts, addresses(&row.ready))?;
        }
    }
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// The board, without what has died since it was written.
fn living(state: &State) -> Result<Rows> {
    let mut rows = Board::last(state)?;
    let supervised = rows.get(SUPERVISOR).and_then(|row| row.process).is_some_and(|p| p.is_alive());
    if !supervised {
        rows.retain(|_, row| row.process.is_some_and(|p| p.is_alive()));
    }
    for row in rows.values_mut().filter(|row| row.process.is_some_and(|p| !p.is_alive())) {
        *row = Row { process: None, condition: Condition::Down, ..row.clone() };
    }
    Ok(rows)
}

fn addresses(ready: &Value) -> String {
    let Value::Object(map) = ready else { return String::new() };
    map.iter().filter_map(|(key, value)| Some(format!("{key} {}", value.as_str()?))).collect::<Vec<_>>().join("  ")
}

/// Copies a part's log to stdout.
///
/// # Errors
/// No such part, or it has not written a log.
pub fn logs(state: &State, part: &str, lines: Option<usize>) -> Result<()> {
    let path = state.log(part);
    let known = part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !known || !path.exists() {
        let mut parts: Vec<String> = std::fs::read_dir(state.path("log"))
            .map(|entries| {
                entries
                    .flatten()
                    .filter_map(|e| Some(e.file_name().to_str()?.strip_suffix(".log")?.to_owned()))
                    .collect()
            })
            .unwrap_or_default();
        parts.sort();
        let parts = if parts.is_empty() { "none yet".to_owned() } else { parts.join(", ") };
        bail!("no log of '{part}' in {}; there are: {parts}", state.path("log").display());
    }
    let mut out = std::io::stdout().lock();
    match lines {
        Some(lines) => tail(&path, lines).iter().try_for_each(|line| writeln!(out, "{line}"))?,
        None => {
            std::io::copy(&mut std::fs::File::open(&path)?, &mut out)?;
        }
    }
    Ok(())
}
