//! `POST /servers/{id}/detach-network`: takes a network card away. The others keep their places.

use api::ErrorClass;
use api::server::DetachNetwork;
use db::guest::Guest;
use types::GuestStatus;
use types::desc::Desc;

use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::change::{self, What};

impl Perform<DetachNetwork> for Guest {
    const FROM: &'static [GuestStatus] = change::FROM;

    async fn perform(self, action: DetachNetwork, cx: &mut Cx<'_>) -> Result<Done<DetachNetwork>> {
        let now = self.parsed_desc()?;
        let wanted = action.mac.map(|mac| mac.to_ascii_lowercase());
        let meant = |n: &types::desc::NicDesc| action.index == Some(n.index) || wanted.as_ref() == Some(&n.mac);
        let nic = now.nics.iter().find(|n| meant(n)).ok_or_else(|| {
            let there: Vec<String> = now.nics.iter().map(|n| format!("{} {}", n.index, n.mac)).collect();
            let details = match there.as_slice() {
                [] => format!("server '{}' has no network card", self.name),
                there => format!("server '{}' has no such network card; it has {}", self.name, there.join(", ")),
            };
            Error::new(ErrorClass::ResourceNotFound, details)
        })?;
        let notes = format!("network card {}, number {}", nic.mac, nic.index);
        let gone = nic.index;
        let nics = now.nics.iter().filter(|n| n.index != gone).cloned().collect();
        Ok(Done::task(change::begin(&self, What::DetachNetwork, Desc { nics, ..now }, notes, cx).await?))
    }
}
