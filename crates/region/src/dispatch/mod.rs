//! The Model Dispatcher: one pipeline for every verb of every resource. The body's type *is* the verb.
//!
//! * [`model`]: what a resource and a verb are on this side;
//! * [`perform`]: the pipeline of a verb: find, authorise, check status, decode, act, log, in one transaction;
//! * [`crud`]: create, list, get, delete, by the same idea;
//! * [`registry`]: puts routes, the verb table and the OpenAPI document together from one list;
//! * [`decode`]: bodies; [`query`], [`filter`] and [`scope`]: parameters of lists; [`totals`]: what they count.
//! * [`object`]: what a row of a log is about, by id or name.

pub mod crud;
pub mod decode;
pub mod filter;
pub mod model;
pub mod object;
pub mod perform;
pub mod query;
pub mod registry;
pub mod scope;
pub mod totals;

pub use model::{Create, Created, Done, List, Model, Perform, PerformClass, Update};
pub use perform::Cx;
pub use query::Query;
pub use registry::{Registry, VerbRow};
