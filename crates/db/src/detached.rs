//! Disks that were taken from their guests. Their images stay on the host they were on, so only a guest of that host can have them.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use types::desc::DiskDesc;
use types::id::DiskId;
use types::status::DiskStatus;
use types::{GuestId, HostId};

use crate::guest::Guest;
use crate::schema::detached_disks;
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = detached_disks, check_for_backend(Pg))]
pub struct DetachedDisk {
    pub id: DiskId,
    pub disk: Value,
    pub project: String,
    pub host_id: HostId,
    pub last_guest_id: GuestId,
    pub status: DiskStatus,
    /// Of one that is being attached.
    pub attaching_to: Option<GuestId>,
    pub created_at: DateTime<Utc>,
}

impl DetachedDisk {
    /// As the desc of its last guest had it.
    ///
    /// # Errors
    /// A row written by a newer version.
    pub fn parsed(&self) -> serde_json::Result<DiskDesc> {
        serde_json::from_value(self.disk.clone())
    }
}

/// The disk of this guest is detached from now on. Right when repeated.
pub async fn insert(conn: &mut Conn, guest: &Guest, disk: &DiskDesc) -> QueryResult<()> {
    let row = DetachedDisk {
        id: disk.id,
        disk: serde_json::to_value(disk).map_err(|e| diesel::result::Error::SerializationError(Box::new(e)))?,
        project: guest.project.clone(),
        host_id: guest.host_id,
        last_guest_id: guest.id,
        status: DiskStatus::Ready,
        attaching_to: None,
        created_at: guest.created_at,
    };
    diesel::insert_into(detached_disks::table).values(row).on_conflict_do_nothing().execute(conn).await.map(drop)
}

/// These are not detached any more, or are gone.
pub async fn remove(conn: &mut Conn, disks: Vec<DiskId>) -> QueryResult<()> {
    diesel::delete(detached_disks::table.filter(detached_disks::id.eq_any(disks))).execute(conn).await.map(drop)
}

/// The disk, locked until the transaction ends.
pub async fn lock(conn: &mut Conn, id: DiskId) -> QueryResult<Option<DetachedDisk>> {
    let found = detached_disks::table.find(id).select(DetachedDisk::as_select());
    found.for_update().first(conn).await.optional()
}

/// It is being attached to this guest: nobody else may have it.
pub async fn promise(conn: &mut Conn, id: DiskId, guest: GuestId) -> QueryResult<()> {
    diesel::update(detached_disks::table.find(id))
        .set((detached_disks::status.eq(DiskStatus::Attaching), detached_disks::attaching_to.eq(guest)))
        .execute(conn)
        .await
        .map(drop)
}

/// What was promised to this guest and did not come to it is free again.
pub async fn release(conn: &mut Conn, guest: GuestId) -> QueryResult<()> {
    diesel::update(detached_disks::table.filter(detached_disks::attaching_to.eq(guest)))
        .set((detached_disks::status.eq(DiskStatus::Ready), detached_disks::attaching_to.eq(None::<GuestId>)))
        .execute(conn)
        .await
        .map(drop)
}

pub async fn set_status(conn: &mut Conn, id: DiskId, status: DiskStatus) -> QueryResult<()> {
    diesel::update(detached_disks::table.find(id)).set(detached_disks::status.eq(status)).execute(conn).await.map(drop)
}
