//! Policies: `policy-*`. In and out they are YAML files; what is shown as YAML can be given back.

use std::io::Read;
use std::path::{Path, PathBuf};

use api::ListQuery;
use api::account::{Policies, Policy, PolicyCreate, PolicyUpdate};
use api::policy_file::PolicyFile;
use clap::Subcommand;

use super::{change, list};
use crate::batch::{self, Cx, Many, Wait};
use crate::exit::Exit;
use crate::output::{self, Shown};
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List policies
    #[command(after_help = "Example:\n  climc policy-list")]
    PolicyList(Box<ListQuery>),
    /// Show a policy; as YAML it can be given back to policy-create and policy-update
    #[command(after_help = "Example:\n  climc policy-show project_editor --output-format yaml > mine.yaml")]
    PolicyShow {
        /// Id or name
        id: String,
    },
    /// Create a policy from a YAML file
    #[command(after_help = FILE)]
    PolicyCreate {
        /// Its name
        name: String,
        /// YAML or JSON; - is stdin
        file: PathBuf,
    },
    /// Replace what a policy says by a YAML file
    #[command(after_help = "Example:\n  climc policy-update rescuers rescuers.yaml --if-version 3")]
    PolicyUpdate {
        /// Id or name
        id: String,
        /// YAML or JSON; - is stdin
        file: PathBuf,
        /// Only if its update_version is still this one
        #[arg(long, value_name = "VERSION")]
        if_version: Option<i64>,
    },
    /// Let policies count
    #[command(after_help = "Example:\n  climc policy-enable rescuers")]
    PolicyEnable(Many),
    /// Let policies count for nothing
    #[command(after_help = "Example:\n  climc policy-disable rescuers")]
    PolicyDisable(Many),
    /// Delete policies
    #[command(after_help = "Example:\n  climc policy-delete rescuers")]
    PolicyDelete(Many),
}

const FILE: &str = "Example:\n  climc policy-create rescuers rescuers.yaml\n
rescuers.yaml:\n  scope: project              # system, domain or project\n  roles: [rescuer]\n  rules:                      \
# service, resource, action, extra; the most specific match wins\n    compute:\n      servers:\n        get: allow\n        \
list: allow\n        perform:\n          '*': deny\n          start-rescue: allow\n          stop-rescue: allow";

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::PolicyList(query) => list::<Policies>(cx, &query).await,
        Command::PolicyShow { id } => {
            let policy = cx.client.get::<Policies>(&id).await?;
            Ok(output::one::<Policies>(cx.format, &policy)?)
        }
        Command::PolicyCreate { name, file } => {
            let read = read(&file)?;
            let body = PolicyCreate {
                name,
                scope: read.scope,
                roles: read.roles,
                rules: serde_json::to_value(read.rules).map_err(std::io::Error::from)?,
                description: read.description.unwrap_or_default(),
                enabled: read.enabled,
            };
            change::create::<Policies>(cx, &body.name, &body).await
        }
        Command::PolicyUpdate { id, file, if_version } => {
            let read = read(&file)?;
            let body = PolicyUpdate {
                scope: Some(read.scope),
                roles: Some(read.roles),
                rules: Some(serde_json::to_value(read.rules).map_err(std::io::Error::from)?),
                enabled: read.enabled,
                description: read.description,
            };
            change::put::<Policies>(cx, &id, &body, if_version).await
        }
        Command::PolicyEnable(many) => switch(cx, "enable", &many, true).await,
        Command::PolicyDisable(many) => switch(cx, "disable", &many, false).await,
        Command::PolicyDelete(many) => change::delete::<Policies>(cx, &many).await,
    }
}

async fn switch(cx: &Cx, verb: &str, many: &Many, enabled: bool) -> Result<(), Exit> {
    let body = PolicyUpdate { enabled: Some(enabled), ..PolicyUpdate::default() };
    batch::run::<Policies>(cx, verb, &many.ids, many.parallel, &Wait::default(), async |id| {
        Ok(cx.client.update::<Policies>(id, &body, None).await?.into())
    })
    .await
}

/// A policy from a file; a mistake is told with its line. JSON is YAML.
fn read(file: &Path) -> Result<PolicyFile, Exit> {
    let wrong = |problem: String| Exit::usage(format!("{}: {problem}", file.display()));
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(file).map(|read| text = read)
    };
    read.map_err(|e| wrong(e.to_string()))?;
    yaml_serde::from_str(&text).map_err(|e| wrong(e.to_string()))
}

impl Shown for Policies {
    const COLUMNS: &'static [&'static str] = &["ID", "Name", "Scope", "Roles", "Enabled", "Built in", "Description"];

    fn row(view: &Policy) -> Vec<String> {
        vec![
            view.id.to_string(),
            view.name.clone(),
            view.scope.to_string(),
            view.roles.join(", "),
            text::yes_no(view.enabled),
            text::yes_no(view.built_in),
            view.description.clone(),
        ]
    }

    fn details(view: &Policy) -> Vec<(&'static str, String)> {
        vec![
            ("id", view.id.to_string()),
            ("name", view.name.clone()),
            ("description", view.description.clone()),
            ("scope", view.scope.to_string()),
            ("roles", view.roles.join(", ")),
            ("rules", yaml_serde::to_string(&view.rules).unwrap_or_default().trim_end().to_owned()),
            ("enabled", text::yes_no(view.enabled)),
            ("built_in", text::yes_no(view.built_in)),
            ("created_at", text::time(view.created_at)),
            ("update_version", view.update_version.to_string()),
        ]
    }

    fn id(view: &Policy) -> String {
        view.id.to_string()
    }
    fn name(view: &Policy) -> String {
        view.name.clone()
    }
    fn status(view: &Policy) -> String {
        if view.enabled { "enabled" } else { "disabled" }.into()
    }
}
