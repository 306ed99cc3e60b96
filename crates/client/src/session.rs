//! Log-in, and the token it gives: taken from memory, else from the token folder, else from the identity service.

use std::sync::Arc;

use api::identity::{
    AUTH_TOKEN, Auth, AuthAnswer, AuthRequest, Identity, Named, PasswordIdentity, SUBJECT_TOKEN, Scope, ScopeProject,
    TokenView, UserPassword,
};
use chrono::{DateTime, Utc};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use types::Secret;

use crate::error::Error;
use crate::options::{ClientOptions, Credentials};
use crate::token_file;
use crate::transport::{Transport, base, failure, foreign, is_loopback, read};

/// A token, and where it is good.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    pub token: Secret,
    /// The compute service's base URL.
    pub region_url: String,
    pub expires_at: Option<DateTime<Utc>>,
}

/// What a fresh log-in tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Login {
    pub user: String,
    pub project: Option<String>,
    pub roles: Vec<String>,
    pub region_url: String,
    pub expires_at: String,
}

/// Holds the session of one client; a batch of requests shares one log-in.
pub struct Sessions {
    options: ClientOptions,
    current: tokio::sync::Mutex<Option<Arc<Session>>>,
}

impl Sessions {
    pub fn new(options: ClientOptions) -> Self {
        Self { options, current: tokio::sync::Mutex::new(None) }
    }

    /// The session in use, got if there is none.
    pub async fn current(&self, transport: &Transport) -> Result<Arc<Session>, Error> {
        let mut current = self.current.lock().await;
        if let Some(session) = &*current {
            return Ok(session.clone());
        }
        let session = match token_file::load(&self.options) {
            Some(session) => self.with_region(session)?,
            None => self.fresh(transport).await?.0,
        };
        Ok(current.insert(Arc::new(session)).clone())
    }

    /// Another session than `refused`, which the service did not accept; `None` where nothing can be renewed.
    pub async fn renew(&self, refused: &Session, transport: &Transport) -> Result<Option<Arc<Session>>, Error> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.as_ref().filter(|s| s.token != refused.token) {
            return Ok(Some(session.clone()));
        }
        match &self.options.credentials {
            Credentials::Password { password: Some(_), .. } => {}
            Credentials::Password { password: None, .. } | Credentials::Token(_) => return Ok(None),
        }
        let session = self.fresh(transport).await?.0;
        Ok(Some(current.insert(Arc::new(session)).clone()))
    }

    /// Logs in, whatever is at hand.
    pub async fn login(&self, transport: &Transport) -> Result<Login, Error> {
        let mut current = self.current.lock().await;
        let (session, login) = self.fresh(transport).await?;
        *current = Some(Arc::new(session));
        Ok(login)
    }

    async fn fresh(&self, transport: &Transport) -> Result<(Session, Login), Error> {
        let (token, view) = match &self.options.credentials {
            Credentials::Token(token) => {
                if let (Some(region_url), None) = (&self.options.region_url, &self.options.auth_url) {
                    // Nobody to ask: the token is taken at its word.
                    let session = Session { token: token.clone(), region_url: region_url.clone(), expires_at: None };
                    let login = Login {
                        user: String::new(),
                        project: None,
                        roles: Vec::new(),
                        region_url: region_url.clone(),
                        expires_at: String::new(),
                    };
                    return Ok((session, login));
                }
                (token.clone(), self.validate(token, transport).await?)
            }
            Credentials::Password { user, domain, password, project } => {
                let Some(password) = password else {
                    return Err(Error::NoCredentials(
                        "there is no password: set OS_PASSWORD, or run climc login".into(),
                    ));
                };
                self.authenticate(user, domain, password, project.as_deref(), transport).await?
            }
        };
        let region_url = match &self.options.region_url {
            Some(url) => url.clone(),
            None => region_of(&view, self.options.region_name.as_deref())?,
        };
        let session = self.with_region(Session {
            token,
            region_url,
            expires_at: DateTime::parse_from_rfc3339(&view.expires_at).ok().map(|t| t.to_utc()),
        })?;
        token_file::save(&self.options, &session);
        let login = Login {
            user: view.user.name,
            project: view.project.map(|p| p.name),
            roles: view.roles.into_iter().map(|r| r.name).collect(),
            region_url: session.region_url.clone(),
            expires_at: view.expires_at,
        };
        Ok((session, login))
    }

    /// The session with the region URL of the options, if they name one; and never one that would show the token to the network.
    fn with_region(&self, mut session: Session) -> Result<Session, Error> {
        if let Some(url) = &self.options.region_url {
            session.region_url.clone_from(url);
            return Ok(session);
        }
        let region = base(&session.region_url)?;
        let secure_login = self.options.auth_url.as_deref().is_some_and(|u| u.starts_with("https://"));
        if secure_login && region.scheme() == "http" && !is_loopback(&region) {
            return Err(Error::Input(format!(
                "the catalog of {} leads to {region}, which is not encrypted: give the region's URL yourself (LIFEBOAT_REGION_URL)",
                self.options.auth_url.as_deref().unwrap_or_default(),
            )));
        }
        Ok(session)
    }

    /// `{auth}/v3/auth/tokens`
    fn tokens_url(&self) -> Result<Url, Error> {
        let Some(text) = &self.options.auth_url else {
            return Err(Error::NoCredentials(
                "there is no identity service: set OS_AUTH_URL (http://HOST:PORT/v3)".into(),
            ));
        };
        let url = base(text)?;
        let version = if url.path().ends_with("/v3") { "" } else { "/v3" };
        base(&format!("{}{version}/auth/tokens", url.as_str().trim_end_matches('/')))
    }

    async fn authenticate(
        &self,
        user: &str,
        domain: &str,
        password: &Secret,
        project: Option<&str>,
        transport: &Transport,
    ) -> Result<(Secret, TokenView), Error> {
        let named = |name: &str| Named { id: String::new(), name: name.to_owned() };
        let scope = project.map(|name| Scope {
            project: Some(ScopeProject { id: String::new(), name: name.to_owned(), domain: Some(named(domain)) }),
            unscoped: false,
        });
        let password =
            UserPassword { domain: Some(named(domain)), name: user.to_owned(), id: None, password: password.clone() };
        let body = AuthRequest {
            auth: Auth {
                identity: Identity {
                    methods: vec!["password".into()],
                    password: Some(PasswordIdentity { user: password }),
                    token: None,
                },
                scope,
            },
        };
        let url = self.tokens_url()?;
        let stack = transport.stack(&url)?;
        let request = stack.post(url.clone()).json(&body);
        let (token, view) = self.exchange(transport, &stack, request, &url).await?;
        let token = token.ok_or_else(|| foreign(&url, 200, "it has no X-Subject-Token".into()))?;
        Ok((token, view))
    }

    async fn validate(&self, token: &Secret, transport: &Transport) -> Result<TokenView, Error> {
        let url = self.tokens_url()?;
        let stack = transport.stack(&url)?;
        let request = stack.get(url.clone()).header(AUTH_TOKEN, token.expose()).header(SUBJECT_TOKEN, token.expose());
        Ok(self.exchange(transport, &stack, request, &url).await?.1)
    }

    async fn exchange(
        &self,
        transport: &Transport,
        stack: &reqwest::Client,
        request: reqwest::RequestBuilder,
        url: &Url,
    ) -> Result<(Option<Secret>, TokenView), Error> {
        let request = request.timeout(self.options.request_timeout);
        let response = transport.execute(stack, request).await.map_err(|e| failure(&e, url))?;
        let status = response.status().as_u16();
        let token = response.headers().get(SUBJECT_TOKEN).and_then(|v| v.to_str().ok()).map(Secret::new);
        let body = read(response).await?;
        let answer: AuthAnswer = serde_json::from_value(body).map_err(|e| foreign(url, status, e.to_string()))?;
        Ok((token, answer.token))
    }
}

/// The public compute endpoint of a catalog.
fn region_of(view: &TokenView, name: Option<&str>) -> Result<String, Error> {
    let endpoints = || {
        let compute = view.catalog.iter().filter(|entry| entry.kind == "compute_v2");
        compute.flat_map(|entry| &entry.endpoints).filter(|e| e.interface == "public")
    };
    let wanted = |region: &str| name.is_none_or(|name| name == region);
    if let Some(endpoint) = endpoints().find(|e| wanted(&e.region_id) || wanted(&e.region)) {
        return Ok(endpoint.url.clone());
    }
    let known: Vec<&str> = endpoints().map(|e| e.region_id.as_str()).collect();
    Err(Error::Input(match name {
        Some(name) if !known.is_empty() => format!("no region '{name}' in the catalog: there are {}", known.join(", ")),
        _ => "the catalog names no compute service (compute_v2, public): give its URL with LIFEBOAT_REGION_URL".into(),
    }))
}
