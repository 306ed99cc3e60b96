//! Which host a new server goes to, and the desc it is made from.

use api::ErrorClass;
use api::server::{DiskCreate, NetCreate, ServerCreate};
use db::Conn;
use db::host::Host;
use types::GuestId;
use types::desc::{
    DESC_VERSION, Desc, DiskDesc, DiskDriver, DiskFormat, Firmware, Machine, NicBackend, NicDesc, NicModel,
};
use types::id::DiskId;

use crate::app::App;
use crate::error::{Error, Result};
use service::random;

/// The wanted host, or the usable one with most free memory; with room for the server's memory.
pub async fn host(app: &App, conn: &mut Conn, body: &ServerCreate) -> Result<Host> {
    let mut hosts = db::host::usable(conn, app.heard_since()).await?;
    if let Some(wanted) = &body.prefer_host {
        let host = db::host::find(conn, wanted).await?.ok_or_else(|| Error::not_found("host", wanted))?;
        hosts.retain(|h| h.id == host.id);
        if hosts.is_empty() {
            return Err(Error::new(
                ErrorClass::ServiceUnavailable,
                format!(
                    "host '{}' is disabled or has not been heard lately: see climc host-show {}",
                    host.name, host.name
                ),
            ));
        }
    }
    if hosts.is_empty() {
        return Err(Error::new(ErrorClass::OutOfResource, "no host is enabled and online: see climc host-list"));
    }
    let mut roomiest = i64::MIN;
    for host in hosts {
        let free = host.memory_mib - db::host::promised_mib(conn, host.id).await?;
        if free >= i64::from(body.vmem_size) {
            return Ok(host);
        }
        roomiest = roomiest.max(free);
    }
    Err(Error::new(
        ErrorClass::OutOfResource,
        format!("no host has {} MiB of memory left; the most is {} MiB", body.vmem_size, roomiest.max(0)),
    ))
}

/// The desc: ids, serial numbers and addresses are fixed here, once.
pub fn desc(id: GuestId, body: &ServerCreate, host: &Host) -> Result<Desc> {
    if let Some(wanted) = &body.qemu_version {
        check_qemu(wanted, host)?;
    }
    let disks = body.disks.iter().zip(0..).map(|(disk, index)| new_disk(disk, index)).collect();
    let nics = body.nets.iter().zip(0..).map(|(net, index)| new_nic(net, index)).collect::<Result<_>>()?;
    Ok(Desc {
        version: DESC_VERSION,
        id,
        name: body.name.clone(),
        arch: host.arch,
        machine: body.machine.unwrap_or(Machine::Q35),
        firmware: body.firmware.unwrap_or(Firmware::Bios),
        vcpu: body.vcpu_count,
        memory_mib: body.vmem_size,
        disks,
        nics,
        cdroms: Vec::new(),
        qemu_version: body.qemu_version.clone(),
        vnc: body.vnc,
        guest_agent: false,
        usb: Vec::new(),
        passthrough: Vec::new(),
        rescue: None,
    })
}

/// A disk that does not exist yet.
pub fn new_disk(disk: &DiskCreate, index: u32) -> DiskDesc {
    let id = DiskId::generate();
    DiskDesc {
        id,
        index,
        driver: disk.driver.unwrap_or(DiskDriver::Virtio),
        format: disk.format.unwrap_or(DiskFormat::Qcow2),
        size_mib: disk.size,
        image: disk.image.clone(),
        serial: serial(id),
        io: types::desc::DiskIo::default(),
    }
}

/// A network card, with an address of its own.
pub fn new_nic(net: &NetCreate, index: u32) -> Result<NicDesc> {
    let mac = match &net.mac {
        Some(mac) => mac.to_ascii_lowercase(),
        None => {
            let [a, b, c] = random::bytes::<3>().map_err(Error::internal)?;
            format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
        }
    };
    let model = net.model.unwrap_or(NicModel::Virtio);
    Ok(NicDesc { index, backend: NicBackend::User, mac, model, forwards: net.forwards.clone(), bridge: None })
}

/// Whether the host has this QEMU.
pub fn check_qemu(wanted: &str, host: &Host) -> Result<()> {
    let there = host.qemu_versions();
    if there.iter().any(|version| version == wanted) {
        return Ok(());
    }
    let wanted: String = wanted.chars().take(40).collect();
    Err(Error::input(format!("qemu_version: host '{}' has no QEMU {wanted}: it has {}", host.name, there.join(", "))))
}

/// The last 20 digits of the id: as many as a virtio disk's serial number holds, and the random ones.
fn serial(id: DiskId) -> String {
    id.uuid().simple().to_string()[12..].to_owned()
}
