//! The cookie of a session (RFC 6265), and the CSRF value that follows from the token in it.

use api::session::{CSRF_HEADER, SESSION_COOKIE};
use axum::http::{HeaderMap, HeaderValue, header};
use ring::hmac;
use types::Secret;
use types::rescue::{hex, unhex};

use crate::error::{Error, Result};

/// What the HMAC is taken of: the token is its key, so nobody without the token can make it, and nobody with it learns the token.
const PURPOSE: &[u8] = b"lifeboat csrf 1";

/// The token in a request's cookie. The first counts, as it is the one of the longest path.
#[must_use]
pub fn token(headers: &HeaderMap) -> Option<Secret> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, token) = pairs.find(|(name, _)| *name == SESSION_COOKIE)?;
    (!token.is_empty()).then(|| Secret::new(token))
}

/// The value that must come with each request that changes something.
#[must_use]
pub fn csrf(token: &Secret) -> Secret {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.expose().as_bytes());
    Secret::new(hex(hmac::sign(&key, PURPOSE).as_ref()))
}

/// Whether the request carries it. Compared in constant time.
#[must_use]
pub fn has_csrf(headers: &HeaderMap, token: &Secret) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.expose().as_bytes());
    let given = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).and_then(unhex);
    given.is_some_and(|given| hmac::verify(&key, PURPOSE, &given).is_ok())
}

/// Sets the cookie, until the browser ends or the token does.
///
/// # Errors
/// The token is none of ours.
pub fn set(token: &Secret, secure: bool) -> Result<HeaderValue> {
    header(&format!("{SESSION_COOKIE}={}; Path=/; HttpOnly; SameSite=Strict{}", token.expose(), ending(secure)))
}

/// Takes it away.
///
/// # Errors
/// None.
pub fn clear(secure: bool) -> Result<HeaderValue> {
    header(&format!("{SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{}", ending(secure)))
}

fn ending(secure: bool) -> &'static str {
    if secure { "; Secure" } else { "" }
}

fn header(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(Error::internal)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        for (value, found) in [
            ("lifeboat_session=abc", Some("abc")),
            ("a=1; lifeboat_session=abc; b=2", Some("abc")),
            ("a=1;lifeboat_session=abc", Some("abc")),
            ("xlifeboat_session=abc", None),
            ("lifeboat_session=", None),
            ("lifeboat_session", None),
        ] {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(value))]);
            assert_eq!(token(&headers).as_ref().map(Secret::expose), found, "{value}");
        }
        assert_eq!(token(&HeaderMap::new()), None);
    }

    #[test]
    fn the_csrf_value_follows_from_the_token_and_is_another() {
        let (mine, other) = (Secret::new("a".repeat(64)), Secret::new("b".repeat(64)));
        let value = csrf(&mine);
        assert_eq!(value, csrf(&mine));
        assert!(value != csrf(&other) && value != mine && value.expose().len() == 64);
        let with =
            |text: &str| HeaderMap::from_iter([(CSRF_HEADER.parse().unwrap(), HeaderValue::from_str(text).unwrap())]);
        assert!(has_csrf(&with(value.expose()), &mine));
        for wrong in [mine.expose(), csrf(&other).expose(), "", "zz", &value.expose()[..62]] {
            assert!(!has_csrf(&with(wrong), &mine), "{wrong}");
        }
        assert!(!has_csrf(&HeaderMap::new(), &mine));
    }

    #[test]
    fn no_script_and_no_other_site_gets_the_cookie() {
        let cookie = set(&Secret::new("abc"), true).unwrap();
        assert_eq!(cookie, "lifeboat_session=abc; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert!(cookie.is_sensitive());
        assert!(!set(&Secret::new("abc"), false).unwrap().to_str().unwrap().contains("Secure"));
        assert!(clear(true).unwrap().to_str().unwrap().contains("Max-Age=0"));
    }
}
