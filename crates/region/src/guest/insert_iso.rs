//! `POST /servers/{id}/insert-iso`: an ISO image into a drive; a server that is off gets the drive too.

use api::server::InsertIso;
use db::guest::Guest;
use types::GuestStatus;
use types::desc::{CdromDesc, Desc};

use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;
use crate::guest::change::{self, What};

impl Perform<InsertIso> for Guest {
    const FROM: &'static [GuestStatus] = change::FROM;

    async fn perform(self, action: InsertIso, cx: &mut Cx<'_>) -> Result<Done<InsertIso>> {
        let now = self.parsed_desc()?;
        if !now.cdroms.iter().any(|c| c.index == action.cdrom) {
            change::must_be_off(&self, "a drive is added")?;
        }
        let mut cdroms: Vec<CdromDesc> = now.cdroms.iter().filter(|c| c.index != action.cdrom).cloned().collect();
        cdroms.push(CdromDesc { index: action.cdrom, iso: Some(action.iso.clone()) });
        cdroms.sort_by_key(|c| c.index);
        let desc = Desc { cdroms, ..now.clone() };
        if desc == now {
            return Ok(Done::nothing());
        }
        let notes = format!("{} into drive {}", action.iso, action.cdrom);
        Ok(Done::task(change::begin(&self, What::InsertIso, desc, notes, cx).await?))
    }
}
