//! `POST /servers/{id}/eject-iso`: takes the image out; the drive stays, empty.

use api::server::EjectIso;
use db::guest::Guest;
use types::GuestStatus;
use types::desc::Desc;

use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::change::{self, What};

impl Perform<EjectIso> for Guest {
    const FROM: &'static [GuestStatus] = change::FROM;

    async fn perform(self, action: EjectIso, cx: &mut Cx<'_>) -> Result<Done<EjectIso>> {
        let now = self.parsed_desc()?;
        let mut cdroms = now.cdroms.clone();
        let drive = cdroms.iter_mut().find(|c| c.index == action.cdrom).ok_or_else(|| {
            let details = format!("server '{}' has no drive {}", self.name, action.cdrom);
            Error::new(api::ErrorClass::ResourceNotFound, details)
        })?;
        let Some(iso) = drive.iso.take() else { return Ok(Done::nothing()) };
        let notes = format!("{iso} out of drive {}", action.cdrom);
        Ok(Done::task(change::begin(&self, What::EjectIso, Desc { cdroms, ..now }, notes, cx).await?))
    }
}
