//! `server-create`.

use std::collections::BTreeMap;

use api::server::{ServerCreate, Servers};
use types::desc::{Firmware, Machine};

use super::refuse;
use super::spec::{Disk, Net};
use crate::batch::{self, Cx, Wait};
use crate::exit::Exit;
use crate::lang::say;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// 1 to 63 letters, digits, '-', '_' and '.'
    name: String,
    /// image=FILE,size=SIZE,driver=virtio|scsi|ide|sata,format=qcow2|raw; may be repeated, the first one is booted
    #[arg(long = "disk", value_name = "SPEC", required = true)]
    disks: Vec<Disk>,
    /// hostfwd=HOSTPORT:GUESTPORT,model=virtio|e1000,mac=MAC; `user` alone for the defaults; may be repeated
    #[arg(long = "net", value_name = "SPEC")]
    nets: Vec<Net>,
    /// Virtual processors
    #[arg(long, visible_alias = "vcpu-count", value_name = "N", default_value_t = 1)]
    ncpu: u32,
    /// Memory: 512 (MiB), 512M, 1G
    #[arg(long, visible_alias = "vmem-size", value_name = "SIZE", default_value = "512", value_parser = super::size::memory)]
    mem: u32,
    /// Start it once it exists
    #[arg(long)]
    auto_start: bool,
    /// The host to put it on, by id or name; else the one with most free memory
    #[arg(long, value_name = "HOST")]
    prefer_host: Option<String>,
    /// Machine type
    #[arg(long)]
    machine: Option<Machine>,
    /// Firmware
    #[arg(long, visible_alias = "bios")]
    firmware: Option<Firmware>,
    /// How many: from 2 on they are called NAME-1, NAME-2 and so on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    count: u32,
    /// A screen, for server-vnc
    #[arg(long)]
    vnc: bool,
    /// The QEMU version to run it with; else the newest of its host
    #[arg(long, value_name = "VERSION")]
    qemu_version: Option<String>,
    /// For people
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// KEY=VALUE to remember with it; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    #[command(flatten)]
    wait: Wait,
}

pub fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| say!("KEY=VALUE is wanted"))?;
    Ok((key.to_owned(), value.to_owned()))
}

pub async fn run(cx: &Cx, args: Args) -> Result<(), Exit> {
    let body = ServerCreate {
        name: args.name,
        vcpu_count: args.ncpu,
        vmem_size: args.mem,
        disks: args.disks.into_iter().map(|d| d.0).collect(),
        nets: args.nets.into_iter().map(|n| n.0).collect(),
        hypervisor: "kvm".into(),
        auto_start: args.auto_start,
        prefer_host: args.prefer_host,
        machine: args.machine,
        firmware: args.firmware,
        metadata: BTreeMap::from_iter(args.metadata),
        description: args.description,
        vnc: args.vnc,
        qemu_version: args.qemu_version,
        count: 1,
    };
    body.check().map_err(|e| refuse(&e))?;
    // One request each, so that each is told by itself, and waited for.
    let bodies: Vec<ServerCreate> = match args.count {
        1 => vec![body],
        count => {
            ServerCreate { count, ..body.clone() }.check().map_err(|e| refuse(&e))?;
            (0..count).map(|n| body.nth(n)).collect()
        }
    };
    let names: Vec<String> = bodies.iter().map(|body| body.name.clone()).collect();
    batch::run::<Servers>(cx, "create", &names, 8, &args.wait, async |name| {
        let body = bodies.iter().find(|body| body.name == name);
        Ok(cx.client.create::<Servers>(&body).await?.into())
    })
    .await
}
