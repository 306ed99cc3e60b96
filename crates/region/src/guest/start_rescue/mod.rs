//! `POST /servers/{id}/start-rescue`: boots a server, with its own disks, into the rescue system.
//!
//! Here: all that the database knows is checked before the 202, and a session opened. [`task`] goes the way in, and the way back.
//! [`image`] chooses what is booted, [`agents`] where it is fetched.

mod agents;
mod image;
mod task;

use std::time::Duration;

use api::ErrorClass;
use api::server::{Password, RescueAccess, SessionAccess, StartRescue};
use chrono::Utc;
use db::guest::Guest;
use db::session::RescueSession;
use serde_json::json;
use types::status::{OverlayEnd, RescueNetwork};
use types::{DiskMode, GuestStatus, PowerState, Secret, SessionId, SessionState, TaskId};

use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::OBJECT;
use crate::guest::placement::check_qemu;
use crate::guest::stop::DEFAULT_TIMEOUT_S;
use crate::secrets::Credentials;

pub use task::{Stage, StartRescueTask, await_call, keep_host_key, start_call};

/// Seconds until a session ends by itself.
const DEFAULT_TTL_S: u32 = 24 * 3600;

impl Perform<StartRescue> for Guest {
    const FROM: &'static [GuestStatus] = GuestStatus::MAY_START_RESCUE;

    async fn perform(self, action: StartRescue, cx: &mut Cx<'_>) -> Result<Done<StartRescue>> {
        enter(self, action, false, cx).await
    }
}

/// Begins. `to_repair`: an automatic repair comes after it, which its host must be able to do.
///
/// # Errors
/// As for start-rescue.
pub async fn enter(guest: Guest, action: StartRescue, to_repair: bool, cx: &mut Cx<'_>) -> Result<Done<StartRescue>> {
    let paused = guest.status == GuestStatus::Suspended || guest.power_state == PowerState::Paused;
    if paused && !action.force {
        return Err(Error::status(format!(
            "server '{}' is paused: resume it, or give force to lose what is in its memory",
            guest.name
        )));
    }
    let host = db::host::get(cx.conn, guest.host_id).await?;
    let host = host.ok_or_else(|| Error::status(format!("the host of server '{}' is gone", guest.name)))?;
    if let Some(wanted) = &action.qemu_version {
        check_qemu(wanted, &host)?;
    }
    if action.network == Some(RescueNetwork::None) && guest.parsed_desc()?.has_host_devices() {
        return Err(Error::input(
            "network: none can't be kept here, as devices of the host are passed through, which may lead anywhere: detach them \
             first, or leave network out",
        ));
    }
    check_quota(&guest, &host, cx).await?;
    let image = image::choose(&guest, &action, &host, cx).await?;

    let last = match GuestStatus::FOLLOWS_POWER.contains(&guest.status) {
        true => None,
        false => db::session::of_guest(cx.conn, &guest).await?,
    };
    // A paused server is treated as running: afterwards it boots.
    let now = if guest.status == GuestStatus::Suspended { GuestStatus::Running } else { guest.status };
    let prior_status = last.as_ref().map_or(now, |s| s.prior_status);
    let (password, hash) = password(action.password.clone())?;
    let session = SessionId::generate();
    let credentials = Credentials { ssh_keys: action.ssh_keys.clone(), password_hash: hash };
    let now = Utc::now();
    let ttl = Duration::from_secs(action.ttl.unwrap_or(DEFAULT_TTL_S).into());
    let task = StartRescueTask {
        guest: guest.id,
        host: guest.host_id,
        session,
        image: image.clone(),
        disk_mode: action.disk_mode.unwrap_or(DiskMode::Rw),
        network: action.network.unwrap_or(RescueNetwork::Full),
        stop_timeout_s: action.stop_timeout.unwrap_or(DEFAULT_TIMEOUT_S),
        from_status: guest.status,
        prior_status,
        leftover: last.as_ref().map(|s| s.id),
        paused,
        qemu_version: action.qemu_version.clone(),
        to_repair,
    };

    if let Some(open) = last.filter(|s| s.ended_at.is_none()) {
        let cause = "given up for another start-rescue";
        db::session::close(cx.conn, open.id, SessionState::Failed, Some(cause), &json!([])).await?;
    }
    let spawned = cx.start(&task, OBJECT, guest.id.uuid()).await?;
    db::session::insert(
        cx.conn,
        &RescueSession {
            id: session,
            guest_id: guest.id,
            state: SessionState::Starting,
            image: serde_json::to_value(api::rescue::SessionImage {
                name: image.name.clone(),
                version: image.version.clone(),
                kernel: image.kernel.clone(),
                initramfs: image.initramfs.clone(),
            })?,
            disk_mode: task.disk_mode,
            reason: action.reason.clone(),
            user_name: cx.caller.user.clone(),
            prior_status,
            stop_how: None,
            stop_seconds: None,
            ready: None,
            is_ready: false,
            boot: 0,
            credentials: Some(cx.app.secrets.seal(session, &credentials).map_err(Error::internal)?),
            password_shown: password.is_some(),
            source_sha256: None,
            start_task_id: Some(TaskId::from_uuid(spawned.id)),
            stop_task_id: None,
            started_at: now,
            ready_at: None,
            expires_at: now + ttl,
            ended_at: None,
            cause: None,
            evidence: json!([]),
            on_expiry: (task.disk_mode == DiskMode::Overlay).then_some(action.on_expiry.unwrap_or(OverlayEnd::Discard)),
            overlay_end: None,
            ssh_host_key: None,
            network: task.network,
        },
    )
    .await?;
    db::guest::enter_rescue(cx.conn, guest.id, session).await?;
    let lost = if paused { "; it was paused, what was in its memory is lost" } else { "" };
    cx.event(Note {
        obj_type: OBJECT,
        obj_id: guest.id.uuid(),
        obj_name: &guest.name,
        action: "start_rescue",
        success: true,
        notes: match &action.reason {
            Some(reason) => format!("requested with image {} {}{lost}: {reason}", image.name, image.version),
            None => format!("requested with image {} {}{lost}", image.name, image.version),
        },
        status: Some((guest.status, GuestStatus::StartRescue)),
        task: Some(spawned.id),
    })
    .await?;
    let access = SessionAccess { id: session, password, password_shown: false };
    Ok(Done { task: Some(spawned), extra: RescueAccess { rescue_session: Some(access) } })
}

/// Sessions cost memory on hosts and attention of people: a project, and a host, may have only so many at once.
async fn check_quota(guest: &Guest, host: &db::host::Host, cx: &mut Cx<'_>) -> Result<()> {
    let (per_project, per_host) = (cx.app.config.rescue.max_per_project, cx.app.config.rescue.max_per_host);
    if per_project == 0 && per_host == 0 {
        return Ok(());
    }
    let (of_project, of_host) = db::session::open_count(cx.conn, &guest.project, host.id).await?;
    let full = |what: String, limit: u32| {
        let details = format!(
            "{what} has {limit} servers in rescue, as many as it may: end one first, or ask for a higher limit"
        );
        Err(Error::new(ErrorClass::TooManyRequests, details).retry_after(Duration::from_secs(60)))
    };
    if per_project > 0 && of_project >= i64::from(per_project) {
        return full(format!("project '{}'", guest.project), per_project);
    }
    if per_host > 0 && of_host >= i64::from(per_host) {
        return full(format!("host '{}'", host.name), per_host);
    }
    Ok(())
}

/// The password to show, if one is made here, and the hash to use.
fn password(wanted: Option<Password>) -> Result<(Option<Secret>, Option<Secret>)> {
    match wanted.unwrap_or(Password::None) {
        Password::None => Ok((None, None)),
        Password::Hash(hash) => Ok((None, Some(hash))),
        Password::Generate => {
            let password = Secret::new(service::random::password().map_err(Error::internal)?);
            let rounds = sha_crypt::Sha512Params::new(sha_crypt::ROUNDS_DEFAULT)
                .map_err(|e| Error::internal(std::io::Error::other(format!("{e:?}"))))?;
            let hash = sha_crypt::sha512_simple(password.expose(), &rounds)
                .map_err(|e| Error::internal(std::io::Error::other(format!("{e:?}"))))?;
            Ok((Some(password), Some(Secret::new(hash))))
        }
    }
}
