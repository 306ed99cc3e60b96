//! Servers. One verb is one file: its checks, its task, its tests.
//!
//! [`batch`]: a verb on many servers. [`rescue_auto`]: a repair that goes all the way by itself. [`revive`]: what becomes of servers whose host has rebooted.
//!
//! [`work`] holds what the tasks share: the move of a status with its event, in the transaction of the step's save. [`one_call`] is the task
//! of every verb that is one request to the host; [`change`] those of them that change what a server is made of. [`look`] asks the host how
//! a server is.

mod attach_disk;
mod attach_network;
pub mod batch;
pub mod change;
mod change_config;
mod create;
pub mod create_snapshot;
mod delete;
mod detach_disk;
mod detach_network;
mod details;
mod eject_iso;
mod insert_iso;
mod list;
pub mod look;
mod metadata;
pub mod one_call;
mod placement;
pub mod rescue_auto;
pub mod rescue_diagnose;
pub mod rescue_notice;
pub mod rescue_repair;
mod rescue_verb;
pub mod reset;
pub mod resize_disk;
pub mod restart;
pub mod resume;
pub mod revert_snapshot;
pub mod revive;
pub mod start;
pub mod start_rescue;
pub mod stop;
pub mod stop_rescue;
pub mod suspend;
pub mod syncstatus;
mod update;
pub mod work;

use api::ErrorClass;
use api::server::{
    AddMetadata, AttachDisk, AttachNetwork, BatchRescueRepair, BatchStartRescue, ChangeConfig, ConsoleTicket, Delete,
    DetachDisk, DetachNetwork, EjectIso, InsertIso, RescueDiagnose, RescueRepair, Reset, ResizeDisk, Restart, Resume,
    Servers, SetMetadata, Start, StartRescue, Stop, StopRescue, Suspend, SyncStatus,
};
use api::snapshot::{CreateSnapshot, RevertSnapshot};
use db::Conn;
use db::guest::Guest;
use types::GuestStatus;

use crate::app::App;
use crate::dispatch::{Model, Query, Registry};
use crate::error::{Error, Result};
use crate::policy::Access;

pub use create::ServerCreateTask;
pub use delete::ServerDeleteTask;
pub use list::live_tasks;

/// The kind that tasks and events know guests under.
pub const OBJECT: &str = "server";

pub fn register(registry: &mut Registry) {
    registry
        .resource::<Guest>()
        .create()
        .update()
        .verb::<Start>()
        .verb::<Stop>()
        .verb::<StartRescue>()
        .verb::<StopRescue>()
        .verb::<RescueDiagnose>()
        .verb::<RescueRepair>()
        .verb::<Restart>()
        .verb::<Reset>()
        .verb::<Suspend>()
        .verb::<Resume>()
        .verb::<SyncStatus>()
        .verb::<ChangeConfig>()
        .verb::<AttachDisk>()
        .verb::<DetachDisk>()
        .verb::<ResizeDisk>()
        .verb::<AttachNetwork>()
        .verb::<DetachNetwork>()
        .verb::<InsertIso>()
        .verb::<EjectIso>()
        .verb::<CreateSnapshot>()
        .verb::<RevertSnapshot>()
        .verb::<AddMetadata>()
        .verb::<SetMetadata>()
        .verb::<ConsoleTicket>()
        .class_verb::<BatchStartRescue>()
        .class_verb::<BatchRescueRepair>()
        .delete::<Delete>()
        .socket("console", "The serial console: binary frames are its bytes, both ways")
        .socket("vnc", "The screen: binary frames are bytes of the VNC protocol (RFC 6143), both ways")
        .detail("status", "Status and power state", details::status)
        .detail("tasks", "Its tasks, newest first", details::tasks)
        .detail("disks", "Its disks", details::disks)
        .detail("metadata", "Its metadata", details::metadata)
        .detail("desc", "Its description, as its host has it now", details::desc)
        .detail("rescue", "Its last rescue session", details::rescue);
    registry.merge(crate::console::routes());
}

impl Model for Guest {
    type Api = Servers;

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        Self::find_within(conn, ident, &Access::Everything).await
    }

    async fn find_within(conn: &mut Conn, ident: &str, access: &Access) -> Result<Self> {
        let mut found = db::guest::find(conn, ident, access.projects()).await?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(Error::not_found("server", ident)),
            (Some(guest), true) => Ok(guest),
            _ => Err(Error::new(
                ErrorClass::DuplicateResource,
                format!("several servers have the name '{ident}': give the id"),
            )),
        }
    }

    async fn lock(self, conn: &mut Conn) -> Result<Self> {
        db::guest::lock(conn, self.id).await?.ok_or_else(|| Error::not_found("server", &self.name))
    }

    async fn view(self, _app: &App, conn: &mut Conn) -> Result<api::server::Server> {
        let host = db::host::get(conn, self.host_id).await?.map(|h| h.name).unwrap_or_default();
        let object = task_engine::Object { kind: OBJECT.into(), id: self.id.uuid() };
        let task = task_engine::holder(conn, &object).await?.map(|busy| api::task::TaskBrief {
            id: types::TaskId::from_uuid(busy.task),
            task_name: busy.name,
            stage: busy.stage,
        });
        Ok(Guest::view(self, host, task)?)
    }

    async fn project(&self, _: &mut Conn) -> Result<Option<String>> {
        Ok(Some(self.project.clone()))
    }
    crate::dispatch::model::known_by_columns!(versioned);
    fn status(&self) -> Option<GuestStatus> {
        Some(self.status)
    }
}

/// Puts the ids of servers where a list's parameter may also give names.
///
/// # Errors
/// 404 for a name that no server has, of those the caller may see; 409 where several have it.
pub async fn named(query: Query, key: &str, access: &Access, conn: &mut Conn) -> Result<Query> {
    crate::dispatch::object::named(query, key, &[OBJECT], access, conn).await
}
