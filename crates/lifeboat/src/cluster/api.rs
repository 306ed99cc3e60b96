//! The few calls of Kubernetes' API that are needed: read, make and replace a Secret, and list the names of nodes.
//! The pod's service account says who we are; its token is read for each call, because it is renewed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::wanted::Data;

/// Nodes in one answer.
const PAGE: &str = "500";

pub struct Api {
    http: reqwest::Client,
    base: String,
    namespace: String,
    account: PathBuf,
}

/// A Secret as it was read.
pub struct Found {
    pub data: Data,
    whole: Value,
}

pub enum Saved {
    Done,
    ChangedMeanwhile,
}

impl Api {
    /// # Errors
    /// This process runs in no pod, or its service account is not mounted.
    pub fn of_this_pod(account: &Path) -> Result<Self> {
        let host = std::env::var("KUBERNETES_SERVICE_HOST")
            .context("KUBERNETES_SERVICE_HOST is not set: this command runs in a pod of the cluster")?;
        let port = std::env::var("KUBERNETES_SERVICE_PORT").unwrap_or_else(|_| "443".into());
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        Self::at(format!("https://{host}:{port}"), account)
    }

    fn at(base: String, account: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = account.join(name);
            std::fs::read_to_string(&path)
                .with_context(|| format!("{}: the pod wants automountServiceAccountToken: true", path.display()))
        };
        let roots =
            reqwest::Certificate::from_pem_bundle(read("ca.crt")?.as_bytes()).context("the cluster's ca.crt")?;
        let http = reqwest::Client::builder()
            .tls_certs_only(roots)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .user_agent(concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, base, namespace: read("namespace")?.trim().to_owned(), account: account.to_owned() })
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The names of all nodes with these labels.
    ///
    /// # Errors
    /// The API refuses or can't be reached.
    pub async fn nodes(&self, selector: &str) -> Result<Vec<String>> {
        let mut names = vec![];
        let mut more = String::new();
        loop {
            let query = [("labelSelector", selector), ("limit", PAGE), ("continue", &more)];
            let (status, page) = self.call(Method::GET, "/api/v1/nodes", &query, None).await?;
            expect(status, &page)?;
            let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            names.extend(items.iter().filter_map(|node| node["metadata"]["name"].as_str()).map(str::to_owned));
            more = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
            if more.is_empty() {
                return Ok(names);
            }
        }
    }

    /// # Errors
    /// The API refuses or can't be reached, or the Secret is not readable.
    pub async fn secret(&self, name: &str) -> Result<Option<Found>> {
        let (status, whole) = self.call(Method::GET, &self.path(Some(name)), &[], None).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        expect(status, &whole)?;
        let entries = whole["data"].as_object().into_iter().flatten();
        let data = entries.map(|(key, value)| {
            let bytes = STANDARD.decode(value.as_str().unwrap_or_default());
            bytes.map(|bytes| (key.clone(), bytes)).with_context(|| format!("entry {key} is not base64"))
        });
        Ok(Some(Found { data: data.collect::<Result<_>>()?, whole }))
    }

    /// Makes the Secret, or replaces what it holds if nobody else has changed it since it was read.
    ///
    /// # Errors
    /// The API refuses or can't be reached.
    pub async fn save(&self, name: &str, found: Option<Found>, data: &Data) -> Result<Saved> {
        let entries: serde_json::Map<String, Value> =
            data.iter().map(|(key, bytes)| (key.clone(), STANDARD.encode(bytes).into())).collect();
        let (method, path, body) = match found {
            None => {
                let body = json!({
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "type": "Opaque",
                    "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "lifeboat-secrets"}},
                    "data": entries,
                });
                (Method::POST, self.path(None), body)
            }
            // With the resource version that was read, and whatever labels others have put there.
            Some(mut found) => {
                found.whole["data"] = entries.into();
                (Method::PUT, self.path(Some(name)), found.whole)
            }
        };
        let (status, answer) = self.call(method, &path, &[], Some(&body)).await?;
        if status == StatusCode::CONFLICT {
            return Ok(Saved::ChangedMeanwhile);
        }
        expect(status, &answer)?;
        Ok(Saved::Done)
    }

    fn path(&self, name: Option<&str>) -> String {
        let all = format!("/api/v1/namespaces/{}/secrets", self.namespace);
        name.map_or(all.clone(), |name| format!("{all}/{name}"))
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value)> {
        let token = std::fs::read_to_string(self.account.join("token")).context("the service account's token")?;
        let mut request =
            self.http.request(method, format!("{}{path}", self.base)).bearer_auth(token.trim()).query(query);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(|| format!("the cluster's API at {}", self.base))?;
        let status = answer.status();
        Ok((status, answer.json().await.unwrap_or_default()))
    }
}

/// What the API says when it refuses names the verb and the resource that a role would have to allow; it never repeats a Secret.
fn expect(status: StatusCode, answer: &Value) -> Result<()> {
    if !status.is_success() {
        bail!("the cluster's API answers {status}: {}", answer["message"].as_str().unwrap_or("no reason is given"));
    }
    Ok(())
}
