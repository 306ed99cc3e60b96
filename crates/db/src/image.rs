//! Rescue images, as baremetal agents offer them. A view: an image is there as long as an agent serves it.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use types::id::ImageId;
use types::status::Arch;

use crate::filter::{Column, Kind, Page};
use crate::schema::rescue_images;
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = rescue_images, check_for_backend(Pg))]
pub struct Offered {
    pub id: ImageId,
    pub name: String,
    pub version: String,
    pub serial: i64,
    pub arch: Arch,
    /// [`crate::agent::RescueImage`].
    pub image: Value,
    /// The names of the agents that serve it.
    pub agents: Value,
}

/// By id, or by name: then all versions of it, at most two.
pub async fn find(conn: &mut Conn, ident: &str) -> QueryResult<Vec<Offered>> {
    let matching = rescue_images::table.select(Offered::as_select()).limit(2);
    match ident.parse::<ImageId>() {
        Ok(id) => matching.filter(rescue_images::id.eq(id)).load(conn).await,
        Err(_) => matching.filter(rescue_images::name.eq(ident)).load(conn).await,
    }
}

/// What a list may be filtered and ordered by.
pub const COLUMNS: &[Column] = &[
    Column::new("id", "rescue_images.id", Kind::Id),
    Column::new("name", "rescue_images.name", Kind::Text),
    Column::new("version", "rescue_images.version", Kind::Text),
    Column::new("serial", "rescue_images.serial", Kind::Integer),
    Column::words("arch", "rescue_images.arch", Arch::WORDS),
];

/// One page, and how many there are in all.
pub async fn list(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<Offered>, i64)> {
    let matching = || rescue_images::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = matching().count().get_result(conn).await?;
    let order = page.order_by("rescue_images.id");
    let rows =
        matching().select(Offered::as_select()).order(order).limit(page.limit).offset(page.offset).load(conn).await?;
    Ok((rows, total))
}
