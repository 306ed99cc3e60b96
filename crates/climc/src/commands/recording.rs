//! Recordings of consoles, for those who audit: `consolerecording-list`, `-show`, `-play`, `-delete`.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use api::ListQuery;
use api::recording::{ConsoleRecording, ConsoleRecordings};
use clap::Subcommand;
use client::Cast;
use serde_json::{Value, json};
use types::SessionId;
use uuid::Uuid;

use super::{change, list, show};
use crate::batch::{Cx, Many};
use crate::console::filter::Filter;
use crate::console::terminal::AS_BEFORE;
use crate::exit::{self, Exit};
use crate::lang::say;
use crate::output::{self, Format, Shown};
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List recordings of consoles of servers in rescue, newest first
    #[command(
        visible_alias = "console-recording-list",
        after_help = "Examples:\n  climc consolerecording-list --server web1\n  \
            climc consolerecording-list --since 2026-11-01T00:00:00Z -o json"
    )]
    ConsolerecordingList(Box<Recordings>),
    /// Show a recording: whose console, of which server, when
    #[command(visible_alias = "console-recording-show", after_help = "Example:\n  climc consolerecording-show ID")]
    ConsolerecordingShow {
        /// Id
        id: String,
    },
    /// Play what a console showed; that it was looked at is written down
    #[command(visible_alias = "console-recording-play", after_help = HELP)]
    ConsolerecordingPlay(Play),
    /// Erase recordings before their time; that they were there stays in the log
    #[command(visible_alias = "console-recording-delete", after_help = "Example:\n  climc consolerecording-delete ID")]
    ConsolerecordingDelete(Many),
}

const HELP: &str = "\
At a terminal it is played with its pauses, of which none is longer than --idle-limit; Ctrl-C ends it. When stdout is no terminal, all that was
shown comes at once, without escape sequences. With -o json it is the recording itself, asciicast v2, as other players take it.

Examples:
  climc consolerecording-play ID --speed 2
  climc consolerecording-play ID | grep -n fsck
  climc consolerecording-play ID -o json > web1.cast";

#[derive(Debug, clap::Args)]
pub struct Recordings {
    #[command(flatten)]
    query: ListQuery,
    /// Of this server: its id, or the name it had
    #[arg(long, value_name = "ID")]
    server: Option<String>,
    /// Of this rescue session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
}

#[derive(Debug, clap::Args)]
pub struct Play {
    /// Id
    id: String,
    /// So many times as fast
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, value_parser = times)]
    speed: f64,
    /// No pause longer than so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    idle_limit: u32,
}

/// `2`, `0.5`
fn times(text: &str) -> Result<f64, String> {
    let wrong = || say!("a number from 0.01 to 10000 is wanted");
    text.parse().ok().filter(|speed| (0.01..=10_000.0).contains(speed)).ok_or_else(wrong)
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::ConsolerecordingList(wanted) => list::<ConsoleRecordings>(cx, &query(*wanted)).await,
        Command::ConsolerecordingShow { id } => show::<ConsoleRecordings>(cx, &id).await,
        Command::ConsolerecordingPlay(args) => play(cx, &args).await,
        Command::ConsolerecordingDelete(many) => change::delete::<ConsoleRecordings>(cx, &many).await,
    }
}

/// A server may be gone, and then only its name of then is known.
fn query(wanted: Recordings) -> ListQuery {
    let Recordings { mut query, server, session } = wanted;
    match server {
        Some(id) if id.parse::<Uuid>().is_ok() => query.obj_id = Some(id),
        Some(name) => query.name = Some(name),
        None => {}
    }
    query.filter.extend(session.map(|id| format!("session_id.equals('{id}')")));
    query
}

/// What was shown in one moment.
#[derive(Debug, PartialEq)]
struct Piece {
    at: Duration,
    text: String,
}

/// A line of a cast; `None`: it is of another kind than output.
fn piece(line: &str) -> Result<Option<Piece>, String> {
    let (at, kind, text): (f64, String, String) = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let at = Duration::try_from_secs_f64(at).map_err(|error| error.to_string())?;
    Ok((kind == "o").then_some(Piece { at, text }))
}

async fn play(cx: &Cx, args: &Play) -> Result<(), Exit> {
    let mut cast = cx.client.cast(&args.id).await?;
    let broken = |why: String| Exit::failed(say!("the recording can't be read: {why}", why = why));
    let head = cast.line().await?.unwrap_or_default();
    let header: Value = serde_json::from_str(&head).map_err(|error| broken(error.to_string()))?;
    if header.get("version").and_then(Value::as_u64) != Some(2) {
        return Err(broken(say!("it is not asciicast of version 2")));
    }
    if cx.format == Format::Json {
        output::json_line(&head)?;
        while let Some(line) = cast.line().await? {
            output::json_line(&line)?;
        }
        return Ok(());
    }
    if cx.format == Format::Table && std::io::stdout().is_terminal() {
        return at_terminal(&mut cast, args, &broken).await;
    }
    let mut filter = Filter::default();
    let mut last = None;
    while let Some(line) = cast.line().await? {
        let Some(piece) = piece(&line).map_err(broken)? else { continue };
        let moment = json!({ "at": piece.at.as_secs_f64(), "text": piece.text });
        match cx.format {
            Format::Yaml => {
                writeln!(std::io::stdout(), "---")?;
                output::data(cx.format, &moment)?;
            }
            Format::Kv => {
                output::data(cx.format, &moment)?;
                writeln!(std::io::stdout())?;
            }
            Format::Table | Format::Json => {
                let plain = filter.push(piece.text.as_bytes());
                last = plain.chars().last().or(last);
                std::io::stdout().write_all(plain.as_bytes())?;
            }
        }
    }
    if last.is_some_and(|last| last != '\n') {
        writeln!(std::io::stdout())?;
    }
    Ok(std::io::stdout().flush()?)
}

/// With its pauses. The terminal is left as it was, whatever the recording did to it.
async fn at_terminal(cast: &mut Cast, args: &Play, broken: &impl Fn(String) -> Exit) -> Result<(), Exit> {
    let limit = Duration::from_secs(args.idle_limit.into());
    let played = async {
        let mut before = Duration::ZERO;
        while let Some(line) = cast.line().await? {
            let Some(piece) = piece(&line).map_err(broken)? else { continue };
            tokio::time::sleep(pause(before, piece.at, limit, args.speed)).await;
            before = piece.at;
            let mut out = std::io::stdout();
            out.write_all(piece.text.as_bytes())?;
            out.flush()?;
        }
        Ok(())
    };
    let ended = tokio::select! {
        ended = played => ended,
        _ = tokio::signal::ctrl_c() => Err(Exit::silent(exit::INTERRUPTED)),
    };
    let mut out = std::io::stdout();
    out.write_all(AS_BEFORE)?;
    out.flush()?;
    if ended.is_ok() {
        eprintln!("climc: {}", say!("the recording is over"));
    }
    ended
}

/// Between two pieces.
fn pause(before: Duration, at: Duration, limit: Duration, speed: f64) -> Duration {
    at.saturating_sub(before).min(limit).div_f64(speed)
}

impl Shown for ConsoleRecordings {
    const COLUMNS: &'static [&'static str] = &["ID", "Server", "User", "Source", "Began", "Took", "Size", "Whole"];

    fn row(view: &ConsoleRecording) -> Vec<String> {
        vec![
            view.id.to_string(),
            view.server.clone(),
            view.user.clone(),
            text::or_dash(view.source.as_ref()),
            text::time(view.started_at),
            took(view),
            text::bytes(view.bytes),
            text::yes_no(view.is_whole),
        ]
    }

    fn details(view: &ConsoleRecording) -> Vec<(&'static str, String)> {
        vec![
            ("id", view.id.to_string()),
            ("server", format!("{} ({})", view.server, view.server_id)),
            ("project", view.project.clone()),
            ("session_id", text::or_dash(view.session_id)),
            ("user", view.user.clone()),
            ("source", text::or_dash(view.source.as_ref())),
            ("started_at", text::time(view.started_at)),
            ("ended_at", text::or_dash(view.ended_at.map(text::time))),
            ("duration", took(view)),
            ("size", text::bytes(view.bytes)),
            ("is_whole", text::yes_no(view.is_whole)),
            ("play it", format!("climc consolerecording-play {}", view.id)),
        ]
    }

    fn id(view: &ConsoleRecording) -> String {
        view.id.to_string()
    }
    fn name(view: &ConsoleRecording) -> String {
        view.server.clone()
    }
    fn status(view: &ConsoleRecording) -> String {
        if view.ended_at.is_some() { "ended" } else { "recording" }.into()
    }
}

fn took(view: &ConsoleRecording) -> String {
    text::span(chrono::TimeDelta::milliseconds(i64::try_from(view.duration_ms).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_cast() {
        let wanted = Piece { at: Duration::from_millis(1500), text: "a\u{1b}[31m\n".into() };
        assert_eq!(piece(r#"[1.5, "o", "a\u001b[31m\n"]"#), Ok(Some(wanted)));
        assert_eq!(piece(r#"[1.5, "m", ""]"#), Ok(None));
        for bad in ["", "{}", r#"["1", "o", ""]"#, r#"[-1, "o", ""]"#] {
            assert!(piece(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pauses_are_limited_and_played_faster() {
        let seconds = Duration::from_secs_f64;
        assert_eq!(pause(seconds(1.0), seconds(1.5), seconds(2.0), 1.0), seconds(0.5));
        assert_eq!(pause(seconds(1.0), seconds(99.0), seconds(2.0), 2.0), seconds(1.0));
        assert_eq!(pause(seconds(5.0), seconds(1.0), seconds(2.0), 1.0), Duration::ZERO);
        assert!(times("0").is_err() && times("nan").is_err() && times("2") == Ok(2.0));
    }

    #[test]
    fn a_server_is_named_by_id_or_by_its_name_of_then() {
        let id = "0198c7a6-0000-7000-8000-0000000000a1";
        let of = |server: &str| {
            let session = Some(id.parse().unwrap());
            query(Recordings { query: ListQuery::default(), server: Some(server.into()), session })
        };
        assert_eq!((of("web1").name.as_deref(), of("web1").obj_id), (Some("web1"), None));
        assert_eq!((of(id).obj_id.as_deref(), of(id).name), (Some(id), None));
        assert_eq!(of("web1").filter, [format!("session_id.equals('{id}')")]);
    }
}
