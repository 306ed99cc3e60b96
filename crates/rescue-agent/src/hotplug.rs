//! Drivers for devices that come later: a USB stick is found seconds after its controller, a disk may be plugged in.
//!
//! The kernel tells of each new device on a netlink socket (NETLINK_KOBJECT_UEVENT; lib/kobject_uevent.c): `add@/devices/...`, then
//! `KEY=value` pairs, each ended by a zero byte. The pair MODALIAS names the driver that it wants.

use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};

use crate::drivers;

/// What the kernel itself sends, as against what udev passes on.
const KERNEL_GROUP: u32 = 1;
/// The kernel sends 2 KiB of variables at most.
const LONGEST: usize = 8 * 1024;

/// Loads drivers as devices come, for ever. Returns only if the kernel can't be listened to.
///
/// # Errors
/// Why not.
pub fn follow() -> std::io::Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(KOBJECT_UEVENT))?;
    bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
    // What came before this socket was there.
    drivers::load(std::path::Path::new(crate::SYS))?;
    let mut message = vec![0; LONGEST];
    loop {
        match recvfrom(&socket, &mut message[..], RecvFlags::empty()) {
            Ok((length, ..)) => {
                if let Some(alias) = wanted(&message[..length.min(LONGEST)]) {
                    drivers::modprobe(&[&alias])?;
                }
            }
            // Some were lost: whoever came meanwhile is asked.
            Err(rustix::io::Errno::NOBUFS) => drivers::load(std::path::Path::new(crate::SYS))?,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The driver that a new device asks for.
fn wanted(message: &[u8]) -> Option<String> {
    let mut fields = message.split(|byte| *byte == 0);
    if !fields.next()?.starts_with(b"add@") {
        return None;
    }
    let alias = fields.find_map(|field| field.strip_prefix(b"MODALIAS="))?;
    std::str::from_utf8(alias).ok().filter(|alias| !alias.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_devices_that_name_a_driver_ask_for_one() {
        let message =
            |kind: &str| format!("{kind}@/devices/pci0/usb1\0ACTION={kind}\0MODALIAS=usb:v46F4p0001\0SEQNUM=9\0");
        assert_eq!(wanted(message("add").as_bytes()), Some("usb:v46F4p0001".into()));
        assert_eq!(wanted(message("remove").as_bytes()), None);
        for other in [&b""[..], b"add@/devices/x\0ACTION=add\0", b"add@/x\0MODALIAS=\0", b"add@/x\0MODALIAS=\xff\0"] {
            assert_eq!(wanted(other), None);
        }
    }
}
