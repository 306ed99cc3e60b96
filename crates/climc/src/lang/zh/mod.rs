//! The Chinese of every text, by its English: [`commands`] what each command does, [`options`] what it takes, [`prose`] longer help,
//! [`messages`] what is said while it works and when it fails.

mod commands;
mod messages;
mod options;
mod prose;

/// All tables.
pub const TABLES: &[&[(&str, &str)]] = &[commands::TABLE, options::TABLE, prose::TABLE, messages::TABLE];
