//! The cookie of a session (RFC 6265), and the CSRF value that follows from the token in it.
//!
//! Where TLS is, the name begins with `__Host-`: neither a page of a neighbouring host nor one without TLS can put another in its place. Of
//! several that differ none counts, as somebody else may have set them.

use api::session::{CSRF_HEADER, SECURE_SESSION_COOKIE, SESSION_COOKIE};
use axum::http::{HeaderMap, HeaderValue, header};
use ring::hmac;
use types::Secret;
use types::rescue::{hex, unhex};

use crate::error::{Error, Result};

/// What the HMAC is taken of: the token is its key, so nobody without the token can make it, and nobody with it learns the token.
const PURPOSE: &[u8] = b"lifeboat csrf 1";

/// A session's token, as a request's cookie has it.
#[derive(Debug, Clone)]
pub struct Held {
    pub token: Secret,
    /// It came by TLS, and goes back that way alone.
    pub secure: bool,
}

/// The token in a request's cookie; `secure`: the request is known to have come by TLS.
#[must_use]
pub fn held(headers: &HeaderMap, secure: bool) -> Option<Held> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs: Vec<(&str, &str)> =
        values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('=')).collect();
    let named = |wanted: &str| {
        let mut tokens = pairs.iter().filter(|(name, token)| *name == wanted && !token.is_empty()).map(|pair| pair.1);
        let first = tokens.next()?;
        Some(tokens.all(|other| other == first).then(|| Secret::new(first)))
    };
    let (token, secure) = match named(SECURE_SESSION_COOKIE) {
        Some(token) => (token, true),
        None if secure => return None,
        None => (named(SESSION_COOKIE)?, false),
    };
    Some(Held { token: token?, secure })
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
    header(&format!("{}={}; Path=/; HttpOnly; SameSite=Strict{}", name(secure), token.expose(), ending(secure)))
}

/// Takes it away.
///
/// # Errors
/// None.
pub fn clear(secure: bool) -> Result<HeaderValue> {
    header(&format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{}", name(secure), ending(secure)))
}

fn name(secure: bool) -> &'static str {
    if secure { SECURE_SESSION_COOKIE } else { SESSION_COOKIE }
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
    fn the_cookie_is_found_among_others_and_nobody_puts_one_in_its_place() {
        for (secure, value, found) in [
            (false, "lifeboat_session=abc", Some("abc")),
            (false, "a=1; lifeboat_session=abc; b=2", Some("abc")),
            (false, "a=1;lifeboat_session=abc", Some("abc")),
            (false, "xlifeboat_session=abc", None),
            (false, "lifeboat_session=", None),
            (false, "lifeboat_session", None),
            (true, "__Host-lifeboat_session=abc", Some("abc")),
            // Somebody set a second one.
            (false, "lifeboat_session=evil; lifeboat_session=abc", None),
            (false, "lifeboat_session=abc; lifeboat_session=abc", Some("abc")),
            (false, "lifeboat_session=; lifeboat_session=abc", Some("abc")),
            (true, "__Host-lifeboat_session=a; __Host-lifeboat_session=b", None),
            // A neighbouring host, or a page without TLS, can set the plain one.
            (true, "lifeboat_session=evil; __Host-lifeboat_session=abc", Some("abc")),
            (true, "lifeboat_session=evil", None),
            // By a proxy that tells nothing of TLS.
            (false, "lifeboat_session=evil; __Host-lifeboat_session=abc", Some("abc")),
        ] {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(value))]);
            let held = held(&headers, secure);
            assert_eq!(held.as_ref().map(|held| held.token.expose()), found, "{value}");
            assert_eq!(held.is_some_and(|held| held.secure), found.is_some() && value.contains("__Host-"), "{value}");
        }
        assert!(held(&HeaderMap::new(), false).is_none());
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
        assert_eq!(cookie, "__Host-lifeboat_session=abc; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert!(cookie.is_sensitive());
        assert_eq!(set(&Secret::new("abc"), false).unwrap(), "lifeboat_session=abc; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(
            clear(true).unwrap(),
            "__Host-lifeboat_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure"
        );
    }
}
