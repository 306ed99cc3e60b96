//! What a resource and a verb are to region.

use std::future::Future;

use api::{Action, ClassAction, Resource};
use db::Conn;
use db::filter::{Column, Page};
use serde::de::DeserializeOwned;
use task_engine::Spawned;
use types::GuestStatus;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::{Cx, Query};
use crate::error::Result;
use crate::policy::Access;

/// A resource: found by id or name, shown as its view.
pub trait Model: Sized + Clone + Send + 'static {
    type Api: Resource<View: ToSchema>;

    /// The first level of its policy rules.
    const SERVICE: &'static str = "compute";

    /// By id or name: id first, then name.
    ///
    /// # Errors
    /// 404; 409 where two have the name.
    fn find(conn: &mut Conn, ident: &str) -> impl Future<Output = Result<Self>> + Send;

    /// The same for a caller who may see so much: what others have under the name makes nothing ambiguous. Who asks checks the access still.
    ///
    /// # Errors
    /// As [`Model::find`].
    fn find_within(conn: &mut Conn, ident: &str, access: &Access) -> impl Future<Output = Result<Self>> + Send {
        let _ = access;
        Self::find(conn, ident)
    }

    /// Reads it again, locked until the transaction ends.
    ///
    /// # Errors
    /// 404 if it went away meanwhile.
    fn lock(self, conn: &mut Conn) -> impl Future<Output = Result<Self>> + Send;

    fn view(self, app: &App, conn: &mut Conn) -> impl Future<Output = Result<View<Self>>> + Send;

    /// The project it belongs to; `None`: to no project, so only scope `system` reaches it.
    ///
    /// # Errors
    /// As the database reports them.
    fn project(&self, conn: &mut Conn) -> impl Future<Output = Result<Option<String>>> + Send {
        let _ = conn;
        async { Ok(None) }
    }

    fn id(&self) -> Uuid;

    fn name(&self) -> &str;

    /// Rises with every change, where it is counted: what `If-Match` is compared with.
    fn version(&self) -> Option<i64> {
        None
    }

    /// Where it has a lifecycle.
    fn status(&self) -> Option<GuestStatus> {
        None
    }
}

/// `id`, `name` and, with `versioned`, `version` of a [`Model`] that has them as columns.
macro_rules! known_by_columns {
    () => {
        fn id(&self) -> uuid::Uuid {
            self.id.uuid()
        }
        fn name(&self) -> &str {
            &self.name
        }
    };
    (versioned) => {
        $crate::dispatch::model::known_by_columns!();
        fn version(&self) -> Option<i64> {
            Some(self.update_version)
        }
    };
}
pub(crate) use known_by_columns;

pub type View<M> = <<M as Model>::Api as Resource>::View;

/// A verb of a resource. One file holds it: the checks, the task it starts, and their tests.
pub trait Perform<A: Action<On = Self::Api>>: Model {
    /// The statuses it may begin in; empty: any.
    const FROM: &'static [GuestStatus] = &[];

    /// Checks what the database knows and changes what must change at once. Runs in a transaction that holds the row; an error undoes
    /// everything.
    ///
    /// # Errors
    /// As the contract says for the verb.
    fn perform(self, action: A, cx: &mut Cx<'_>) -> impl Future<Output = Result<Done<A>>> + Send;
}

/// A verb of many at once.
pub trait PerformClass<A: ClassAction<On = Self::Api>>: Model {
    /// Starts the task that sees to each of them.
    ///
    /// # Errors
    /// As the contract says for the verb.
    fn perform_class(action: A, cx: &mut Cx<'_>) -> impl Future<Output = Result<Spawned>> + Send;
}

/// What a verb did.
pub struct Done<A: Action> {
    /// Absent where nothing was left to do.
    pub task: Option<Spawned>,
    pub extra: A::Extra,
}

impl<A: Action> Done<A> {
    #[must_use]
    pub fn task(task: Spawned) -> Self {
        Self { task: Some(task), extra: A::Extra::default() }
    }
    #[must_use]
    pub fn nothing() -> Self {
        Self { task: None, extra: A::Extra::default() }
    }
}

/// A resource that `POST /<resources>` makes.
pub trait Create: Model {
    type Body: DeserializeOwned + ToSchema + Send + 'static;

    /// The bodies of those it asks for, where it asks for several; none where it is about one.
    ///
    /// # Errors
    /// A body that none of them can be made of.
    fn many(body: &Self::Body) -> Result<Vec<Self::Body>> {
        let _ = body;
        Ok(Vec::new())
    }

    /// # Errors
    /// As the contract says.
    fn create(body: Self::Body, cx: &mut Cx<'_>) -> impl Future<Output = Result<Created<Self>>> + Send;
}

pub struct Created<M> {
    pub model: M,
    pub task: Option<Spawned>,
}

/// A resource that `PUT` and `PATCH /<resources>/{id}` change.
pub trait Update: Model {
    type Body: DeserializeOwned + ToSchema + Send + 'static;

    /// Changes what the body names and leaves the rest.
    ///
    /// # Errors
    /// As the contract says.
    fn update(self, body: Self::Body, cx: &mut Cx<'_>) -> impl Future<Output = Result<()>> + Send;
}

/// How a log-like list is paged by marker: in the order of one column, and of a unique one where that can hold equal values.
#[derive(Debug, Clone, Copy)]
pub struct Marked {
    /// By name; the lists' own order.
    pub field: &'static str,
    /// By name; the same as `field` where that is unique.
    pub unique: &'static str,
    /// The names of both in the view.
    pub shown: (&'static str, &'static str),
}

/// A resource that `GET /<resources>` lists.
pub trait List: Model {
    /// What lists are filtered and ordered by. A column's name is also a parameter: `status.0=ready`.
    const COLUMNS: &'static [Column];
    /// The columns that `search` looks into, by name.
    const SEARCH: &'static [&'static str];
    /// The column that holds the project, where there is one.
    const PROJECT: Option<Column> = None;
    /// The order when none is asked for: a column, and whether it descends.
    const ORDER: (&'static str, bool);
    /// The column that holds the name of whom a row belongs to, for `scope=user`.
    const USER: Option<Column> = None;
    /// The column that `since` and `until` look at, by name.
    const TIME: Option<&'static str> = None;
    /// Other words for parameters: the word, and the column it means. `name` is an exact match everywhere, so a resource without a column of
    /// that name says here what is meant.
    const ALIASES: &'static [(&'static str, &'static str)] = &[];
    /// Log-like: pages may be turned by marker.
    const MARKED: Option<Marked> = None;

    /// Puts ids where the contract also takes names, of what the caller may see.
    ///
    /// # Errors
    /// 404 for a name that nothing has.
    fn resolve(query: Query, access: &Access, conn: &mut Conn) -> impl Future<Output = Result<Query>> + Send {
        let _ = (access, conn);
        async { Ok(query) }
    }

    /// One page, and how many rows there are in all.
    ///
    /// # Errors
    /// As the database reports them.
    fn page(page: &Page, app: &App, conn: &mut Conn) -> impl Future<Output = Result<(Vec<View<Self>>, i64)>> + Send;
}
