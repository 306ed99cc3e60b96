//! NICs on the host's own networks: a tap that is a port of a bridge, or a macvtap on an interface. Made with `ip` (iproute2) before the
//! guest starts, removed after its end; what is there already is taken as it is, so each may be repeated.

use std::path::PathBuf;
use std::process::{Command, Output};

use sha2::{Digest, Sha256};
use types::desc::{Desc, NicBackend, NicDesc};
use types::id::GuestId;
use types::operation::{Failure, FailureCode};
use types::rescue::hex;

/// The program, and the bridges and interfaces that guests may use.
#[derive(Debug, Clone)]
pub struct Network {
    pub ip: PathBuf,
    pub bridges: Vec<String>,
    /// Who opens a tap, if not root.
    pub owner: Option<u32>,
}

/// The interface of a guest's NIC: at most 15 bytes (IFNAMSIZ), and the same whenever it is asked for.
#[must_use]
pub fn interface(guest: GuestId, index: u32) -> String {
    let digest = hex(&Sha256::digest(guest.uuid().as_bytes())[..5]);
    format!("lb{digest}n{index}")
}

/// The number under which QEMU inherits a macvtap. Below it are those that a shell can name in one digit.
#[must_use]
pub const fn descriptor(index: u32) -> u32 {
    10 + index
}

/// What makes a NIC's interface: the arguments of `ip`, one call after another. `owner`: who opens it, if not root.
#[must_use]
pub fn up(guest: GuestId, nic: &NicDesc, owner: Option<u32>) -> Vec<Vec<String>> {
    let (name, bridge) = (interface(guest, nic.index), nic.bridge.clone().unwrap_or_default());
    let owner = owner.map(|uid| uid.to_string());
    let mut tap = vec!["tuntap", "add", "dev", &name, "mode", "tap"];
    tap.extend(owner.iter().flat_map(|uid| ["user", uid]));
    let calls: &[&[&str]] = match nic.backend {
        NicBackend::User => &[],
        NicBackend::Tap => &[&tap, &["link", "set", "dev", &name, "master", &bridge, "up"]],
        NicBackend::Macvtap => &[
            &["link", "add", "link", &bridge, "name", &name, "address", &nic.mac, "type", "macvtap", "mode", "bridge"],
            &["link", "set", "dev", &name, "up"],
        ],
    };
    calls.iter().map(|call| call.iter().map(|word| (*word).to_owned()).collect()).collect()
}

fn on_host(nic: &NicDesc) -> bool {
    matches!(nic.backend, NicBackend::Tap | NicBackend::Macvtap)
}

impl Network {
    /// Whether the guest's NICs may be where they are to be.
    ///
    /// # Errors
    /// [`FailureCode::Resource`] names the bridge or interface.
    pub fn allowed(&self, desc: &Desc) -> Result<(), Failure> {
        for nic in desc.nics.iter().filter(|nic| on_host(nic)) {
            let bridge = nic.bridge.as_deref().unwrap_or_default();
            if !self.bridges.iter().any(|it| it == bridge) {
                let message =
                    format!("NIC {}: guests may not use '{bridge}' here: set [network] bridges to allow it", nic.index);
                return Err(failed(message));
            }
        }
        Ok(())
    }

    /// Makes the interface of a NIC, if it has one.
    ///
    /// # Errors
    /// [`FailureCode::Resource`] with what `ip` printed.
    pub fn up(&self, guest: GuestId, nic: &NicDesc) -> Result<(), Failure> {
        if !on_host(nic) || self.exists(&interface(guest, nic.index)) {
            // One that was left by an agent that died is on its bridge, or gets there now.
            return up(guest, nic, self.owner).iter().skip(1).try_for_each(|call| self.run(call).map(drop));
        }
        up(guest, nic, self.owner).iter().try_for_each(|call| self.run(call).map(drop))
    }

    /// Removes the interface of a NIC, if there is one.
    pub fn down(&self, guest: GuestId, nic: &NicDesc) {
        let name = interface(guest, nic.index);
        if on_host(nic)
            && self.exists(&name)
            && let Err(failure) = self.run(&["link".into(), "del".into(), "dev".into(), name])
        {
            tracing::warn!(%guest, nic = nic.index, error = %failure, "an interface can't be removed");
        }
    }

    /// What to open for each macvtap of a guest: descriptor and device.
    ///
    /// # Errors
    /// The interface is not there.
    pub fn macvtaps(&self, desc: &Desc) -> Result<Vec<(u32, PathBuf)>, Failure> {
        let mut found = Vec::new();
        for nic in desc.nics.iter().filter(|nic| nic.backend == NicBackend::Macvtap) {
            let name = interface(desc.id, nic.index);
            let output = self.run(&["-j".into(), "link".into(), "show".into(), "dev".into(), name.clone()])?;
            let links: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let number = links[0]["ifindex"].as_u64().ok_or_else(|| failed(format!("{name} has no number")))?;
            found.push((descriptor(nic.index), PathBuf::from(format!("/dev/tap{number}"))));
        }
        Ok(found)
    }

    fn exists(&self, name: &str) -> bool {
        Command::new(&self.ip).args(["link", "show", "dev", name]).output().is_ok_and(|output| output.status.success())
    }

    fn run(&self, arguments: &[String]) -> Result<Output, Failure> {
        let output = Command::new(&self.ip).args(arguments).output();
        let output = output.map_err(|error| failed(format!("{}: {error}: install iproute2", self.ip.display())))?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(failed(format!("ip {}: {said}", arguments.join(" "))))
    }
}

fn failed(message: String) -> Failure {
    Failure { code: FailureCode::Resource, message, evidence: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernel_and_differ() {
        let (a, b) = (GuestId::generate(), GuestId::generate());
        assert_eq!(interface(a, 7), interface(a, 7));
        assert!(interface(a, 7).len() <= 15);
        assert!(interface(a, 0) != interface(a, 1) && interface(a, 0) != interface(b, 0));
    }
}
