//! A stack, its administrator, and whoever else a test needs.

#![allow(dead_code, reason = "each test needs a part of it")]

use serde_json::{Value, json};
use testing::{Stack, Web};

pub struct Actors {
    pub stack: Stack,
    pub admin: Web,
}

impl Actors {
    pub async fn start() -> Self {
        Self::start_with(testing::Setup::default()).await
    }

    pub async fn start_with(setup: testing::Setup) -> Self {
        let stack = Stack::start_with(setup).await;
        let admin = stack.web().await;
        Self { stack, admin }
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.admin.send(self.admin.request("POST", path).json(&body)).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    /// A user with one role in one project, logged in.
    pub async fn user(&self, name: &str, project: &str, role: &str) -> Web {
        self.post("/users", json!({"name": name, "password": "correct horse"})).await;
        self.post(&format!("/projects/{project}/join"), json!({"users": [name], "roles": [role]})).await;
        self.log_in(name, "correct horse").await.expect("a token")
    }

    pub async fn log_in(&self, name: &str, password: &str) -> Result<Web, u16> {
        self.log_in_at("Default", name, password).await
    }

    /// Logs in; else the status.
    pub async fn log_in_at(&self, domain: &str, name: &str, password: &str) -> Result<Web, u16> {
        let user = json!({"name": name, "domain": {"name": domain}, "password": password});
        let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}});
        let answer =
            self.admin.http.post(format!("{}/v3/auth/tokens", self.admin.base)).json(&body).send().await.unwrap();
        let token = answer.headers().get("x-subject-token").and_then(|t| t.to_str().ok()).map(str::to_owned);
        let token = token.ok_or(answer.status().as_u16())?;
        Ok(Web { http: self.admin.http.clone(), base: self.admin.base.clone(), token: token.into() })
    }
}
