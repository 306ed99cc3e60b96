//! What holds for every text that is sent as a desc. Used by the fuzz target and by its short run on stable.

use std::collections::HashSet;
use std::path::PathBuf;

use host::guest::desc::{Stored, check};
use host::qemu::cmdline::{Accelerator, DiskFile, Launch, Sockets, arguments};
use host::qemu::devices;

/// True: it would be taken.
pub fn desc(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let Ok(desc) = proto::convert::desc(text) else { return false };
    // What is written is read again as the same.
    let stored = Stored::new(desc.clone());
    assert_eq!(serde_json::from_slice::<types::desc::Desc>(&stored.bytes).unwrap(), desc);
    if let Err(problem) = check(&desc) {
        assert!(!problem.is_empty());
        return false;
    }
    let path = |name: &str| PathBuf::from("/w").join(name);
    let launch = Launch {
        accelerator: Accelerator::Tcg,
        sandbox: true,
        pid_file: path("pid"),
        serial_log: path("log"),
        sockets: Sockets {
            agent: path("a"),
            operator: path("o"),
            serial: path("s"),
            vnc: path("v"),
            guest_agent: path("g"),
            rescue: path("r"),
        },
        uefi: None,
        disks: desc.disks.iter().map(|disk| DiskFile { path: path(&disk.id.to_string()), overlay: None }).collect(),
        isos: desc.cdroms.iter().map(|drive| drive.iso.as_ref().map(|_| path("iso"))).collect(),
        absent: Vec::new(),
        rescue: None,
    };
    let arguments = arguments(&desc, &launch);
    // Nothing from outside becomes an option: there are as many devices as described, each with its own id and place.
    let values: Vec<_> = arguments.windows(2).filter(|pair| pair[0] == "-device").map(|pair| &pair[1]).collect();
    let ports = devices::root_ports(desc.machine).count();
    let controllers = values.iter().filter(|it| it.starts_with("virtio-scsi-pci") || it.starts_with("ahci")).count();
    let described = desc.disks.len() + desc.nics.len() + desc.cdroms.len() + usize::from(desc.vnc);
    let agent = if desc.guest_agent { 2 } else { 0 };
    let usb = desc.usb.len() + usize::from(!desc.usb.is_empty());
    let host = desc.passthrough.len() + devices::passthrough_ports(&desc).len();
    assert_eq!(values.len(), 1 + ports + controllers + described + agent + usb + host, "{values:?}");
    let (mut ids, mut places) = (HashSet::new(), HashSet::new());
    for value in values {
        let options: Vec<_> = value.split(',').skip(1).collect();
        assert!(options.iter().all(|option| option.split_once('=').is_some()), "{value}");
        let of = |name: &str| options.iter().find_map(|it| it.strip_prefix(name)).map(str::to_owned);
        assert!(of("id=").is_none_or(|id| ids.insert(id)), "{value}");
        let place = (of("bus="), of("addr="), of("unit="), of("scsi-id="), of("port="), of("nr="));
        assert!(places.insert(place), "{value}: its place is taken");
    }
    assert!(arguments.iter().all(|argument| !argument.contains('\0')));
    true
}
