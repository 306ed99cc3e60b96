//! `POST /servers/{id}/attach-network`: another network card.

use api::ErrorClass;
use api::server::AttachNetwork;
use db::guest::Guest;
use types::GuestStatus;
use types::desc::Desc;

use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::change::{self, What};
use crate::guest::placement;

/// The most network cards that a server has.
const MOST: u32 = 8;

impl Perform<AttachNetwork> for Guest {
    const FROM: &'static [GuestStatus] = change::FROM;

    async fn perform(self, action: AttachNetwork, cx: &mut Cx<'_>) -> Result<Done<AttachNetwork>> {
        let now = self.parsed_desc()?;
        let index = change::free_index("network cards", self.status, now.nics.iter().map(|n| n.index), MOST)?;
        let nic = placement::new_nic(&action.net(), index)?;
        if now.nics.iter().any(|n| n.mac == nic.mac) {
            return Err(Error::new(ErrorClass::Conflict, format!("mac: another card of the server has {}", nic.mac)));
        }
        let notes = format!("network card {} as number {index}", nic.mac);
        let mut nics = now.nics.clone();
        nics.push(nic);
        nics.sort_by_key(|n| n.index);
        Ok(Done::task(change::begin(&self, What::AttachNetwork, Desc { nics, ..now }, notes, cx).await?))
    }
}
