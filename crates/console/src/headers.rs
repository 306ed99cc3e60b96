//! What a browser may do with the console's files, said with each of them.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

/// Scripts, fonts and connections of this origin alone; no script within a page, no frame around it. Styles within elements are how
/// Element Plus places its pop-ups. `'self'` covers `ws` and `wss` of the same host (CSP level 3).
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'self'";

const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), \
    midi=(), payment=(), screen-wake-lock=(), serial=(), usb=(), clipboard-read=(self), clipboard-write=(self), fullscreen=(self)";

pub async fn protect(mut response: Response) -> Response {
    let mut say = |name: HeaderName, value: &'static str| {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    };
    say(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    say(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // For browsers that do not know frame-ancestors.
    say(header::X_FRAME_OPTIONS, "DENY");
    // Names of servers stand in paths; other sites need not learn them.
    say(header::REFERRER_POLICY, "same-origin");
    say(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    say(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    say(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    response
}
