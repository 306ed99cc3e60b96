//! YAML in and out, for every resource: a body with `Content-Type: application/yaml` is read as the JSON it stands for, and whoever asks
//! with `Accept: application/yaml` gets the answer as YAML. Errors stay JSON. A policy stands without the keyword around it, so that
//! what is shown can be kept in a file and given back; a mistake in one is told with its line.

use api::ErrorClass;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::account::check_yaml;
use crate::error::{Error, Result};

const YAML: HeaderValue = HeaderValue::from_static("application/yaml");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Below the layer that has read the whole body.
pub async fn negotiate(mut request: Request, next: Next) -> Response {
    let is_policy = request.uri().path().starts_with("/policies");
    let wanted = prefers_yaml(request.headers());
    if is_yaml(request.headers().get(CONTENT_TYPE)) {
        request = match as_json(request, is_policy).await {
            Ok(request) => request,
            Err(error) => return error.into_response(),
        };
    }
    let response = next.run(request).await;
    if !wanted || !response.status().is_success() || response.headers().get(CONTENT_TYPE) != Some(&JSON) {
        return response;
    }
    as_yaml(response, is_policy).await.unwrap_or_else(IntoResponse::into_response)
}

async fn as_json(request: Request, is_policy: bool) -> Result<Request> {
    let (mut parts, body) = request.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.map_err(Error::internal)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|e| Error::input(format!("the body is not UTF-8, after {} bytes", e.valid_up_to())))?;
    let value: Value = yaml_serde::from_str(text).map_err(|e| Error::input(format!("the body is not YAML: {e}")))?;
    let is_whole = parts.method == Method::POST || parts.method == Method::PUT;
    if is_policy && is_whole && value.get("policy").is_none() {
        check_yaml(text)?;
    }
    let json = serde_json::to_vec(&value)?;
    parts.headers.insert(CONTENT_TYPE, JSON);
    parts.headers.insert(CONTENT_LENGTH, json.len().into());
    Ok(Request::from_parts(parts, Body::from(json)))
}

async fn as_yaml(response: Response, is_policy: bool) -> Result<Response> {
    let (mut parts, body) = response.into_parts();
    let bytes: Bytes = to_bytes(body, usize::MAX).await.map_err(Error::internal)?;
    let mut value: Value = serde_json::from_slice(&bytes)?;
    if let Some(policy) = value.get_mut("policy").filter(|_| is_policy).map(Value::take) {
        value = policy;
    }
    let text = yaml_serde::to_string(&value).map_err(|e| Error {
        source: Some(Box::new(e)),
        ..Error::new(ErrorClass::InternalServer, "the answer can't be told in YAML: ask for JSON")
    })?;
    parts.headers.insert(CONTENT_TYPE, YAML);
    parts.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(text)))
}

fn is_yaml(kind: Option<&HeaderValue>) -> bool {
    let kind = kind.and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ["application/yaml", "application/x-yaml", "text/yaml"].contains(&essence.as_str())
}

/// The first of the two that is named counts.
fn prefers_yaml(headers: &HeaderMap) -> bool {
    let named = headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    named
        .map(|one| one.split(';').next().unwrap_or_default().trim())
        .find(|one| {
            *one == "application/json" || *one == "*/*" || HeaderValue::from_str(one).is_ok_and(|v| is_yaml(Some(&v)))
        })
        .is_some_and(|one| one != "application/json" && one != "*/*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_named_counts() {
        for (accept, yaml) in [
            ("application/yaml", true),
            ("text/html, application/x-yaml;q=0.9, */*", true),
            ("application/json, application/yaml", false),
            ("*/*", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(prefers_yaml(&headers), yaml, "{accept}");
        }
    }
}
