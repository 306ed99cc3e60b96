//! What was measured: a table for people, and `region.json`.

use std::path::Path;

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde_json::{Map, Value, json};

use crate::numbers::rounded;

/// A figure with an aim.
struct Aim {
    metric: &'static str,
    at_most: bool,
    value: f64,
}

const AIMS: &[Aim] = &[
    Aim { metric: "ratio_tasks_vs_best_peer", at_most: false, value: 2.0 },
    Aim { metric: "commits_per_task", at_most: true, value: 8.0 },
    Aim { metric: "accept_p50_ms_1", at_most: true, value: 5.0 },
    Aim { metric: "list_ratio_100k_vs_100", at_most: true, value: 2.0 },
    Aim { metric: "rss_idle_mib", at_most: true, value: 40.0 },
];

pub struct Report {
    quick: bool,
    metrics: Map<String, Value>,
    rows: Vec<Value>,
}

impl Report {
    #[must_use]
    pub fn new(quick: bool) -> Self {
        Self { quick, metrics: Map::new(), rows: Vec::new() }
    }

    pub fn metric(&mut self, name: &str, value: f64) {
        self.metrics.insert(name.to_owned(), json!(rounded(value)));
    }

    pub fn row(&mut self, row: Value) {
        self.rows.push(row);
    }

    /// Prints the metrics with their aims, and writes all.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(["metric", "value", "aim", ""]);
        for (name, value) in &self.metrics {
            let value = value.as_f64().unwrap_or_default();
            let (aim, reached) = match AIMS.iter().find(|aim| aim.metric == name) {
                None => (String::new(), ""),
                Some(aim) => {
                    let reached = if aim.at_most { value <= aim.value } else { value >= aim.value };
                    let word = if aim.at_most { "at most" } else { "at least" };
                    (format!("{word} {}", aim.value), if reached { "reached" } else { "NOT reached" })
                }
            };
            table.add_row([name.clone(), value.to_string(), aim, reached.to_owned()]);
        }
        println!("\n{table}");
        let mut report = json!({ "name": "region", "metrics": self.metrics, "rows": self.rows });
        if self.quick {
            report["quick"] = json!(true);
            println!("small numbers (--quick): they say that it works, not how fast");
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        }
        std::fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
            .with_context(|| format!("{}", path.display()))?;
        println!("{}", path.display());
        Ok(())
    }
}

/// A table of one part, printed at once.
pub fn print(title: &str, header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header);
    table.add_rows(rows);
    println!("\n{title}\n{table}");
}
