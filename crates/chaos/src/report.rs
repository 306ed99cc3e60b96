//! What came of a campaign: a table for people, and a JSON file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::inject::Done;
use crate::leave::Left;

#[derive(Default)]
pub struct Report {
    pub seed: u64,
    pub rounds: usize,
    pub servers: usize,
    pub tasks: Value,
    pub faults: Vec<Done>,
    pub left: Vec<Left>,
    /// Each with the round it was seen in.
    pub broken: Vec<(usize, String)>,
    /// What was sown at the end, and no look found.
    pub unnoticed: Vec<String>,
    /// How long it took until all was calm after healing, round by round.
    pub calm: Vec<Duration>,
    /// How often the processes were looked at.
    pub looks: u64,
    pub seconds: f64,
}

impl Report {
    fn happened(&self) -> impl Iterator<Item = &Done> {
        self.faults.iter().filter(|fault| fault.could)
    }

    /// Faults that happened; and those of them that hit real QEMU or its host.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.happened().count(), self.happened().filter(|fault| fault.real).count())
    }

    #[must_use]
    pub fn json(&self) -> Value {
        let (faults, real) = self.counts();
        let mut kinds = BTreeMap::<String, usize>::new();
        let mut stages = BTreeMap::<&str, usize>::new();
        let mut not_done = BTreeMap::<String, usize>::new();
        for fault in &self.faults {
            if !fault.could {
                *not_done.entry(format!("{:?}: {}", fault.kind, fault.note)).or_default() += 1;
                continue;
            }
            *kinds.entry(format!("{:?}", fault.kind)).or_default() += 1;
            fault.stages.iter().for_each(|stage| *stages.entry(stage).or_default() += 1);
        }
        let mut ways = BTreeMap::<String, usize>::new();
        for left in &self.left {
            *ways.entry(format!("{} by {:?}", left.from, left.by)).or_default() += 1;
        }
        let seconds = |of: Option<&Duration>| of.map(|it| (it.as_secs_f64() * 10.0).round() / 10.0);
        let mut calm = self.calm.clone();
        calm.sort();
        json!({
            "seed": self.seed, "faults": faults, "faults_on_real_qemu": real, "broken_invariants": self.broken.len(),
            "tasks": self.tasks["ended"], "tasks_by_end": self.tasks, "servers": self.servers, "rounds": self.rounds,
            "seconds": self.seconds.round(), "looks_at_processes": self.looks,
            "calm_after_s": { "median": seconds(calm.get(calm.len() / 2)), "longest": seconds(calm.last()) },
            "by_kind": kinds, "by_stage": stages, "ways_out_taken": ways, "not_done": not_done,
            "sown_and_not_noticed": self.unnoticed,
            "broken": self.broken.iter().map(|(round, what)| format!("round {round}: {what}")).collect::<Vec<_>>(),
        })
    }

    /// Prints the table; writes the file, if one is wanted.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, path: Option<&Path>) -> Result<()> {
        let json = self.json();
        let rows = |of: &Value| -> Vec<Vec<String>> {
            let all = of.as_object().into_iter().flatten();
            all.map(|(name, count)| vec![name.clone(), count.to_string()]).collect()
        };
        bench_report::report::print("faults by kind", &["kind", "times"], rows(&json["by_kind"]));
        bench_report::report::print(
            "stages that tasks were at when they came",
            &["stage", "faults"],
            rows(&json["by_stage"]),
        );
        bench_report::report::print(
            "ways out of failed statuses",
            &["from, by", "times"],
            rows(&json["ways_out_taken"]),
        );
        if self.faults.iter().any(|fault| !fault.could) {
            bench_report::report::print("could not be done (not counted)", &["what", "times"], rows(&json["not_done"]));
        }
        let figures =
            ["seed", "faults", "faults_on_real_qemu", "broken_invariants", "tasks", "tasks_by_end", "servers"];
        let figures = figures.into_iter().chain(["rounds", "seconds", "looks_at_processes", "calm_after_s"]);
        let figures = figures.map(|name| vec![name.to_owned(), json[name].to_string()]).collect();
        bench_report::report::print("the campaign", &["figure", "value"], figures);
        for (round, what) in &self.broken {
            println!("BROKEN in round {round}: {what}");
        }
        for what in &self.unnoticed {
            println!("SOWN, AND NOT NOTICED: {what}");
        }
        if let Some(path) = path {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            }
            let text = serde_json::to_string_pretty(&json)? + "\n";
            std::fs::write(path, text).with_context(|| path.display().to_string())?;
            println!("{}", path.display());
        }
        Ok(())
    }
}
