//! `profile-list`: the profiles of the configuration file, without their secrets.

use clap::Subcommand;
use serde_json::json;

use crate::connect::Connection;
use crate::connect::profile::Profiles;
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::text;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the profiles of the configuration file
    #[command(after_help = "Examples:\n  climc profile-list\n  climc --profile production server-list")]
    ProfileList,
}

pub fn run(connection: &Connection, format: Format) -> Result<(), Exit> {
    let profiles = Profiles::read(connection.config.as_deref())?;
    let default = |name: &str| profiles.default.as_deref() == Some(name);
    if format != Format::Table {
        let rows: Vec<_> = profiles
            .profile
            .iter()
            .map(|(name, p)| {
                json!({
                    "name": name, "default": default(name), "auth_url": p.auth_url, "username": p.username, "domain_name": p.domain_name,
                    "project_name": p.project_name, "region_name": p.region_name, "region_url": p.region_url, "cacert": p.cacert,
                })
            })
            .collect();
        return Ok(output::data(format, &rows)?);
    }
    let rows = profiles.profile.iter().map(|(name, p)| {
        vec![
            name.clone(),
            text::yes_no(default(name)),
            text::or_dash(p.auth_url.as_ref()),
            text::or_dash(p.username.as_ref()),
            text::or_dash(p.project_name.as_ref()),
        ]
    });
    Ok(output::rows(&["Name", "Default", "URL", "User", "Project"], rows)?)
}
