//! The machine's network: which NICs ask for an address, and which addresses there are.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::services::Service;

/// Where the DHCP script leaves `<address>/<prefix length>`, in a file named like the NIC.
pub const LEASES: &str = "/run/lifeboat/addresses";

/// NICs that are real devices, in order.
pub fn nics(sys: &Path) -> Vec<String> {
    let folder = sys.join("class/net");
    let Ok(entries) = std::fs::read_dir(&folder) else { return vec![] };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut nics: Vec<String> = names.filter(|name| folder.join(name).join("device").exists()).collect();
    nics.sort();
    nics
}

/// The NIC's DHCP client (busybox udhcpc), which never gives up.
pub fn service(nic: &str) -> Service {
    Service::new(&format!("dhcp-{nic}"), &format!("/sbin/udhcpc -f -i {nic} -t 3 -T 1 -A 3 -s /etc/udhcpc.script"))
}

/// Waits until each NIC has an address, or for `limit`, and tells those there are, as `eth0 10.0.2.15/24`.
pub fn addresses(nics: &[String], leases: &Path, if_inet6: &Path, limit: Duration) -> Vec<String> {
    let deadline = Instant::now() + limit;
    loop {
        let v4: Vec<String> = nics.iter().filter_map(|nic| lease(leases, nic)).collect();
        if v4.len() == nics.len() || Instant::now() >= deadline {
            let v6 = std::fs::read_to_string(if_inet6).unwrap_or_default();
            return v4.into_iter().chain(global_v6(&v6, nics)).collect();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn lease(leases: &Path, nic: &str) -> Option<String> {
    let path: PathBuf = leases.join(nic);
    let text = std::fs::read_to_string(path).ok()?;
    let (address, length) = text.trim().split_once('/')?;
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let length: u8 = length.parse().ok().filter(|length| *length <= 32)?;
    Some(format!("{nic} {address}/{length}"))
}

/// Addresses of global scope in the form of /proc/net/if_inet6: 32 hex digits, then in hex index, prefix length, scope (0 is
/// global), flags, then the name.
fn global_v6(table: &str, nics: &[String]) -> Vec<String> {
    let row = |line: &str| -> Option<String> {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [address, _index, length, scope, _flags, nic] = fields[..] else { return None };
        if scope != "00" || !nics.iter().any(|known| known == nic) {
            return None;
        }
        let address = std::net::Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
        Some(format!("{nic} {address}/{}", u8::from_str_radix(length, 16).ok()?))
    };
    table.lines().filter_map(row).collect()
}

/// Whether some process listens on the TCP port, from the tables /proc/net/tcp and tcp6: looking leaves no trace in the server,
/// as a connection would.
pub fn listens(tables: &[&str], port: u16) -> bool {
    const LISTEN: &str = "0A";
    let local = format!(":{port:04X}");
    tables.iter().flat_map(|table| table.lines()).any(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        matches!(fields[..], [_, address, _, LISTEN, ..] if address.ends_with(&local))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        folder
    }

    #[test]
    fn only_real_devices_ask_for_an_address() {
        let sys = folder(&[("class/net/eth1/device/x", ""), ("class/net/eth0/device/x", ""), ("class/net/lo/mtu", "")]);
        assert_eq!(nics(sys.path()), ["eth0", "eth1"]);
    }

    #[test]
    fn addresses_of_both_families_are_told() {
        let run = folder(&[
            ("leases/eth0", "10.0.2.15/24\n"),
            (
                "if_inet6",
                "fec00000000000005054000000000001 02 40 00 00 eth0\n\
                 fe800000000000005054000000000001 02 40 20 80 eth0\n\
                 00000000000000000000000000000001 01 80 10 80 lo\n",
            ),
        ]);
        let nics = ["eth0".to_string()];
        let got = addresses(&nics, &run.path().join("leases"), &run.path().join("if_inet6"), Duration::from_secs(60));
        assert_eq!(got, ["eth0 10.0.2.15/24", "eth0 fec0::5054:0:0:1/64"]);
    }

    #[test]
    fn a_nic_without_an_answer_delays_no_longer_than_the_limit() {
        let run = folder(&[("eth0", "no address"), ("eth1", "10.0.0.1/99")]);
        let nics = ["eth0".to_string(), "eth1".to_string(), "eth2".to_string()];
        let start = Instant::now();
        assert!(addresses(&nics, run.path(), Path::new("/none"), Duration::from_millis(60)).is_empty());
        assert!(start.elapsed() < Duration::from_secs(20));
        // A machine without NICs does not wait.
        assert!(addresses(&[], run.path(), Path::new("/none"), Duration::from_secs(600)).is_empty());
    }

    #[test]
    fn a_listener_is_seen_a_connection_is_not() {
        let head = "  sl  local_address rem_address   st tx_queue\n";
        let table = |state: &str| format!("{head}   0: 00000000:0016 00000000:0000 {state} 00000000:00000000\n");
        assert!(listens(&["", &table("0A")], 22));
        assert!(!listens(&[&table("01")], 22));
        assert!(!listens(&[&table("0A")], 23));
    }
}
