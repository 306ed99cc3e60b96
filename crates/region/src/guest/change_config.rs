//! `POST /servers/{id}/change-config`: processors and memory, while it is off; screen and QEMU, from the next start on.

use api::ErrorClass;
use api::server::ChangeConfig;
use db::guest::Guest;
use types::GuestStatus;

use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::change::{self, What};
use crate::guest::placement::check_qemu;

impl Perform<ChangeConfig> for Guest {
    const FROM: &'static [GuestStatus] = change::FROM;

    async fn perform(self, action: ChangeConfig, cx: &mut Cx<'_>) -> Result<Done<ChangeConfig>> {
        let now = self.parsed_desc()?;
        let mut desc = now.clone();
        desc.vcpu = action.vcpu_count.unwrap_or(now.vcpu);
        desc.memory_mib = action.vmem_size.unwrap_or(now.memory_mib);
        desc.vnc = action.vnc.unwrap_or(now.vnc);
        if let Some(version) = &action.qemu_version {
            desc.qemu_version = Some(version.clone()).filter(|v| !v.is_empty());
        }
        if (desc.vcpu, desc.memory_mib) != (now.vcpu, now.memory_mib) {
            change::must_be_off(&self, "vcpu_count and vmem_size change")?;
        }
        let host = db::host::get(cx.conn, self.host_id).await?;
        let host = host.ok_or_else(|| Error::status(format!("the host of server '{}' is gone", self.name)))?;
        if let Some(version) = &desc.qemu_version {
            check_qemu(version, &host)?;
        }
        let more = i64::from(desc.memory_mib) - i64::from(now.memory_mib);
        let free = host.memory_mib - db::host::promised_mib(cx.conn, host.id).await?;
        if more > free.max(0) {
            return Err(Error::new(
                ErrorClass::OutOfResource,
                format!("vmem_size: host '{}' has only {} MiB of memory left", host.name, free.max(0)),
            ));
        }
        if desc == now {
            return Ok(Done::nothing());
        }
        let notes = format!("{} processors, {} MiB of memory", desc.vcpu, desc.memory_mib);
        Ok(Done::task(change::begin(&self, What::ChangeConfig, desc, notes, cx).await?))
    }
}
