//! `--disk` and `--net`: `key=value` pairs, separated by commas.

use std::str::FromStr;

use crate::lang::say;
use api::server::{DiskCreate, NetCreate};
use types::desc::PortForward;

/// `image=tiny.qcow2,size=10G,driver=virtio,format=qcow2`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk(pub DiskCreate);

/// `hostfwd=2222:22,model=virtio,mac=52:54:00:12:34:56`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Net(pub NetCreate);

impl FromStr for Disk {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut disk = DiskCreate::default();
        for (key, value) in pairs(text)? {
            match key {
                "image" => disk.image = Some(value.to_owned()),
                "size" => disk.size = super::size::mib(value)?,
                "driver" => disk.driver = Some(value.parse().map_err(|e: types::word::UnknownWord| e.to_string())?),
                "format" => disk.format = Some(value.parse().map_err(|e: types::word::UnknownWord| e.to_string())?),
                other => {
                    return Err(say!(
                        "unknown key '{key}': allowed are {keys}",
                        key = other,
                        keys = "image, size, driver, format"
                    ));
                }
            }
        }
        Ok(Self(disk))
    }
}

impl FromStr for Net {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut net = NetCreate::default();
        if text == "user" {
            return Ok(Self(net));
        }
        for (key, value) in pairs(text)? {
            match key {
                "hostfwd" => net.forwards.push(forward(value)?),
                "model" => net.model = Some(value.parse().map_err(|e: types::word::UnknownWord| e.to_string())?),
                "mac" => net.mac = Some(value.to_owned()),
                other => {
                    return Err(say!(
                        "unknown key '{key}': allowed are {keys}",
                        key = other,
                        keys = "hostfwd, model, mac"
                    ));
                }
            }
        }
        Ok(Self(net))
    }
}

fn pairs(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let pair = |part: &'_ str| -> Result<(usize, usize), String> {
        let at = part.find('=').ok_or_else(|| say!("'{part}': key=value is wanted", part = part))?;
        if at + 1 == part.len() {
            return Err(say!("'{part}': the value is missing", part = part));
        }
        Ok((at, at + 1))
    };
    text.split(',').map(|part| pair(part).map(|(end, begin)| (part[..end].trim(), &part[begin..]))).collect()
}

fn forward(text: &str) -> Result<PortForward, String> {
    let wrong = || say!("hostfwd={text}: HOSTPORT:GUESTPORT is wanted, as in 2222:22", text = text);
    let (host, guest) = text.split_once(':').ok_or_else(wrong)?;
    let port = |text: &str| text.parse::<u16>().ok().filter(|p| *p != 0).ok_or_else(wrong);
    Ok(PortForward { host_port: port(host)?, guest_port: port(guest)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::desc::{DiskDriver, DiskFormat, NicModel};

    #[test]
    fn disks() {
        let disk = "image=tiny.qcow2,size=10G,driver=scsi,format=raw".parse::<Disk>().unwrap().0;
        let expected = DiskCreate {
            image: Some("tiny.qcow2".into()),
            size: 10_240,
            driver: Some(DiskDriver::Scsi),
            format: Some(DiskFormat::Raw),
        };
        assert_eq!(disk, expected);
        for bad in ["", "tiny.qcow2", "image=", "size=x", "driver=floppy", "img=a", "size=1,"] {
            assert!(bad.parse::<Disk>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nets() {
        let net = "hostfwd=2222:22,hostfwd=8080:80,model=e1000,mac=52:54:00:12:34:56".parse::<Net>().unwrap().0;
        assert_eq!(net.forwards[1], PortForward { host_port: 8080, guest_port: 80 });
        assert_eq!((net.model, net.mac.as_deref()), (Some(NicModel::E1000), Some("52:54:00:12:34:56")));
        assert_eq!("user".parse::<Net>().unwrap().0, NetCreate::default());
        for bad in ["hostfwd=22", "hostfwd=0:22", "hostfwd=70000:22", "model=rtl", "bridge=br0"] {
            assert!(bad.parse::<Net>().is_err(), "{bad}");
        }
    }
}
