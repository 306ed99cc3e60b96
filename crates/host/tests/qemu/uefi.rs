//! A guest with UEFI in rescue: it boots with a copy of its variables, and its own are what they were.

use sha2::{Digest, Sha256};
use types::desc::{DiskDriver, Firmware};
use types::operation::{Outcome, UefiVars};

use crate::agent::{Agent, create, operate, tiny};
use crate::files::Files;
use crate::rescue::{Session, started_boot};

#[tokio::test(flavor = "multi_thread")]
async fn firmware_variables_do_not_change_in_rescue() {
    let files = Files::serve().await;
    let agent = Agent::start(std::slice::from_ref(&files.public_key)).await;
    let mut desc = tiny(DiskDriver::Virtio);
    desc.firmware = Firmware::Uefi;
    let (guest, session) = (desc.id, Session::new(&files, "rw"));
    let made = operate!(agent, agent.header(guest), create_guest, create(&desc));
    let Outcome::Created { desc_sha256 } = made else { panic!("apt-get install ovmf: {made:?}") };
    let (own, copy) =
        (agent.guest_folder(guest).join("uefi-vars.fd"), agent.guest_folder(guest).join("rescue/uefi-vars.fd"));
    operate!(agent, agent.header(guest), prepare_rescue, session.prepare());
    operate!(agent, agent.header(guest), write_rescue_desc, session.write_desc());
    let started = operate!(agent, agent.header(guest), start_rescue, session.start());
    assert_eq!(started_boot(&started), 1);
    // Something that is this guest's own.
    let before = std::fs::read(&own).unwrap();
    let ready = operate!(agent, agent.header(guest), await_ready, session.ready(240));
    assert!(matches!(&ready, Outcome::Ready { ready, .. } if ready.disks.len() == 2), "{ready:?}");
    assert_ne!(std::fs::read(&copy).unwrap(), before, "the firmware wrote to the copy");
    let restored = operate!(agent, agent.header(guest), restore_desc, session.restore());
    let sha256 = types::rescue::hex(&Sha256::digest(&before));
    let uefi_vars = Some(UefiVars { before: sha256.clone(), after: sha256 });
    assert_eq!(restored, Outcome::Restored { desc_sha256, uefi_vars });
    assert!(!copy.exists() && std::fs::read(&own).unwrap() == before);
}
