//! Errors as answers. One place makes the body: [`finish`] also turns the framework's own refusals (unknown path, wrong method, body too
//! large, time-out) into it.

use std::sync::Arc;

use api::{ErrorBody, ErrorClass};
use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::Utc;

use crate::error::Error;
use crate::http::layers::RequestId;

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response =
            StatusCode::from_u16(self.class.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Gives every refusal its body, and logs what is the service's own fault.
pub async fn finish(request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestId>().map(|r| r.0.clone()).unwrap_or_default();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let error = response.extensions().get::<Arc<Error>>().cloned();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/json"));
    if error.is_none() && is_json {
        return response;
    }
    let (class, details) = match &error {
        Some(error) => (error.class, error.details.clone()),
        None => of_framework(status, &method, &path),
    };
    if let Some(error) = &error
        && let Some(source) = &error.source
    {
        tracing::error!(request_id, %method, path, error = %chain(source.as_ref()), "{}", error.class);
    }
    let body = ErrorBody { code: class.status(), class, details, time: Utc::now(), request_id };
    let status = StatusCode::from_u16(class.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = (status, Json(body)).into_response();
    // `Allow` of a 405 and the like stay.
    for (name, value) in response.headers() {
        if name != CONTENT_TYPE && name.as_str() != "content-length" {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    let wait = error.as_ref().and_then(|e| e.retry_after).map(|after| after.as_secs() + 1);
    if wait.is_some() || matches!(class, ErrorClass::ServiceUnavailable | ErrorClass::TooManyRequests) {
        answer.headers_mut().insert(RETRY_AFTER, wait.unwrap_or(2).into());
    }
    answer
}

fn of_framework(status: StatusCode, method: &axum::http::Method, path: &str) -> (ErrorClass, String) {
    let path: String = path.chars().take(200).collect();
    match status {
        StatusCode::NOT_FOUND => {
            (ErrorClass::ResourceNotFound, format!("nothing is at {path}; /openapi.json lists what there is"))
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            (ErrorClass::MethodNotAllowed, format!("{method} is not allowed at {path}; the Allow header says what is"))
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            (ErrorClass::UnsupportedMediaType, "send Content-Type: application/json".into())
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            (ErrorClass::ServiceUnavailable, "the request took too long; try again".into())
        }
        status if status.is_client_error() => (ErrorClass::InputParameter, "the request can't be read".into()),
        _ => {
            (ErrorClass::InternalServer, "an internal error; quote the request id to whoever runs this service".into())
        }
    }
}

fn chain(error: &(dyn std::error::Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        text.push_str(": ");
        text.push_str(&next.to_string());
        source = next.source();
    }
    text
}
