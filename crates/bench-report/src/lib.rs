//! What the programs that measure share: percentiles and medians ([`numbers`]), and a report with its aims ([`report`]), which is a table
//! for people and a JSON file.

pub mod numbers;
pub mod report;

pub use report::{Aim, Report};
