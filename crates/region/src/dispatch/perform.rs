//! The pipeline of a verb: find, authorise, check status, decode, act, log. One transaction, which holds the row.

use api::{Accepted, Action, ClassAction, ErrorClass, Resource};
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use db::Conn;
use db::event::NewEvent;
use diesel_async::{AsyncConnection, TransactionManager};
use serde_json::Value;
use sha2::{Digest, Sha256};
use task_engine::{Spawned, Start, Task};
use types::{GuestStatus, TaskId};
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::decode;
use crate::dispatch::model::{Create, Model, Perform, PerformClass, Update, View};
use crate::dispatch::registry::Verbs;
use crate::error::{Error, Result};
use crate::http::span;
use crate::policy::Rule;

/// What a verb works with: inside one transaction, for one caller.
pub struct Cx<'a> {
    pub app: &'a App,
    pub conn: &'a mut Conn,
    pub caller: &'a Caller,
    /// The task whose child a started task is.
    pub parent: Option<Uuid>,
}

impl Cx<'_> {
    /// Starts a task that holds the object, to run once the transaction commits.
    ///
    /// # Errors
    /// 409 if another live task holds it.
    pub async fn start<T: Task>(&mut self, task: &T, object: &'static str, id: Uuid) -> Result<Spawned> {
        self.spawn(task, Start::new().holding(object, id)).await
    }

    /// Starts a task that holds nothing: the parent of others.
    ///
    /// # Errors
    /// As the database reports them.
    pub async fn start_parent<T: Task>(&mut self, task: &T) -> Result<Spawned> {
        self.spawn(task, Start::new()).await
    }

    async fn spawn<T: Task>(&mut self, task: &T, start: Start) -> Result<Spawned> {
        let start = start.request(&self.caller.request_id).by(self.caller.to_json());
        let start = match self.parent {
            Some(parent) => start.parent(parent),
            None => start,
        };
        Ok(task_engine::spawn(self.conn, task, start).await?)
    }

    /// Writes an event of the caller's.
    ///
    /// # Errors
    /// As the database reports them.
    pub async fn event(&mut self, event: Note<'_>) -> Result<()> {
        let caller = self.caller;
        let event =
            event.of(&caller.user, caller.project_name(), caller.source.clone(), Some(caller.request_id.clone()));
        Ok(db::event::insert(self.conn, &event).await?)
    }
}

/// What happened, without who did it.
#[derive(Debug, Clone)]
pub struct Note<'a> {
    pub obj_type: &'a str,
    pub obj_id: Uuid,
    pub obj_name: &'a str,
    pub action: &'a str,
    pub success: bool,
    pub notes: String,
    pub status: Option<(GuestStatus, GuestStatus)>,
    pub task: Option<Uuid>,
}

impl Note<'_> {
    #[must_use]
    pub fn of(self, user: &str, project: &str, source: Option<String>, request_id: Option<String>) -> NewEvent {
        NewEvent {
            obj_type: self.obj_type.into(),
            obj_id: self.obj_id,
            obj_name: self.obj_name.into(),
            action: self.action.into(),
            success: self.success,
            notes: self.notes,
            old_status: self.status.map(|(old, _)| old.to_string()),
            new_status: self.status.map(|(_, new)| new.to_string()),
            user_name: user.into(),
            project: project.into(),
            source,
            request_id,
            task_id: self.task.map(TaskId::from_uuid),
        }
    }
}

/// One request to the dispatcher, as it came in.
pub struct Incoming {
    pub app: App,
    pub caller: Caller,
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The rules that a verb's pipeline asks: the verb's own, and the one that says whether the caller may know of the thing at all.
#[derive(Debug, Clone)]
pub struct Rules {
    pub verb: Rule,
    pub get: Rule,
}

/// A verb on one resource.
pub async fn on_one<M, A>(incoming: Incoming, ident: String, rules: &Rules, verbs: &Verbs) -> Result<Response>
where
    M: Perform<A>,
    A: Action<On = M::Api>,
{
    incoming
        .in_transaction(async |incoming, conn| {
            let model = incoming.find::<M>(&ident, rules, conn).await?;
            check_status::<M, A>(&model, verbs)?;
            let (action, warnings) = incoming.decode::<A>(<M::Api as Resource>::WORD)?;
            action.check()?;
            let before = model.clone();
            let id = model.id().to_string();
            let mut cx = Cx { app: &incoming.app, conn, caller: &incoming.caller, parent: None };
            let done = model.perform(action, &mut cx).await?;
            let resource = incoming.after(before, &id, conn).await?;
            span::caused(done.task.as_ref());
            let task = done.task.map(brief);
            let accepted = Accepted::<A> { resource, task, extra: done.extra, warnings };
            let first = accepted.to_json()?;
            let status = if accepted.task.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
            let repeat = Accepted::<A> { extra: A::forget_secrets(accepted.extra), ..accepted }.to_json()?;
            Ok(Answer { status, first, repeat })
        })
        .await
}

/// `PUT` or `PATCH /<resources>/{id}`.
pub async fn update<M: Update>(incoming: Incoming, ident: String, rules: &Rules, verbs: &Verbs) -> Result<Response> {
    incoming
        .in_transaction(async |incoming, conn| {
            let model = incoming.find::<M>(&ident, rules, conn).await?;
            if incoming.body.is_empty() {
                return Err(Error::input("the body is missing"));
            }
            let word = <M::Api as Resource>::WORD;
            incoming.check_name(word, verbs)?;
            let (body, warnings) = incoming.decode::<M::Body>(word)?;
            let before = model.clone();
            let id = model.id().to_string();
            let mut cx = Cx { app: &incoming.app, conn, caller: &incoming.caller, parent: None };
            model.update(body, &mut cx).await?;
            let view = incoming.after(before, &id, conn).await?;
            let answer = wrapped(word, view, None, warnings)?;
            Ok(Answer { status: StatusCode::OK, first: answer.clone(), repeat: answer })
        })
        .await
}

/// `POST /<resources>`.
pub async fn create<M: Create>(incoming: Incoming, rule: &Rule, verbs: &Verbs) -> Result<Response> {
    incoming
        .in_transaction(async |incoming, conn| {
            incoming.app.policies.require(conn, &incoming.caller, rule).await?;
            if incoming.body.is_empty() {
                return Err(Error::input("the body is missing"));
            }
            let word = <M::Api as Resource>::WORD;
            incoming.check_name(word, verbs)?;
            let (body, warnings) = incoming.decode::<M::Body>(word)?;
            let bodies = M::many(&body)?;
            if !bodies.is_empty() {
                return create_many::<M>(incoming, bodies, warnings, conn).await;
            }
            let mut cx = Cx { app: &incoming.app, conn, caller: &incoming.caller, parent: None };
            let created = M::create(body, &mut cx).await?;
            span::about(word, created.model.id());
            span::caused(created.task.as_ref());
            let view = created.model.view(&incoming.app, conn).await?;
            let status = if created.task.is_some() { StatusCode::ACCEPTED } else { StatusCode::CREATED };
            let answer = wrapped(word, view, created.task, warnings)?;
            Ok(Answer { status, first: answer.clone(), repeat: answer })
        })
        .await
}

/// Each by itself: `{"servers": [{"status": 200, "body": {...}}]}` with the resource itself as body, or the status and body of its error. Where none could be made, the
/// error of the first is that of all.
async fn create_many<M: Create>(
    incoming: &Incoming,
    bodies: Vec<M::Body>,
    warnings: Vec<String>,
    conn: &mut Conn,
) -> Result<Answer> {
    let (mut rows, mut first_error, mut made) = (Vec::new(), None, 0);
    for body in bodies {
        let created = conn
            .transaction(async |conn| {
                let mut cx = Cx { app: &incoming.app, conn, caller: &incoming.caller, parent: None };
                let created = M::create(body, &mut cx).await?;
                created.model.view(&incoming.app, conn).await
            })
            .await;
        match created {
            Ok(view) => {
                made += 1;
                rows.push(serde_json::json!({ "status": 200, "body": view }));
            }
            // Not of this one only.
            Err(error) if matches!(error.class, ErrorClass::InternalServer | ErrorClass::ServiceUnavailable) => {
                return Err(error);
            }
            Err(error) => {
                let body = error.body(&incoming.caller.request_id);
                rows.push(serde_json::json!({ "status": body.code, "body": body }));
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) if made == 0 => Err(error),
        _ => {
            let mut answer = serde_json::Map::new();
            answer.insert(<M::Api as Resource>::PLURAL.into(), rows.into());
            if !warnings.is_empty() {
                answer.insert("warnings".into(), serde_json::to_value(warnings)?);
            }
            let answer = Value::Object(answer);
            Ok(Answer { status: StatusCode::ACCEPTED, first: answer.clone(), repeat: answer })
        }
    }
}

fn wrapped(word: &str, view: impl serde::Serialize, task: Option<Spawned>, warnings: Vec<String>) -> Result<Value> {
    let mut answer = serde_json::Map::new();
    answer.insert(word.into(), serde_json::to_value(view)?);
    if let Some(task) = task {
        answer.insert("task".into(), serde_json::to_value(brief(task))?);
    }
    if !warnings.is_empty() {
        answer.insert("warnings".into(), serde_json::to_value(warnings)?);
    }
    Ok(Value::Object(answer))
}

/// `POST /<resources>/<name>`: a verb of many.
pub async fn on_class<M: PerformClass<A>, A: ClassAction<On = M::Api>>(
    incoming: Incoming,
    rule: &Rule,
) -> Result<Response> {
    incoming
        .in_transaction(async |incoming, conn| {
            incoming.app.policies.require(conn, &incoming.caller, rule).await?;
            let (action, _) = decode::typed::<A>(decode::json(&incoming.headers, &incoming.body)?)?;
            action.check()?;
            let mut cx = Cx { app: &incoming.app, conn, caller: &incoming.caller, parent: None };
            let spawned = M::perform_class(action, &mut cx).await?;
            span::caused(Some(&spawned));
            let answer = serde_json::json!({ "task": brief(spawned) });
            Ok(Answer { status: StatusCode::ACCEPTED, first: answer.clone(), repeat: answer })
        })
        .await
}

#[must_use]
pub fn brief(task: Spawned) -> api::task::TaskBrief {
    api::task::TaskBrief { id: TaskId::from_uuid(task.id), task_name: task.name, stage: task.stage }
}

fn check_status<M, A>(model: &M, verbs: &Verbs) -> Result<()>
where
    M: Perform<A>,
    A: Action<On = M::Api>,
{
    let Some(status) = model.status() else { return Ok(()) };
    if M::FROM.is_empty() || M::FROM.contains(&status) {
        return Ok(());
    }
    let word = <M::Api as Resource>::WORD;
    let wanted: Vec<&str> = M::FROM.iter().map(|s| s.as_str()).collect();
    let allowed = verbs.allowed(word, status);
    Err(Error::status(format!(
        "{} needs {word} status to be {}, but '{}' is in {status}. {}",
        A::NAME,
        wanted.join(" or "),
        model.name(),
        if allowed.is_empty() {
            "Wait for its task to end".to_owned()
        } else {
            format!("Allowed now: {}", allowed.join(", "))
        }
    )))
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

struct Answer {
    status: StatusCode,
    first: Value,
    /// What a repeat under the same key is answered with: no secrets.
    repeat: Value,
}

impl Incoming {
    /// Finds, authorises, locks, and compares with `If-Match`.
    async fn find<M: Model>(&self, ident: &str, rules: &Rules, conn: &mut Conn) -> Result<M> {
        let policies = &self.app.policies;
        let missing = || Error::not_found(<M::Api as Resource>::WORD, ident);
        let seen = policies.access(conn, &self.caller, &rules.get).await?.ok_or_else(missing)?;
        let model = M::find_within(conn, ident, &seen).await?;
        let project = model.project(conn).await?;
        if !seen.reaches(project.as_deref()) {
            return Err(missing());
        }
        span::about(<M::Api as Resource>::WORD, model.id());
        let access = policies.require(conn, &self.caller, &rules.verb).await?;
        if !access.reaches(project.as_deref()) {
            let details =
                format!("not allowed. require: {} in a scope that reaches this {}", rules.verb, rules.verb.word);
            return Err(Error::new(ErrorClass::Forbidden, details));
        }
        let model = model.lock(conn).await?;
        self.check_version(&model)?;
        Ok(model)
    }

    /// `If-Match` holds the `update_version` that the caller has seen.
    fn check_version<M: Model>(&self, model: &M) -> Result<()> {
        let Some(wanted) = self.headers.get(header::IF_MATCH) else { return Ok(()) };
        let wanted = wanted.to_str().unwrap_or_default().trim().trim_matches('"').to_owned();
        match model.version() {
            Some(version) if wanted != "*" && wanted != version.to_string() => Err(Error::new(
                ErrorClass::PreconditionFailed,
                format!("If-Match: '{}' was changed meanwhile: its update_version is {version}", model.name()),
            )),
            _ => Ok(()),
        }
    }

    /// The view once the verb has acted; of a thing that it deleted, the last one.
    async fn after<M: Model>(&self, before: M, id: &str, conn: &mut Conn) -> Result<View<M>> {
        let now = match M::find(conn, id).await {
            Err(error) if error.class == ErrorClass::ResourceNotFound => before,
            found => found?,
        };
        now.view(&self.app, conn).await
    }

    /// The name that the body gives must not mean a route.
    fn check_name(&self, word: &str, verbs: &Verbs) -> Result<()> {
        let body = decode::unwrap(decode::json(&self.headers, &self.body)?, word)?;
        match body.get("name").and_then(Value::as_str) {
            Some(name) => verbs.check_name(word, name),
            None => Ok(()),
        }
    }

    fn decode<T: serde::de::DeserializeOwned>(&self, word: &str) -> Result<(T, Vec<String>)> {
        decode::typed(decode::unwrap(decode::json(&self.headers, &self.body)?, word)?)
    }

    /// Runs `act` in a transaction, once per idempotency key.
    async fn in_transaction<F>(self, act: F) -> Result<Response>
    where
        F: AsyncFnOnce(&Self, &mut Conn) -> Result<Answer>,
    {
        type Manager = <Conn as AsyncConnection>::TransactionManager;
        let key = self.idempotency_key()?;
        let mut pooled = self.app.pool.get().await?;
        let conn: &mut Conn = &mut pooled;
        Manager::begin_transaction(conn).await?;
        let acted = self.act_once(conn, key.as_deref(), act).await;
        match acted {
            Ok(answer) => {
                Manager::commit_transaction(conn).await?;
                self.app.waker.wake();
                Ok(answer)
            }
            Err(error) => {
                if let Err(rollback) = Manager::rollback_transaction(conn).await {
                    tracing::warn!(error = %rollback, "a transaction could not be rolled back; its connection is dropped");
                }
                Err(error)
            }
        }
    }

    async fn act_once<F>(&self, conn: &mut Conn, key: Option<&str>, act: F) -> Result<Response>
    where
        F: AsyncFnOnce(&Self, &mut Conn) -> Result<Answer>,
    {
        let Some(key) = key else {
            let answer = act(self, conn).await?;
            return Ok(self.respond(answer.status, answer.first));
        };
        let request = self.fingerprint();
        if let Some(before) = db::idempotency::look(conn, &self.caller.user, key).await? {
            if before.request != request {
                return Err(Error::new(
                    ErrorClass::Conflict,
                    "this Idempotency-Key was used for another request: take a new one",
                ));
            }
            let status = u16::try_from(before.status).ok().and_then(|s| StatusCode::from_u16(s).ok());
            return Ok(self.respond(status.unwrap_or(StatusCode::ACCEPTED), before.answer));
        }
        let answer = act(self, conn).await?;
        let status = i32::from(answer.status.as_u16());
        db::idempotency::record(conn, &self.caller.user, key, &request, status, &answer.repeat).await?;
        Ok(self.respond(answer.status, answer.first))
    }

    fn idempotency_key(&self) -> Result<Option<String>> {
        let Some(key) = self.headers.get(&IDEMPOTENCY_KEY) else { return Ok(None) };
        key.to_str()
            .ok()
            .filter(|key| (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()))
            .map(|key| Some(key.to_owned()))
            .ok_or_else(|| Error::input("Idempotency-Key: 1 to 128 printable ASCII characters are wanted"))
    }

    fn fingerprint(&self) -> Vec<u8> {
        let hash = Sha256::new().chain_update(self.method.as_str()).chain_update([0]).chain_update(&self.path);
        hash.chain_update([0]).chain_update(&self.body).finalize().to_vec()
    }

    fn respond(&self, status: StatusCode, body: Value) -> Response {
        let task = body.pointer("/task/id").and_then(Value::as_str).map(|id| format!("/tasks/{id}"));
        let mut response = (status, axum::Json(body)).into_response();
        if let Some(location) = task.and_then(|t| HeaderValue::from_str(&t).ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}
