//! `GET /hosts/{id}/unknown-guests`: what is on a host's disk or runs there, and region has no row for. Somebody has to decide; region does
//! not.

use std::collections::HashMap;
use std::time::Duration;

use api::ErrorClass;
use api::host::UnknownGuest;
use db::host::{Host, Owner};
use proto::host::v1 as pb;
use serde_json::{Value, json};
use types::operation::GuestReport;
use types::{GuestId, HostId};

use crate::app::App;
use crate::error::{Error, Result};

const PATIENCE: Duration = Duration::from_secs(10);

pub async fn unknown_guests(app: App, host: Host) -> Result<Value> {
    let silent = |why: &str| {
        Error::new(ErrorClass::ServiceUnavailable, format!("host '{}' does not answer: {why}; try again", host.name))
    };
    let mut client = app.hosts.client(&host).map_err(Error::internal)?;
    let answer = tokio::time::timeout(PATIENCE, client.list_guests(pb::ListGuestsRequest {})).await;
    let answer = answer.map_err(|_| silent("no answer in time"))?.map_err(|status| silent(status.message()))?;
    let reports: Vec<GuestReport> = answer
        .into_inner()
        .guests
        .into_iter()
        .map(|guest| GuestReport::try_from(guest).map_err(|malformed| silent(&malformed.to_string())))
        .collect::<Result<_>>()?;
    let mut conn = app.pool.get().await?;
    let owners = db::host::owners(&mut conn, reports.iter().map(|report| report.guest).collect()).await?;
    let owners: HashMap<GuestId, Owner> = owners.into_iter().map(|owner| (owner.guest, owner)).collect();
    let mut unknown = Vec::new();
    for report in reports {
        let owner = owners.get(&report.guest);
        let Some(reason) = reason(owner, host.id) else { continue };
        unknown.push(UnknownGuest {
            id: report.guest,
            power_state: report.power,
            rescue_session_id: report.rescue_session,
            name: owner.map(|owner| owner.name.clone()),
            reason,
        });
    }
    Ok(json!({ "id": host.id, "name": host.name, "unknown_guests": unknown }))
}

/// Why a guest should not be on this host; `None`: it should.
fn reason(owner: Option<&Owner>, host: HostId) -> Option<String> {
    match owner {
        None => Some("no server has this id".into()),
        Some(Owner { deleted_at: Some(at), .. }) => Some(format!("the server was deleted at {}", at.to_rfc3339())),
        Some(owner) if owner.host != host => Some(format!("the server belongs to host {}", owner.host)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_should_not_be_there_is_named() {
        let (here, there) = (HostId::generate(), HostId::generate());
        let owner = |host, deleted_at| Owner { guest: GuestId::generate(), name: "a".into(), host, deleted_at };
        assert_eq!(reason(Some(&owner(here, None)), here), None);
        for (owner, part) in [
            (None, "no server"),
            (Some(owner(here, Some(chrono::Utc::now()))), "deleted at"),
            (Some(owner(there, None)), "belongs to host"),
        ] {
            assert!(reason(owner.as_ref(), here).unwrap().contains(part));
        }
    }
}
