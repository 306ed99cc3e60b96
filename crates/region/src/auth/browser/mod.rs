//! Log-in of browsers: the token of a session is in a cookie that no script can read, and that is taken nowhere without proof that our
//! own page sent the request.
//!
//! * [`cookie`]: the cookie, and the CSRF value that follows from its token;
//! * [`guard`]: what each request passes: the cookie becomes a token like any other, if the request comes from our own page;
//! * [`routes`]: `/auth/login`, `/auth/session`, `/auth/project`, `/auth/logout`.
//!
//! Three things stand between a foreign page and a session, and each is enough: the cookie is `SameSite=Strict`; a browser says where a
//! request comes from (`Sec-Fetch-Site`, `Origin`); and whatever changes something needs the CSRF value, which a foreign page can't read.

mod cookie;
pub mod guard;
mod routes;

pub use routes::register;
