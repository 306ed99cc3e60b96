//! `lifeboat secrets`: the Secrets that the parts want in a Kubernetes cluster, made by a Job and looked after by a CronJob.
//!
//! [`wanted`] says what each Secret is to hold, given what it holds; [`authority`] which authority signs and which are trusted; [`api`]
//! speaks with the cluster. What is good is kept; passwords and keys that are there are never replaced. Nothing of a Secret is printed.

mod api;
mod authority;
mod wanted;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use chrono::NaiveDate;
use clap::Args;

use api::{Api, Saved};
use wanted::{Data, Place};

#[derive(Args, Clone)]
pub struct Options {
    /// Into the cluster that this process runs in, as its service account
    #[arg(long, required = true)]
    kubernetes: bool,
    /// A certificate for each node with these labels ('' = every node), as a host
    #[arg(long, value_name = "SELECTOR")]
    hosts: Option<String>,
    /// A certificate for a host outside the cluster; may be repeated
    #[arg(long = "host", value_name = "NAME")]
    host: Vec<String>,
    /// A baremetal agent's name; may be repeated
    #[arg(long = "agent", value_name = "NAME", required = true)]
    agents: Vec<String>,
    /// Also a password and a URL for the Postgres server of this name, in the Secret `database`
    #[arg(long, value_name = "HOST")]
    database: Option<String>,
    /// Where the service account is mounted
    #[arg(long, value_name = "DIR", default_value = "/var/run/secrets/kubernetes.io/serviceaccount")]
    service_account: PathBuf,
}

/// How often a Secret is read again that somebody else changed meanwhile.
const TRIES: usize = 5;

/// Makes what is missing, and prints what became of each Secret.
///
/// # Errors
/// The cluster's API can't be reached or refuses, or a name can't be a certificate's.
pub async fn run(options: &Options, today: NaiveDate) -> Result<()> {
    let api = Api::of_this_pod(&options.service_account)?;
    let mut hosts = options.host.clone();
    if let Some(selector) = &options.hosts {
        hosts.extend(api.nodes(selector).await.context("can't list the nodes")?);
    }
    hosts.sort();
    hosts.dedup();
    for name in hosts.iter().chain(&options.agents) {
        wanted::check_name(name)?;
    }

    // The authority goes first: a certificate of one that was not saved would be of no use.
    let name = format!("Lifeboat authority of {}", api.namespace());
    let authorities = settle(&api, "lifeboat-ca", |data| authority::renew(data, &name, today)).await?;
    let authorities = authority::read(&authorities)?;
    let place = Place { authorities: &authorities, today };
    settle(&api, "region-tls", |data| place.single(data, service::tls::REGION)).await?;
    settle(&api, "operator-tls", |data| place.single(data, service::tls::OPERATOR)).await?;
    settle(&api, "host-tls", |data| place.many(data, &hosts, service::tls::host_name)).await?;
    settle(&api, "baremetal-agent-tls", |data| place.many(data, &options.agents, service::tls::agent_name)).await?;
    settle(&api, "region-secrets", wanted::region).await?;
    if let Some(host) = &options.database {
        settle(&api, "database", |data| wanted::database(data, host)).await?;
    }
    Ok(())
}

/// Reads a Secret, and saves what it should hold instead, if that is something else. Somebody else may do the same at the same time.
async fn settle(api: &Api, name: &str, wanted: impl Fn(&Data) -> Result<Data>) -> Result<Data> {
    for _ in 0..TRIES {
        let found = api.secret(name).await.with_context(|| format!("can't read Secret {name}"))?;
        let before = found.as_ref().map(|secret| secret.data.clone()).unwrap_or_default();
        let after = wanted(&before).with_context(|| format!("Secret {name}"))?;
        wanted::check_size(&after).with_context(|| format!("Secret {name}"))?;
        let word = match &found {
            None => "made",
            Some(_) if before == after => {
                println!("Secret {name}: kept");
                return Ok(after);
            }
            Some(_) => "renewed",
        };
        match api.save(name, found, &after).await.with_context(|| format!("can't save Secret {name}"))? {
            Saved::Done => {
                println!("Secret {name}: {word}");
                return Ok(after);
            }
            Saved::ChangedMeanwhile => {}
        }
    }
    bail!("Secret {name} was changed by somebody else {TRIES} times in a row; find out who, and run this again")
}
