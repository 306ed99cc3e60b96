//! A change with what it is about, made once for all who listen.

use std::collections::HashMap;
use std::sync::Arc;

use db::Conn;
use db::change::{Change, Position};
use serde_json::{Value, json};
use types::GuestId;
use uuid::Uuid;

use crate::error::Result;
use crate::{guest, task};

/// What can be listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Servers,
    Tasks,
    Events,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Servers, Self::Tasks, Self::Events];

    /// As the path and the parameter name it.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Tasks => "tasks",
            Self::Events => "events",
        }
    }

    /// As a single one is called; the name of the event.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Servers => "server",
            Self::Tasks => "task",
            Self::Events => "event",
        }
    }

    #[must_use]
    pub fn of(plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == plural)
    }
}

/// What goes to listeners.
#[derive(Debug, Clone)]
pub struct Item {
    pub at: Position,
    pub kind: Kind,
    /// The server or task, and what a task or event is about.
    pub ids: [Option<Uuid>; 2],
    pub project: Option<String>,
    /// `{"server": {...}}`, as `GET` answers it.
    pub data: Arc<str>,
}

/// Looks at what has changed: a few queries for any number of changes. What is gone altogether is left out.
///
/// # Errors
/// As the database reports them.
pub async fn items(changes: &[Change], conn: &mut Conn) -> Result<Vec<Item>> {
    let of = |kind: Kind| {
        let mut ids: Vec<Uuid> = changes.iter().filter(|c| c.kind == kind.plural()).map(|c| c.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let servers = servers(of(Kind::Servers), conn).await?;
    let tasks = tasks(of(Kind::Tasks), conn).await?;
    let numbers: Vec<i64> = changes.iter().filter_map(|c| c.event).collect();
    let events: HashMap<i64, db::event::Event> = match numbers.is_empty() {
        true => HashMap::new(),
        false => db::event::by_ids(conn, &numbers).await?.into_iter().map(|event| (event.id, event)).collect(),
    };
    let mut items = Vec::with_capacity(changes.len());
    for change in changes {
        let at = change.position();
        let item = match Kind::of(&change.kind) {
            Some(Kind::Servers) => servers.get(&change.id).map(|(project, data)| Item {
                at,
                kind: Kind::Servers,
                ids: [Some(change.id), None],
                project: Some(project.clone()),
                data: data.clone(),
            }),
            Some(Kind::Tasks) => tasks.get(&change.id).map(|(object, project, data)| Item {
                at,
                kind: Kind::Tasks,
                ids: [Some(change.id), *object],
                project: project.clone(),
                data: data.clone(),
            }),
            Some(Kind::Events) => change.event.and_then(|number| events.get(&number)).map(|event| Item {
                at,
                kind: Kind::Events,
                ids: [Some(event.obj_id), None],
                project: Some(event.project.clone()),
                data: json!({ "event": api::event::Event::from(event.clone()) }).to_string().into(),
            }),
            None => None,
        };
        items.extend(item);
    }
    Ok(items)
}

type Servers = HashMap<Uuid, (String, Arc<str>)>;

async fn servers(ids: Vec<Uuid>, conn: &mut Conn) -> Result<Servers> {
    if ids.is_empty() {
        return Ok(Servers::new());
    }
    let mut live = guest::live_tasks(conn, ids.clone()).await?;
    let rows = db::guest::by_ids(conn, ids.into_iter().map(GuestId::from_uuid).collect()).await?;
    let mut servers = Servers::with_capacity(rows.len());
    for (guest, host) in rows {
        let (id, project) = (guest.id.uuid(), guest.project.clone());
        let deleted = guest.deleted_at;
        let view = serde_json::to_value(guest.view(host, live.remove(&id))?)?;
        let data = match deleted {
            None => json!({ "server": view }),
            Some(at) => json!({ "server": view, "deleted_at": at }),
        };
        servers.insert(id, (project, data.to_string().into()));
    }
    Ok(servers)
}

type Tasks = HashMap<Uuid, (Option<Uuid>, Option<String>, Arc<str>)>;

async fn tasks(ids: Vec<Uuid>, conn: &mut Conn) -> Result<Tasks> {
    if ids.is_empty() {
        return Ok(Tasks::new());
    }
    let rows = db::task::by_ids(conn, &ids).await?;
    let projects: HashMap<Uuid, Option<String>> = rows
        .iter()
        .map(|row| {
            let project = row.created_by.as_ref().and_then(|w| w.get("project")).and_then(Value::as_str);
            (row.id, project.map(str::to_owned))
        })
        .collect();
    let views = task::views(rows, conn).await?;
    Ok(views
        .into_iter()
        .map(|view| {
            let id = view.id.uuid();
            let project = projects.get(&id).cloned().flatten();
            (id, (view.obj_id, project, json!({ "task": view }).to_string().into()))
        })
        .collect())
}
