//! `permission-list`: what one may do, and what it would take for the rest.

use clap::Subcommand;
use serde_json::Value;

use crate::batch::Cx;
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::text;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what you may do, in which scope; with --denied what you may not, and who may
    #[command(after_help = "Examples:\n  climc permission-list\n  climc permission-list --denied")]
    PermissionList {
        /// What you may not do, and the roles that may
        #[arg(long)]
        denied: bool,
    },
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    let Command::PermissionList { denied } = command;
    let told = cx.client.plain("permissions").await?;
    if cx.format != Format::Table {
        return Ok(output::data(cx.format, &told)?);
    }
    let text_of = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => "-".into(),
    };
    let all = |key: &str| told.get(key).and_then(Value::as_object).into_iter().flatten();
    if denied {
        let rows = all("denied").map(|(name, why)| vec![name.clone(), text::or_dash(why.get("allow").map(text_of))]);
        return Ok(output::rows(&["Permission", "Who may"], rows)?);
    }
    Ok(output::rows(
        &["Permission", "Scope"],
        all("permissions").map(|(name, scope)| vec![name.clone(), text_of(scope)]),
    )?)
}
