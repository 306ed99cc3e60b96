//! One list registers everything: a line makes the route, the row of the verb table with its policy rule, and the OpenAPI entry.

use std::sync::{Arc, OnceLock};

use api::{Action, ClassAction, ErrorClass, Resource};
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use types::GuestStatus;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::crud;
use crate::dispatch::model::{Create, List, Model, Perform, PerformClass, Update};
use crate::dispatch::perform::{self, Incoming, Rules};
use crate::error::{Error, Result};
use crate::http::openapi::{Document, Operation};
use crate::policy::Rule;

/// A row of the verb table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerbRow {
    pub resource: &'static str,
    /// `list`, `get`, `create`, `delete`, or a verb's name.
    pub verb: &'static str,
    pub rule: Rule,
    /// The statuses it may begin in; empty: any.
    pub from: &'static [GuestStatus],
}

/// The whole verb table; filled when the last resource is registered.
#[derive(Debug, Clone, Default)]
pub struct Verbs(Arc<OnceLock<Table>>);

#[derive(Debug, Default)]
struct Table {
    rows: Vec<VerbRow>,
    /// Resource, and a name that a thing of it may not have: that of a detail, or of a verb of many.
    reserved: Vec<(&'static str, &'static str)>,
}

impl Verbs {
    /// Whether `/<resources>/<name>` would mean something else than the thing of that name. The names are told.
    ///
    /// # Errors
    /// 400.
    pub fn check_name(&self, resource: &str, name: &str) -> Result<()> {
        let reserved = self.0.get().map(|table| table.reserved.as_slice()).unwrap_or_default();
        let mut mine: Vec<&str> = reserved.iter().filter(|(r, _)| *r == resource).map(|(_, name)| *name).collect();
        if !mine.contains(&name) {
            return Ok(());
        }
        mine.sort_unstable();
        mine.dedup();
        Err(Error::input(format!(
            "name: '{name}' can't be the name of a {resource}: /{name} behind a path is an action or a detail, as are {}",
            mine.join(", ")
        )))
    }

    /// The verbs that a resource in this status may be given, apart from those that any status allows.
    #[must_use]
    pub fn allowed(&self, resource: &str, status: GuestStatus) -> Vec<&'static str> {
        let rows = self.0.get().map(|table| table.rows.as_slice()).unwrap_or_default();
        rows.iter().filter(|r| r.resource == resource && r.from.contains(&status)).map(|r| r.verb).collect()
    }
}

#[derive(Default)]
pub struct Registry {
    router: Router<App>,
    document: Document,
    rows: Vec<VerbRow>,
    reserved: Vec<(&'static str, &'static str)>,
    verbs: Verbs,
}

impl Registry {
    /// A resource that can be listed and looked at. Returns what its verbs are registered with.
    pub fn resource<M: List>(&mut self) -> Verbed<'_, M> {
        let plural = <M::Api as Resource>::PLURAL;
        let (one, all) = (format!("/{plural}/{{id}}"), format!("/{plural}"));

        let rule = self.row::<M>("list", &[]).verb;
        self.document.operation(&all, &Method::GET, Operation::list::<M>(&rule.to_string()));
        let list = get(move |State(app): State<App>, caller: Caller, RawQuery(raw): RawQuery| async move {
            crud::list::<M>(app, caller, raw, &rule).await
        });
        let rule = self.row::<M>("get", &[]).verb;
        self.document.operation(&one, &Method::GET, Operation::get::<M>(&rule.to_string()));
        let show = get(move |State(app): State<App>, caller: Caller, Path(id): Path<String>| async move {
            crud::get::<M>(app, caller, &id, &rule).await
        });
        let unknown = |_: Caller, Path((_, action)): Path<(String, String)>| async move {
            Err::<(), _>(no_action(<M::Api as Resource>::WORD, &action))
        };
        let unknown_class = |_: Caller, Path(action): Path<String>| async move {
            Err::<(), _>(no_action(<M::Api as Resource>::WORD, &action))
        };
        let router = std::mem::take(&mut self.router);
        self.router = router
            .route(&one, post(unknown_class))
            .route(&all, list)
            .route(&one, show)
            .route(&format!("/{plural}/{{id}}/{{action}}"), post(unknown).get(unknown));
        Verbed { registry: self, model: std::marker::PhantomData }
    }

    fn rule<M: Model>(verb: &'static str) -> Rule {
        let (action, extra) = match verb {
            "list" | "get" | "create" | "update" | "delete" => (verb, None),
            _ => ("perform", Some(verb)),
        };
        let (resource, word) = (<M::Api as Resource>::PLURAL, <M::Api as Resource>::WORD);
        Rule { service: M::SERVICE, resource, word, action, extra }
    }

    fn row<M: List>(&mut self, verb: &'static str, from: &'static [GuestStatus]) -> Rules {
        let rules = Rules { verb: Self::rule::<M>(verb), get: Self::rule::<M>("get") };
        assert!(!self.rows.iter().any(|r| r.rule == rules.verb), "{} is registered twice", rules.verb);
        let resource = <M::Api as Resource>::WORD;
        self.rows.push(VerbRow { resource, verb, rule: rules.verb.clone(), from });
        rules
    }

    /// Documents a route that is no verb.
    pub fn document(&mut self, path: &str, method: &Method, operation: Operation) {
        self.document.operation(path, method, operation);
    }

    /// Keeps a name from things of a resource: a route of its own stands there.
    fn reserve(&mut self, resource: &'static str, name: &'static str) {
        self.reserved.push((resource, name));
    }

    /// Adds routes that are no verbs.
    pub fn merge(&mut self, routes: Router<App>) {
        self.router = std::mem::take(&mut self.router).merge(routes);
    }

    /// The routes, the table and the document.
    pub fn build(self) -> (Router<App>, Vec<VerbRow>, utoipa::openapi::OpenApi) {
        let _ = self.verbs.0.set(Table { rows: self.rows.clone(), reserved: self.reserved });
        (self.router, self.rows, self.document.build())
    }
}

fn no_action(word: &str, action: &str) -> Error {
    let action: String = action.chars().take(80).collect();
    Error::new(
        ErrorClass::ActionNotFound,
        format!("{word} has no action or detail '{action}'; /openapi.json lists what there is"),
    )
}

/// Registers the verbs of one resource.
pub struct Verbed<'r, M> {
    registry: &'r mut Registry,
    model: std::marker::PhantomData<M>,
}

impl<M: List> Verbed<'_, M> {
    /// `POST /<resources>/{id}/<name>`.
    pub fn verb<A>(self) -> Self
    where
        M: Perform<A>,
        A: Action<On = M::Api> + ToSchema,
    {
        let path = format!("/{}/{{id}}/{}", <M::Api as Resource>::PLURAL, A::NAME);
        self.on::<A>(&path, Method::POST)
    }

    /// `DELETE /<resources>/{id}`.
    pub fn delete<A>(self) -> Self
    where
        M: Perform<A>,
        A: Action<On = M::Api> + ToSchema,
    {
        let path = format!("/{}/{{id}}", <M::Api as Resource>::PLURAL);
        self.on::<A>(&path, Method::DELETE)
    }

    fn on<A>(self, path: &str, method: Method) -> Self
    where
        M: Perform<A>,
        A: Action<On = M::Api> + ToSchema,
    {
        let rules = self.registry.row::<M>(A::NAME, <M as Perform<A>>::FROM);
        self.registry.document.operation(path, &method, Operation::perform::<M, A>(&rules.verb.to_string()));
        let verbs = self.registry.verbs.clone();
        let handler = async move |State(app): State<App>,
                                  caller: Caller,
                                  Path(id): Path<String>,
                                  method: Method,
                                  uri: Uri,
                                  headers: HeaderMap,
                                  body: Bytes| {
            let incoming = Incoming { app, caller, method, path: uri.path().to_owned(), headers, body };
            perform::on_one::<M, A>(incoming, id, &rules, &verbs).await
        };
        let route = if method == Method::DELETE { delete(handler) } else { post(handler) };
        self.registry.router = std::mem::take(&mut self.registry.router).route(path, route);
        self
    }

    /// `POST /<resources>`.
    pub fn create(self) -> Self
    where
        M: Create,
    {
        let rule = self.registry.row::<M>("create", &[]).verb;
        let all = format!("/{}", <M::Api as Resource>::PLURAL);
        self.registry.document.operation(&all, &Method::POST, Operation::create::<M>(&rule.to_string()));
        let verbs = self.registry.verbs.clone();
        let handler = async move |State(app): State<App>,
                                  caller: Caller,
                                  method: Method,
                                  uri: Uri,
                                  headers: HeaderMap,
                                  body: Bytes|
                    -> Result<axum::response::Response> {
            let incoming = Incoming { app, caller, method, path: uri.path().to_owned(), headers, body };
            perform::create::<M>(incoming, &rule, &verbs).await
        };
        self.registry.router = std::mem::take(&mut self.registry.router).route(&all, post(handler));
        self
    }

    /// `POST /<resources>/<name>`: a verb of many, under the rule of the verb of one.
    pub fn class_verb<A>(self) -> Self
    where
        M: PerformClass<A>,
        A: ClassAction<On = M::Api> + ToSchema,
    {
        let rule = Registry::rule::<M>(A::NAME);
        self.registry.reserve(<M::Api as Resource>::WORD, A::NAME);
        let path = format!("/{}/{}", <M::Api as Resource>::PLURAL, A::NAME);
        self.registry.document.operation(&path, &Method::POST, Operation::class::<M, A>(&format!("{rule}_batch")));
        let handler = async move |State(app): State<App>,
                                  caller: Caller,
                                  method: Method,
                                  uri: Uri,
                                  headers: HeaderMap,
                                  body: Bytes| {
            let incoming = Incoming { app, caller, method, path: uri.path().to_owned(), headers, body };
            perform::on_class::<M, A>(incoming, &rule).await
        };
        self.registry.router = std::mem::take(&mut self.registry.router).route(&path, post(handler));
        self
    }

    /// `GET /<resources>/{id}/<name>`, under the rule of `get`. Answers what `tell` gives, under the resource's keyword.
    pub fn detail<F, Told>(self, name: &'static str, about: &str, tell: F) -> Self
    where
        F: Fn(App, M) -> Told + Clone + Send + Sync + 'static,
        Told: Future<Output = Result<Value>> + Send,
    {
        let rule = Registry::rule::<M>("get");
        self.registry.reserve(<M::Api as Resource>::WORD, name);
        let path = format!("/{}/{{id}}/{name}", <M::Api as Resource>::PLURAL);
        self.registry.document.operation(&path, &Method::GET, Operation::detail::<M>(&format!("{rule}_{name}"), about));
        let handler = async move |State(app): State<App>, caller: Caller, Path(id): Path<String>| {
            let (model, conn) = crud::find::<M>(&app, &caller, &id, &rule).await?;
            drop(conn);
            let told = tell(app, model).await?;
            Ok::<_, Error>(Json(json!({ <M::Api as Resource>::WORD: told })))
        };
        self.registry.router = std::mem::take(&mut self.registry.router).route(&path, get(handler));
        self
    }

    /// `GET /<resources>/{id}/<name>`, a WebSocket: only told of here, for its route is no verb's.
    pub fn socket(self, name: &'static str, about: &str) -> Self {
        let rule = Registry::rule::<M>(name);
        let path = format!("/{}/{{id}}/{name}", <M::Api as Resource>::PLURAL);
        self.registry.document.operation(&path, &Method::GET, Operation::socket::<M>(&rule.to_string(), about));
        self.registry.reserve(<M::Api as Resource>::WORD, name);
        self
    }

    /// `PUT` and `PATCH /<resources>/{id}`.
    pub fn update(self) -> Self
    where
        M: Update,
    {
        let rules = self.registry.row::<M>("update", &[]);
        let one = format!("/{}/{{id}}", <M::Api as Resource>::PLURAL);
        self.registry.document.operation(&one, &Method::PATCH, Operation::update::<M>(&rules.verb.to_string()));
        let verbs = self.registry.verbs.clone();
        let handler = async move |State(app): State<App>,
                                  caller: Caller,
                                  Path(id): Path<String>,
                                  method: Method,
                                  uri: Uri,
                                  headers: HeaderMap,
                                  body: Bytes| {
            let incoming = Incoming { app, caller, method, path: uri.path().to_owned(), headers, body };
            perform::update::<M>(incoming, id, &rules, &verbs).await
        };
        let route = put(handler.clone()).patch(handler);
        self.registry.router = std::mem::take(&mut self.registry.router).route(&one, route);
        self
    }
}
