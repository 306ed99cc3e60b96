//! Rescue images that enabled agents offer.

use api::ErrorClass;
use api::rescue::{self as contract, RescueImages};
use db::Conn;
use db::agent::RescueImage;
use db::filter::{Column, Page};
use db::image::Offered;

use crate::app::App;
use crate::dispatch::{List, Model, Registry};
use crate::error::{Error, Result};

pub fn register(registry: &mut Registry) {
    registry.resource::<Offered>();
}

impl Model for Offered {
    type Api = RescueImages;

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        let mut found = db::image::find(conn, ident).await?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(Error::not_found("rescue image", ident)),
            (Some(image), true) => Ok(image),
            (Some(_), false) => Err(Error::new(
                ErrorClass::DuplicateResource,
                format!("several versions of rescue image '{ident}' are offered: give the id"),
            )),
        }
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, _: &App, _: &mut Conn) -> Result<contract::RescueImage> {
        view(self)
    }
    crate::dispatch::model::known_by_columns!();
}

impl List for Offered {
    const COLUMNS: &'static [Column] = db::image::COLUMNS;
    const SEARCH: &'static [&'static str] = &["name", "version"];
    const ORDER: (&'static str, bool) = ("name", false);

    async fn page(page: &Page, _: &App, conn: &mut Conn) -> Result<(Vec<contract::RescueImage>, i64)> {
        let (rows, total) = db::image::list(conn, page).await?;
        Ok((rows.into_iter().map(view).collect::<Result<_>>()?, total))
    }
}

fn view(offered: Offered) -> Result<contract::RescueImage> {
    let image: RescueImage = serde_json::from_value(offered.image)?;
    Ok(contract::RescueImage {
        id: offered.id,
        name: image.name,
        version: image.version,
        serial: image.serial,
        arch: image.arch,
        kernel: image.kernel,
        initramfs: image.initramfs,
        min_memory_mib: image.min_memory_mib,
        drivers: image.drivers,
        agents: serde_json::from_value(offered.agents)?,
    })
}
