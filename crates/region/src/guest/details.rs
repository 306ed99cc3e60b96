//! `GET /servers/{id}/{detail}`.

use api::server::ServerDisk;
use db::guest::Guest;
use db::session::RescueSession;
use proto::host::v1 as pb;
use serde_json::{Value, json};

use crate::app::App;
use crate::dispatch::{List, Query};
use crate::error::{Error, Result};

pub async fn status(_: App, guest: Guest) -> Result<Value> {
    Ok(
        json!({ "id": guest.id, "status": guest.status, "power_state": guest.power_state, "status_reason": guest.status_reason }),
    )
}

pub async fn metadata(_: App, guest: Guest) -> Result<Value> {
    Ok(json!({ "metadata": guest.metadata }))
}

pub async fn disks(app: App, guest: Guest) -> Result<Value> {
    let mut conn = app.pool.get().await?;
    let host = db::host::get(&mut conn, guest.host_id).await?.map(|h| h.name).unwrap_or_default();
    let disks: Vec<ServerDisk> = guest.view(host, None)?.disks;
    Ok(json!({ "disks": disks }))
}

pub async fn tasks(app: App, guest: Guest) -> Result<Value> {
    let query = Query::parse("limit=100")?.with("obj_id", guest.id.to_string()).with("obj_type", super::OBJECT.into());
    let page = crate::dispatch::filter::page(
        &query,
        task_engine::TaskRow::COLUMNS,
        task_engine::TaskRow::SEARCH,
        task_engine::TaskRow::ORDER,
    )?;
    let mut conn = app.pool.get().await?;
    let (tasks, _) = task_engine::TaskRow::page(&page, &app, &mut conn).await?;
    Ok(json!({ "tasks": tasks }))
}

pub async fn rescue(app: App, guest: Guest) -> Result<Value> {
    let mut conn = app.pool.get().await?;
    let session: Option<RescueSession> = db::session::latest_of(&mut conn, guest.id).await?;
    let session = session.map(|s| s.view(guest.name)).transpose()?;
    Ok(json!({ "rescue_session": session }))
}

/// Asked of the host now: what counts is what is on its disk.
pub async fn desc(app: App, guest: Guest) -> Result<Value> {
    let host = {
        let mut conn = app.pool.get().await?;
        db::host::get(&mut conn, guest.host_id).await?
    };
    let host = host.ok_or_else(|| Error::status(format!("the host of server '{}' is gone", guest.name)))?;
    let mut client = app.hosts.client(&host).map_err(Error::internal)?;
    let mut request = tonic::Request::new(pb::GetDescRequest { guest_id: guest.id.to_string() });
    request.set_timeout(crate::host_client::REQUEST_TIMEOUT);
    let answer = client.get_desc(request).await.map_err(|status| match status.code() {
        tonic::Code::NotFound => Error::status(format!("host '{}' does not have server '{}'", host.name, guest.name)),
        _ => Error::new(
            api::ErrorClass::ServiceUnavailable,
            format!("host '{}' does not answer: {}", host.name, status.message()),
        ),
    })?;
    let answer = answer.into_inner();
    let desc: Value = serde_json::from_str(&answer.desc_json)?;
    Ok(json!({ "desc": desc, "desc_sha256": answer.sha256 }))
}
