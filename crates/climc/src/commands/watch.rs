//! `watch`: servers and tasks as they change, over outages, until Ctrl-C. On a terminal a picture that is kept up to date ([`board`]); else one
//! line for each change, or one object.

mod board;

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use api::ListQuery;
use api::event::Event;
use api::server::{Server, Servers};
use api::task::{Task, Tasks};
use chrono::Utc;
use clap::Subcommand;
use client::{Change, Changes, ChangesOf, Error};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::batch::Cx;
use crate::exit::{self, Exit};
use crate::lang::say;
use crate::output::{self, Format};
use crate::text;
use board::{Board, Screen};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch servers and tasks as they change, until Ctrl-C
    #[command(after_help = HELP)]
    Watch(Args),
}

const HELP: &str = "\
On a terminal it draws servers and the tasks at work, and keeps the picture up to date. When stdout is no terminal it prints one line for each
change; with -o json one object a line, with all that the service says. When the connection is lost, it goes on where it was, and nothing is missed.

Examples:
  climc watch
  climc watch web1 web2 --resource servers,tasks
  climc watch -o json | jq -r 'select(.task.state == \"failed\") | .task.obj_name'
  climc watch --resource events --timeout 600 > changes.log";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these servers, by id or name, and what is done to them
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// What to watch, with commas between: servers, tasks, events
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "servers,tasks", value_parser = ["servers", "tasks", "events"])]
    resource: Vec<String>,
    /// End after so many seconds, with exit code 3
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    timeout: Option<u32>,
}

/// How old a picture may be while much changes.
const FRAME: Duration = Duration::from_millis(200);
/// For what changes by itself: times.
const TICK: Duration = Duration::from_secs(1);

pub async fn run(cx: &Cx, args: &Args) -> Result<(), Exit> {
    let over = async {
        match args.timeout {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds.into())).await,
            None => std::future::pending().await,
        }
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let drawn = cx.format == Format::Table && std::io::stdout().is_terminal() && !dumb;
    let of = ChangesOf { resources: args.resource.clone(), ids: args.ids.clone() };
    let changes = cx.client.changes(of);
    let told = async {
        match drawn {
            true => draw(cx, changes, &args.ids).await,
            false => print(cx.format, changes).await,
        }
    };
    tokio::select! {
        ended = told => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
        () = over => Err(Exit::silent(exit::TIMED_OUT)),
    }
}

/// One line, or one object, for each change.
async fn print(format: Format, mut changes: Changes) -> Result<(), Exit> {
    let mut told: HashMap<String, (String, String)> = HashMap::new();
    let mut away = false;
    loop {
        let change = changes.next(|error| outage(&mut away, error)).await?;
        if std::mem::replace(&mut away, false) {
            eprintln!("climc: {}", say!("the service answers again"));
        }
        let Change::Of { word, body } = change else { continue };
        match format {
            Format::Json => {
                output::json_line(&serde_json::to_string(&object(&word, body)).map_err(std::io::Error::from)?)?;
            }
            Format::Yaml => {
                line("---")?;
                output::data(format, &object(&word, body))?;
            }
            Format::Kv => {
                output::data(format, &object(&word, body))?;
                line("")?;
            }
            Format::Table => {
                // Not every commit changes what the line says.
                let Some((key, time, said)) = summary(&word, &body) else { continue };
                let before = told.insert(key, (time.clone(), said.clone()));
                if before.as_ref().is_none_or(|(_, before)| *before != said) {
                    // A power state changes beside the row's own time: it is told when it is heard.
                    let known = before.is_some_and(|(then, _)| then == time);
                    let time = if known { text::time(Utc::now()) } else { time };
                    line(&format!("{time}  {said}"))?;
                }
            }
        }
    }
}

fn object(word: &str, body: Value) -> Value {
    let mut object = json!({ "change": word });
    if let (Some(fields), Value::Object(body)) = (object.as_object_mut(), body) {
        fields.extend(body);
    }
    object
}

/// At once: whoever reads a pipe waits for it.
fn line(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", text::line(text))?;
    out.flush()
}

fn outage(away: &mut bool, error: &Error) {
    if !std::mem::replace(away, true) {
        eprintln!(
            "climc: {}",
            say!("the service does not answer, trying on: {error}", error = text::line(&error.to_string()))
        );
    }
}

fn read<T: DeserializeOwned>(word: &str, body: &Value) -> Option<T> {
    serde_json::from_value(body.get(word)?.clone()).ok()
}

/// What it is about, when it happened, and a line that says it.
fn summary(word: &str, body: &Value) -> Option<(String, String, String)> {
    let time = |at| text::time(at);
    Some(match word {
        "server" => {
            let server: Server = read(word, body)?;
            let gone = body.get("deleted_at").is_some();
            let status = if gone { "deleted".to_owned() } else { server.status.to_string() };
            let reason = server.status_reason.as_ref().map(|reason| format!("  {reason}")).unwrap_or_default();
            let said = format!("server  {}  {status}  power {}{reason}", server.name, server.power_state);
            (server.id.to_string(), time(server.updated_at), said)
        }
        "task" => {
            let task: Task = read(word, body)?;
            let name = task.obj_name.as_deref().unwrap_or("-");
            let back = if task.way_back { "  way back" } else { "" };
            let why = task.cause.as_ref().map(|cause| format!("  {cause}")).unwrap_or_default();
            let said = format!("task  {name}  {}  {}  {}{back}{why}", task.task_name, task.state, task.stage);
            (task.id.to_string(), time(task.updated_at), said)
        }
        "event" => {
            let event: Event = read(word, body)?;
            let ended = if event.success { "ok" } else { "failed" };
            let said = format!("event  {}  {}  {ended}  {}  {}", event.obj_name, event.action, event.user, event.notes);
            (event.id.to_string(), time(event.ops_time), said)
        }
        _ => return None,
    })
}

/// The picture.
async fn draw(cx: &Cx, mut changes: Changes, ids: &[String]) -> Result<(), Exit> {
    let mut board = Board::default();
    // Whatever can be wrong is told before the screen is taken.
    let first = changes.next(|_| {}).await?;
    fill(cx, &mut board, ids).await?;
    if let Change::Of { word, body } = first {
        take(&mut board, &word, &body);
    }
    let screen = Screen::new()?;
    let mut drawn = Instant::now();
    screen.show(&board)?;
    let mut dirty = false;
    loop {
        let away = &mut None;
        let due = if dirty { drawn + FRAME } else { drawn + TICK };
        tokio::select! {
            change = changes.next(|error| *away = Some(error.to_string())) => match change? {
                Change::Of { word, body } => {
                    take(&mut board, &word, &body);
                    (board.away, dirty) = (None, true);
                }
                Change::Ready | Change::Reset => {
                    fill(cx, &mut board, ids).await?;
                    (board.away, dirty) = (None, true);
                }
            },
            () = tokio::time::sleep_until(due) => {
                (drawn, dirty) = (Instant::now(), false);
                board.forget(Utc::now());
                screen.show(&board)?;
            }
        }
        if let Some(why) = away.take() {
            board.away = Some(why);
        }
    }
}

/// How it is now, altogether.
async fn fill(cx: &Cx, board: &mut Board, ids: &[String]) -> Result<(), Exit> {
    let at_work = |obj_id: Option<String>| ListQuery {
        limit: 500,
        is_complete: Some(false),
        obj_type: obj_id.is_some().then(|| "server".into()),
        obj_id,
        ..ListQuery::default()
    };
    if ids.is_empty() {
        let query = ListQuery { limit: 1000, ..ListQuery::default() };
        board.servers(cx.client.list::<Servers>(&query).await?.data);
        board.tasks(cx.client.list::<Tasks>(&at_work(None)).await?.data);
        return Ok(());
    }
    let (mut servers, mut tasks) = (Vec::new(), Vec::new());
    for id in ids {
        servers.push(cx.client.get::<Servers>(id).await?);
        tasks.extend(cx.client.list::<Tasks>(&at_work(Some(id.clone()))).await?.data);
    }
    board.servers(servers);
    board.tasks(tasks);
    Ok(())
}

fn take(board: &mut Board, word: &str, body: &Value) {
    match word {
        "server" => {
            if let Some(server) = read::<Server>(word, body) {
                board.server(server, body.get("deleted_at").is_some());
            }
        }
        "task" => read::<Task>(word, body).into_iter().for_each(|task| board.task(task)),
        "event" => {
            if let Some((_, time, said)) = summary(word, body) {
                board.said(format!("{time}  {said}"));
            }
        }
        _ => {}
    }
}
