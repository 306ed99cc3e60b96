//! Devices of the host in a guest's boot: USB devices and those that are passed through. A guest of its own does not start without one
//! that is passed through; a rescue does, as it is for repairs, and says what is not there. A USB device may be plugged in at any time, so
//! nothing waits for it.

use types::desc::{Desc, PassthroughDesc, UsbDesc, UsbHost};
use types::operation::{Failure, FailureCode};

use super::actor::Guest;
use super::failure;
use crate::qemu::host_device::{Tree, not_plugged_in, unlimited_memory_lock};

/// What of the host's is not there that the guest is to have, in words.
#[must_use]
pub fn missing(desc: &Desc, tree: &Tree) -> Vec<String> {
    let pci = desc.passthrough.iter().filter_map(|it| tree.pci(&it.host).err());
    let usb = desc
        .usb
        .iter()
        .filter_map(|it| usb(it, tree).is_none().then(|| it.host.as_deref().map(not_plugged_in)).flatten());
    pci.chain(usb).collect()
}

/// The device file; None also where it is no device of the host.
fn usb(it: &UsbDesc, tree: &Tree) -> Option<std::path::PathBuf> {
    tree.usb(it.host.as_deref()?.parse().ok()?)
}

impl Guest {
    /// The addresses of those that this boot does without.
    ///
    /// # Errors
    /// [`FailureCode::Resource`]: it can't do without.
    pub(super) fn absent(&self, desc: &Desc) -> Result<Vec<String>, Failure> {
        let tree = Tree::default();
        let gone = |it: &&PassthroughDesc| tree.pci(&it.host).is_err();
        let absent: Vec<_> = desc.passthrough.iter().filter(gone).map(|it| it.host.clone()).collect();
        if absent.is_empty() || desc.rescue.is_some() {
            // QEMU waits for one that is named by what it is, and refuses to start without one that is named by where it is.
            let placed = |it: &&UsbDesc| matches!(it.host.as_deref().map(str::parse), Some(Ok(UsbHost::Place { .. })));
            let unplugged = desc.usb.iter().filter(placed).filter(|it| usb(it, &tree).is_none());
            return Ok(absent.into_iter().chain(unplugged.filter_map(|it| it.host.clone())).collect());
        }
        Err(failure(FailureCode::Resource, missing(desc, &tree).join("; ")))
    }

    /// What a rescue of the guest would have to do without.
    pub(super) fn rescue_notices(&self, desc: &Desc) -> Vec<String> {
        missing(desc, &Tree::default())
            .into_iter()
            .map(|it| format!("{it}; the rescue system goes without it"))
            .collect()
    }

    /// Lets QEMU have those that are there.
    pub(super) fn hand_over(&self, desc: &Desc, absent: &[String]) -> Result<(), Failure> {
        let tree = Tree::default();
        let there = desc.passthrough.iter().filter(|it| !absent.contains(&it.host));
        let files: Vec<_> = there.filter_map(|it| tree.pci(&it.host).ok()).collect();
        if !files.is_empty() {
            unlimited_memory_lock();
        }
        for file in files.into_iter().chain(desc.usb.iter().filter_map(|it| usb(it, &tree))) {
            self.give_qemu(&file)?;
        }
        Ok(())
    }
}
