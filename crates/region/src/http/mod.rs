//! HTTP around the dispatcher: [`layers`] every request passes, [`error`] as bodies, the [`openapi`] document, the [`span`] of each, and [`via`] which way each came in, the [`listener`], and [`router`], which puts
//! it all together.

pub mod error;
pub mod layers;
pub mod listener;
pub mod openapi;
pub mod rate;
pub mod router;
pub mod span;
pub mod via;
mod yaml;
