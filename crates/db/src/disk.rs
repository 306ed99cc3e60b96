//! Disks: those in the descs of guests, and the [`crate::detached`] ones. A view.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use types::desc::{DiskDriver, DiskFormat};
use types::id::DiskId;
use types::status::DiskStatus;
use types::{GuestId, HostId};

use crate::filter::{Column, Kind, Page};
use crate::schema::guest_disks;
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = guest_disks, check_for_backend(Pg))]
pub struct Disk {
    pub id: DiskId,
    pub serial: String,
    /// Of a detached disk: none. So are the guest and its name.
    pub index: Option<i32>,
    pub driver: DiskDriver,
    pub format: DiskFormat,
    pub size_mib: i64,
    pub image: Option<String>,
    pub status: DiskStatus,
    pub guest_id: Option<GuestId>,
    pub guest: Option<String>,
    pub project: String,
    pub host_id: HostId,
    pub created_at: DateTime<Utc>,
}

/// By id or serial number.
pub async fn find(conn: &mut Conn, ident: &str) -> QueryResult<Option<Disk>> {
    let matching = guest_disks::table.select(Disk::as_select());
    match ident.parse::<DiskId>() {
        Ok(id) => matching.filter(guest_disks::id.eq(id)).first(conn).await.optional(),
        Err(_) => matching.filter(guest_disks::serial.eq(ident)).first(conn).await.optional(),
    }
}

/// What a list may be filtered and ordered by.
pub const COLUMNS: &[Column] = &[
    Column::new("id", "guest_disks.id", Kind::Id),
    Column::new("name", "guest_disks.serial", Kind::Text),
    Column::new("server_id", "guest_disks.guest_id", Kind::Id),
    Column::new("server", "guest_disks.guest", Kind::Text),
    Column::new("host_id", "guest_disks.host_id", Kind::Id),
    Column::new("index", "guest_disks.index", Kind::Integer),
    Column::words("driver", "guest_disks.driver", DiskDriver::WORDS),
    Column::words("format", "guest_disks.format", DiskFormat::WORDS),
    Column::new("size", "guest_disks.size_mib", Kind::Integer),
    Column::new("image", "guest_disks.image", Kind::Text),
    Column::words("status", "guest_disks.status", DiskStatus::WORDS),
    Column::new("created_at", "guest_disks.created_at", Kind::Time),
];

/// One page, and how many there are in all.
pub async fn list(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<Disk>, i64)> {
    let matching = || guest_disks::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = matching().count().get_result(conn).await?;
    let order = page.order_by("guest_disks.id");
    let rows =
        matching().select(Disk::as_select()).order(order).limit(page.limit).offset(page.offset).load(conn).await?;
    Ok((rows, total))
}
