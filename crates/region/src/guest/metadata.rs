//! `POST /servers/{id}/metadata` and `/set-metadata`: what people remember with a server. `GET .../metadata` shows it.

use std::collections::BTreeMap;

use api::Action;
use api::server::{AddMetadata, SetMetadata};
use db::guest::Guest;

use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;
use crate::guest::update::save;

impl Perform<AddMetadata> for Guest {
    async fn perform(self, action: AddMetadata, cx: &mut Cx<'_>) -> Result<Done<AddMetadata>> {
        let mut all: BTreeMap<String, String> = serde_json::from_value(self.metadata.clone())?;
        let keys: Vec<String> = action.0.keys().cloned().collect();
        for (key, value) in action.0 {
            match value.as_str() {
                "" => all.remove(&key),
                _ => all.insert(key, value),
            };
        }
        // The sum of both has the limits of each.
        SetMetadata(all.clone()).check()?;
        let guest = Self { metadata: serde_json::to_value(all)?, ..self };
        save(&guest, "metadata", keys.join(", "), cx).await?;
        Ok(Done::nothing())
    }
}

impl Perform<SetMetadata> for Guest {
    async fn perform(self, action: SetMetadata, cx: &mut Cx<'_>) -> Result<Done<SetMetadata>> {
        let keys: Vec<String> = action.0.keys().cloned().collect();
        let guest = Self { metadata: serde_json::to_value(action.0)?, ..self };
        save(&guest, "set_metadata", keys.join(", "), cx).await?;
        Ok(Done::nothing())
    }
}
