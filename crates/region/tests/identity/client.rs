//! A browser: it keeps a cookie, and says where its requests come from.

#![allow(dead_code, reason = "each test needs a part of it")]

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use testing::Stack;

/// A browser that is logged in.
pub struct Browser {
    pub http: reqwest::Client,
    pub base: String,
    pub cookie: String,
    pub csrf: String,
    /// The answer of the log-in.
    pub session: Value,
}

impl Browser {
    pub async fn log_in(stack: &Stack, body: Value) -> Result<Self, (u16, Value)> {
        let http = reqwest::Client::new();
        let base = stack.base_url();
        let answer = http.post(format!("{base}/auth/login")).json(&body).send().await.unwrap();
        Self::of(http, base, answer).await
    }

    pub async fn admin(stack: &Stack) -> Self {
        let body = json!({"username": "admin", "password": stack.password()});
        Self::log_in(stack, body).await.expect("a session")
    }

    /// From an answer that sets the cookie.
    pub async fn of(http: reqwest::Client, base: String, answer: reqwest::Response) -> Result<Self, (u16, Value)> {
        let status = answer.status().as_u16();
        let set = answer.headers().get("set-cookie").map(|v| v.to_str().unwrap().to_owned());
        let body: Value = answer.json().await.unwrap_or_default();
        let Some(set) = set.filter(|_| status == 200) else { return Err((status, body)) };
        let cookie = set.split(';').next().unwrap().to_owned();
        let csrf = body["session"]["csrf"].as_str().unwrap().to_owned();
        Ok(Self { http, base, cookie, csrf, session: body["session"].clone() })
    }

    /// With the cookie, and nothing else.
    pub fn bare(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("{}{path}", self.base)).header("cookie", &self.cookie)
    }

    /// As a page of the console sends it.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let own = self.bare(method, path).header("origin", &self.base).header("sec-fetch-site", "same-origin");
        own.header("x-csrf-token", &self.csrf)
    }

    pub fn token(&self) -> &str {
        self.cookie.strip_prefix("lifeboat_session=").expect("the session's cookie")
    }
}

pub async fn send(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}
