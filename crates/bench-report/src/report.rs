//! What was measured: a table for people, and a JSON file, `{"name", "metrics": {...}, "rows": [...]}`.

use std::path::Path;

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde_json::{Map, Value, json};

use crate::numbers::rounded;

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub struct Aim {
    pub metric: &'static str,
    /// False: at least.
    pub at_most: bool,
    pub value: f64,
}

impl Aim {
    #[must_use]
    pub const fn at_most(metric: &'static str, value: f64) -> Self {
        Self { metric, at_most: true, value }
    }
    #[must_use]
    pub const fn at_least(metric: &'static str, value: f64) -> Self {
        Self { metric, at_most: false, value }
    }
}

pub struct Report {
    name: &'static str,
    aims: &'static [Aim],
    quick: bool,
    metrics: Map<String, Value>,
    rows: Vec<Value>,
}

impl Report {
    /// `quick`: with small numbers, which is said in the report.
    #[must_use]
    pub fn new(name: &'static str, aims: &'static [Aim], quick: bool) -> Self {
        Self { name, aims, quick, metrics: Map::new(), rows: Vec::new() }
    }

    /// A figure, kept with three digits.
    pub fn metric(&mut self, name: &str, value: f64) {
        self.metrics.insert(name.to_owned(), json!(rounded(value)));
    }

    /// What stands behind the figures.
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
            let (aim, reached) = match self.aims.iter().find(|aim| aim.metric == name) {
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
        let mut report = json!({ "name": self.name, "metrics": self.metrics, "rows": self.rows });
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
