//! One file as an answer. Files with a digest in their name never change and may be kept for ever; a page is asked for each time, and
//! mostly answered with 304. A path that names no file is a page of the console itself, which finds its way in the browser.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::files::{File, Files, INDEX, kind};

const UNBUILT: &str = include_str!("unbuilt.html");

/// What vite puts there is named by its digest.
const HASHED: &str = "assets/";

const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK: &str = "no-cache";

pub async fn page(files: &Files, asked: &HeaderMap) -> Response {
    match files.get(INDEX).await {
        Some(file) => send(file, asked, ASK).await,
        None => {
            let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "text/html; charset=utf-8")];
            (headers, UNBUILT).into_response()
        }
    }
}

pub async fn file(files: &Files, path: &str, asked: &HeaderMap) -> Response {
    let is_hashed = path.starts_with(HASHED);
    match files.get(path).await {
        Some(file) if path != INDEX => send(file, asked, if is_hashed { FOR_EVER } else { ASK }).await,
        // A script that an old page asks for is gone: a page in its place would be run as one.
        None if is_hashed || kind(path).is_some() => {
            ([(header::CACHE_CONTROL, "no-store")], StatusCode::NOT_FOUND).into_response()
        }
        _ => page(files, asked).await,
    }
}

async fn send(file: std::sync::Arc<File>, asked: &HeaderMap, cache: &'static str) -> Response {
    let tag = format!("W/\"{}\"", file.tag);
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if is_known(asked, &file.tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    let (coding, bytes) = form(file, asked).await;
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    (headers, Body::from(bytes)).into_response()
}

/// The smallest form that is understood.
async fn form(file: std::sync::Arc<File>, asked: &HeaderMap) -> (Option<&'static str>, Bytes) {
    if let Some(br) = file.br.clone().filter(|_| accepts(asked, "br")) {
        return (Some("br"), br);
    }
    if accepts(asked, "gzip") {
        let of = file.clone();
        let gz = tokio::task::spawn_blocking(move || of.gz().cloned()).await;
        if let Ok(Some(gz)) = gz {
            return (Some("gzip"), gz);
        }
    }
    (None, file.plain.clone())
}

/// RFC 9110, section 12.5.3: named, and not with a weight of nothing.
fn accepts(asked: &HeaderMap, coding: &str) -> bool {
    let values = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_it = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        is_it && weight > 0.0
    })
}

/// RFC 9110, section 13.1.2: weak comparison, of any in the list.
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let values = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|known| {
        known == "*"
            || known.strip_prefix("W/").unwrap_or(known).strip_prefix('"').and_then(|k| k.strip_suffix('"'))
                == Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_of_nothing_refuses() {
        for (value, wanted) in [
            ("gzip, deflate, br", true),
            ("GZIP;q=0.5", true),
            ("br, gzip; q=0", false),
            ("gzip;q=0.000", false),
            ("identity", false),
            ("", false),
        ] {
            let asked = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(accepts(&asked, "gzip"), wanted, "{value}");
        }
    }

    #[test]
    fn tags_are_compared_weakly() {
        for (value, wanted) in
            [("\"a\"", true), ("W/\"a\"", true), ("\"b\", W/\"a\"", true), ("*", true), ("a", false), ("\"aa\"", false)]
        {
            let asked = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))]);
            assert_eq!(is_known(&asked, "a"), wanted, "{value}");
        }
    }
}
