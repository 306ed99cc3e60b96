//! One method per kind of request. Repeats what got lost, which never acts twice, and logs in again once when a token is refused.

use std::sync::Arc;
use std::time::Duration;

use api::identity::AUTH_TOKEN;
use api::task::TaskBrief;
use api::{Accepted, Action, ClassAction, List, ListQuery, Resource};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::options::ClientOptions;
use crate::path::{pairs, path};
use crate::session::{Login, Session, Sessions};
use crate::transport::{Transport, base, failure, foreign, read};

/// How often a request is sent at most.
const TRIES: u32 = 3;
/// A service that asks for a longer pause than this is asked again by the user.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A repeated request with the same key returns the first answer.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A cheap handle; clones share connections and the session.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    transport: Transport,
    sessions: Sessions,
    request_timeout: Duration,
}

/// The answer to a create or a delete.
#[derive(Debug, Clone, PartialEq)]
pub struct Created<V> {
    pub resource: V,
    /// What is at work on it, if anything.
    pub task: Option<TaskBrief>,
    /// Keys of the body that were not understood, and so ignored.
    pub warnings: Vec<String>,
}

/// What one request needs, so that it can be sent again.
struct Call {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Value>,
    /// Makes sending it twice do what sending it once does; a GET needs none.
    key: Option<String>,
    /// The `update_version` that the resource must still have.
    if_match: Option<i64>,
}

impl Call {
    fn get(path: String) -> Self {
        Self { method: Method::GET, path, query: Vec::new(), body: None, key: None, if_match: None }
    }

    /// With a key of its own, so that it may be repeated.
    fn post(path: String, body: Value) -> Self {
        let key = uuid::Uuid::new_v4().to_string();
        Self { method: Method::POST, path, query: Vec::new(), body: Some(body), key: Some(key), if_match: None }
    }
}

impl Client {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Input`] for URLs that can't be used.
    pub fn new(options: ClientOptions) -> Result<Self, Error> {
        for url in [&options.auth_url, &options.region_url].into_iter().flatten() {
            base(url)?;
        }
        let transport = Transport::new(options.ca.clone(), options.connect_timeout, options.trace.clone());
        let request_timeout = options.request_timeout;
        Ok(Self(Arc::new(Inner { transport, sessions: Sessions::new(options), request_timeout })))
    }

    /// Logs in, also where a token is at hand.
    ///
    /// # Errors
    /// [`Error::Api`] of class `UnauthorizedError` for a wrong user or password, and those of any request.
    pub async fn login(&self) -> Result<Login, Error> {
        self.0.sessions.login(&self.0.transport).await
    }

    /// `GET /<resources>/{id}`; an id or a name.
    ///
    /// # Errors
    /// [`Error`]; `ResourceNotFoundError` and `DuplicateResourceError` among the service's.
    pub async fn get<R: Resource>(&self, id: &str) -> Result<R::View, Error> {
        let mut body = self.call(Call::get(path(&[R::PLURAL, id])?)).await?;
        self.decode(&body.url, take(&mut body.json, R::WORD))
    }

    /// `GET /<resources>/{id}/{detail}`, as it comes.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn detail<R: Resource>(&self, id: &str, detail: &str) -> Result<Value, Error> {
        Ok(take(&mut self.call(Call::get(path(&[R::PLURAL, id, detail])?)).await?.json, R::WORD))
    }

    /// `GET /{path}` of what is no resource, as it comes: `permissions`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn plain(&self, what: &str) -> Result<Value, Error> {
        Ok(self.call(Call::get(path(&[what])?)).await?.json)
    }

    /// The rows of a page of any resource, as they come.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn rows(&self, plural: &str, query: &ListQuery) -> Result<Vec<Value>, Error> {
        let mut body = self.call(Call { query: pairs(query), ..Call::get(path(&[plural])?) }).await?;
        self.decode(&body.url, take(&mut body.json, plural))
    }

    /// `GET /<resources>`: one page.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list<R: Resource>(&self, query: &ListQuery) -> Result<List<R::View>, Error> {
        let mut body = self.call(Call { query: pairs(query), ..Call::get(path(&[R::PLURAL])?) }).await?;
        let number = |body: &Value, key: &str| body.get(key).and_then(Value::as_i64).unwrap_or_default();
        let (total, limit, offset) =
            (number(&body.json, "total"), number(&body.json, "limit"), number(&body.json, "offset"));
        let data = self.decode(&body.url, take(&mut body.json, R::PLURAL))?;
        Ok(List { data, total, limit, offset })
    }

    /// `POST /<resources>/{id}/<verb>`. Sent with a key of its own, so that a repeat after a lost connection does not act twice.
    ///
    /// # Errors
    /// [`Error`]; `InvalidStatusError` names the verbs that are allowed.
    pub async fn perform<A: Action>(&self, id: &str, action: &A) -> Result<Accepted<A>, Error> {
        let path = path(&[A::On::PLURAL, id, A::NAME])?;
        let body = self.call(Call::post(path, wrap::<A::On>(action)?)).await?;
        Accepted::from_json(body.json).map_err(|e| foreign(&body.url, 200, e.to_string()))
    }

    /// `POST /<resources>/{action}`: one task for many.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn perform_class<A: ClassAction + Serialize>(&self, action: &A) -> Result<TaskBrief, Error> {
        let body = serde_json::to_value(action).map_err(|e| Error::Input(e.to_string()))?;
        let mut body = self.call(Call::post(path(&[A::On::PLURAL, A::NAME])?, body)).await?;
        self.decode(&body.url, take(&mut body.json, "task"))
    }

    /// `POST /<resources>`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create<R: Resource>(&self, resource: &impl Serialize) -> Result<Created<R::View>, Error> {
        let body = self.call(Call::post(path(&[R::PLURAL])?, wrap::<R>(resource)?)).await?;
        self.created::<R>(body)
    }

    /// `PUT /<resources>/{id}`: what the body names is changed; only if the resource still has this `update_version`, where one is given.
    ///
    /// # Errors
    /// [`Error`]; `PreconditionFailedError` for another version.
    pub async fn update<R: Resource>(
        &self,
        id: &str,
        change: &impl Serialize,
        if_match: Option<i64>,
    ) -> Result<Created<R::View>, Error> {
        let call = Call::post(path(&[R::PLURAL, id])?, wrap::<R>(change)?);
        let body = self.call(Call { method: Method::PUT, if_match, ..call }).await?;
        self.created::<R>(body)
    }

    /// `DELETE /<resources>/{id}`. Sent with a key of its own too: without one the second try could not tell success from failure.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete<R: Resource>(&self, id: &str) -> Result<Created<R::View>, Error> {
        let call = Call { method: Method::DELETE, body: None, ..Call::post(path(&[R::PLURAL, id])?, Value::Null) };
        let body = self.call(call).await?;
        self.created::<R>(body)
    }

    fn created<R: Resource>(&self, mut body: Body) -> Result<Created<R::View>, Error> {
        Ok(Created {
            task: self.decode(&body.url, take(&mut body.json, "task"))?,
            warnings: self.decode::<Option<_>>(&body.url, take(&mut body.json, "warnings"))?.unwrap_or_default(),
            resource: self.decode(&body.url, take(&mut body.json, R::WORD))?,
        })
    }

    #[allow(clippy::unused_self, reason = "reads as a step of the request")]
    fn decode<T: DeserializeOwned>(&self, url: &Url, value: Value) -> Result<T, Error> {
        serde_json::from_value(value).map_err(|e| foreign(url, 200, e.to_string()))
    }

    /// Sends until there is an answer, or no sense in another try.
    async fn call(&self, call: Call) -> Result<Body, Error> {
        let mut tried = 1;
        loop {
            let (error, pause) = match self.attempt(&call).await {
                Ok(body) => return Ok(body),
                Err((error, asked)) => (error, asked),
            };
            let pause = match &error {
                Error::Lost { .. } => Some(Duration::from_millis(200) * tried),
                Error::Api(_) | Error::Foreign { .. } if error.is_passing() => pause.filter(|p| *p <= LONGEST_PAUSE),
                _ => None,
            };
            let Some(pause) = pause.filter(|_| tried < TRIES) else { return Err(error) };
            tokio::time::sleep(pause).await;
            tried += 1;
        }
    }

    /// One try; beside the error, the pause that the service asked for.
    async fn attempt(&self, call: &Call) -> Result<Body, (Error, Option<Duration>)> {
        let response = self
            .send(&call.path, |stack, url| {
                let mut request = stack.request(call.method.clone(), url).timeout(self.0.request_timeout);
                if !call.query.is_empty() {
                    request = request.query(&call.query);
                }
                if let Some(body) = &call.body {
                    request = request.json(body);
                }
                if let Some(key) = &call.key {
                    request = request.header(IDEMPOTENCY_KEY, key);
                }
                if let Some(version) = call.if_match {
                    request = request.header(reqwest::header::IF_MATCH, format!("\"{version}\""));
                }
                request
            })
            .await
            .map_err(|error| (error, None))?;
        let pause = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
        let url = response.url().clone();
        let json = read(response).await.map_err(|error| (error, pause.map(Duration::from_secs)))?;
        Ok(Body { url, json })
    }

    /// Sends with the token, once more after a fresh log-in if it is refused. Statuses are the caller's.
    pub(crate) async fn send(
        &self,
        path: &str,
        build: impl Fn(&reqwest::Client, Url) -> RequestBuilder,
    ) -> Result<Response, Error> {
        let inner = &*self.0;
        let send = async |session: &Session| {
            let base = base(&session.region_url)?;
            let url = Url::parse(&format!("{}{path}", base.as_str().trim_end_matches('/')))
                .map_err(|e| Error::Input(format!("{path}: {e}")))?;
            let stack = inner.transport.stack(&url)?;
            let request = build(&stack, url.clone()).header(AUTH_TOKEN, session.token.expose());
            inner.transport.execute(&stack, request).await.map_err(|e| failure(&e, &url))
        };
        let session = inner.sessions.current(&inner.transport).await?;
        let response = send(&session).await?;
        if response.status() != reqwest::StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        match inner.sessions.renew(&session, &inner.transport).await? {
            Some(session) => send(&session).await,
            None => Ok(response),
        }
    }
}

struct Body {
    url: Url,
    json: Value,
}

fn take(body: &mut Value, key: &str) -> Value {
    body.get_mut(key).map(Value::take).unwrap_or_default()
}

/// `{"server": {...}}`
fn wrap<R: Resource>(body: &impl Serialize) -> Result<Value, Error> {
    let body = serde_json::to_value(body).map_err(|e| Error::Input(e.to_string()))?;
    Ok(Value::Object(Map::from_iter([(R::WORD.to_owned(), body)])))
}
