//! Data on stdout, in one of four forms. json and yaml hold all that the service said; a table what a person wants to see; kv is for shells.
//!
//! [`Shown`] is what a resource must say to be printed; its answers stand beside the resource's commands.

mod kv;

use std::io::{IsTerminal, Write};

use api::{List, Resource};
use comfy_table::presets::ASCII_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::lang::say;
use crate::text;

// Comments on the variants would turn all help into its long form, two lines for each option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Json,
    Yaml,
    Kv,
}

/// What a resource looks like in a table. Cells may hold any text: printing makes it harmless.
pub trait Shown: Resource {
    const COLUMNS: &'static [&'static str];
    /// One line of a list.
    fn row(view: &Self::View) -> Vec<String>;
    /// All of one, as name and value.
    fn details(view: &Self::View) -> Vec<(&'static str, String)>;
    fn id(view: &Self::View) -> String;
    fn name(view: &Self::View) -> String;
    fn status(view: &Self::View) -> String;
    /// After a task on it failed: where it stands now, and which commands lead on.
    fn way_out(_view: &Self::View) -> Option<String> {
        None
    }
}

/// A page of a list. How much more there is goes to stderr.
pub fn list<R: Shown>(format: Format, list: &List<R::View>) -> std::io::Result<()> {
    match format {
        Format::Table => {
            write(&grid(R::COLUMNS, list.data.iter().map(R::row)))?;
            let shown = i64::try_from(list.data.len()).unwrap_or(i64::MAX);
            let seen = list.offset.saturating_add(shown);
            if shown > 0 && seen < list.total {
                eprintln!(
                    "{}",
                    say!(
                        "{shown} of {total}; more with --offset {seen}",
                        shown = shown,
                        total = list.total,
                        seen = seen
                    )
                );
            }
            Ok(())
        }
        Format::Json | Format::Yaml | Format::Kv => {
            let rows = serde_json::to_value(&list.data)?;
            if format == Format::Kv {
                return data(format, &rows);
            }
            let envelope = [
                (R::PLURAL.to_owned(), rows),
                ("total".to_owned(), list.total.into()),
                ("limit".to_owned(), list.limit.into()),
                ("offset".to_owned(), list.offset.into()),
            ];
            data(format, &Value::Object(Map::from_iter(envelope)))
        }
    }
}

/// One resource.
pub fn one<R: Shown>(format: Format, view: &R::View) -> std::io::Result<()> {
    match format {
        Format::Table => sheet(&R::details(view)),
        Format::Json | Format::Yaml | Format::Kv => data(format, view),
    }
}

/// Name and value, one below the other.
pub fn sheet(rows: &[(&'static str, String)]) -> std::io::Result<()> {
    write(&grid(&["Field", "Value"], rows.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()])))
}

/// Rows below a head.
pub fn rows(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> std::io::Result<()> {
    write(&grid(head, rows))
}

/// As json, yaml or kv; where a table was asked for, each value beside its key.
pub fn data(format: Format, value: &impl Serialize) -> std::io::Result<()> {
    let text = match format {
        Format::Table => {
            let pairs = kv::pairs(&serde_json::to_value(value)?);
            return write(&grid(&["Field", "Value"], pairs.into_iter().map(|(key, value)| vec![key, value])));
        }
        Format::Json => serde_json::to_string_pretty(value)?,
        Format::Yaml => yaml_serde::to_string(value).map_err(std::io::Error::other)?.trim_end().to_owned(),
        Format::Kv => kv::lines(&serde_json::to_value(value)?),
    };
    write(&harmless(text))
}

/// One line of JSON, at once: whoever reads a pipe waits for it.
pub fn json_line(json: &str) -> std::io::Result<()> {
    write(&harmless(json.trim_end_matches(['\n', '\r']).to_owned()))
}

/// JSON escapes only the first 32 control characters; DEL and the C1 set can only stand inside strings, so escaping them here is right.
fn harmless(text: String) -> String {
    if !text.contains(|c: char| c.is_control() && c != '\n') {
        return text;
    }
    let escape = |c: char| match c {
        '\n' => c.to_string(),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

fn grid(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_FULL_CONDENSED).set_header(head.to_vec());
    if let Some(width) = width() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| text::plain(cell).replace('\t', " ")));
    }
    table.to_string()
}

/// Columns of the terminal; a serial line says 0, and then nothing is folded.
fn width() -> Option<u16> {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok())??;
    (size.ws_col >= 40).then_some(size.ws_col)
}

fn write(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if text.is_empty() {
        return Ok(());
    }
    writeln!(out, "{text}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_json_when_it_is_made_harmless() {
        let value = serde_json::json!({"a": "x\u{9b}\u{7f}\u{1b}y\n"});
        let text = harmless(serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn cells_can_not_steer() {
        assert!(!grid(&["A"], [vec!["\x1b[2J\tx".to_owned()]].into_iter()).contains(['\x1b', '\t']));
    }
}
