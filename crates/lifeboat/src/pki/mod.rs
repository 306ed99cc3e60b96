//! An authority and a certificate for each part, so that mutual TLS is on from the first start: [`authority`] makes them, [`folder`] keeps
//! them on one machine, and [`crate::cluster`] in a cluster.

pub mod authority;
pub mod folder;

pub use folder::{Files, ensure, files, holders};

/// Today, as certificates count days.
pub fn today() -> chrono::NaiveDate {
    chrono::Utc::now().date_naive()
}
