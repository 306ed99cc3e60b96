//! One file per resource: its commands as an enum, its run, and what it looks like when printed.

pub mod agent;
pub mod change;
pub mod completion;
pub mod create;
pub mod disk;
pub mod domain;
pub mod event;
pub mod host;
pub mod image;
pub mod login;
pub mod man;
mod password;
pub mod permission;
pub mod policy;
pub mod profile;
pub mod project;
pub mod recording;
pub mod rescue;
pub mod role;
pub mod server;
pub mod size;
pub mod spec;
pub mod task;
pub mod user;
pub mod watch;

use api::{Invalid, ListQuery};

use crate::batch::Cx;
use crate::exit::Exit;
use crate::output::{self, Shown};

/// `GET /<resources>`
async fn list<R: Shown>(cx: &Cx, query: &ListQuery) -> Result<(), Exit> {
    Ok(output::list::<R>(cx.format, &cx.client.list::<R>(query).await?)?)
}

/// `GET /<resources>/{id}`
async fn show<R: Shown>(cx: &Cx, id: &str) -> Result<(), Exit> {
    Ok(output::one::<R>(cx.format, &cx.client.get::<R>(id).await?)?)
}

/// The service would refuse it anyway; here it is known before anything is sent.
fn refuse(invalid: &Invalid) -> Exit {
    Exit::usage(invalid.to_string())
}

/// The rows of a list that are of one object.
fn of(obj_type: &str, obj_id: &str, query: ListQuery) -> ListQuery {
    ListQuery { obj_type: Some(obj_type.into()), obj_id: Some(obj_id.into()), ..query }
}

/// The pages of a list that has no filters of its own here.
#[derive(Debug, clap::Args)]
pub struct Page {
    /// At most so many rows
    #[arg(long, default_value_t = 20)]
    limit: i64,
    /// Skip so many rows
    #[arg(long, default_value_t = 0)]
    offset: i64,
    /// asc or desc
    #[arg(long, value_parser = ["asc", "desc"])]
    order: Option<String>,
}

impl From<Page> for ListQuery {
    fn from(page: Page) -> Self {
        Self { limit: page.limit, offset: page.offset, order: page.order, ..Self::default() }
    }
}
