//! The services that init (pid 1, busybox) keeps running for the agent: DHCP, SSH, consoles. They are lines in its inittab, so a
//! service that dies comes back, and they stay when the agent itself is started anew.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// Lines behind this one are the agent's; those before it belong to the image.
const MARK: &str = "# services";

/// Writes the agent's lines and has init read them.
///
/// # Errors
/// When the file can't be written, or init can't be told.
pub fn serve(inittab: &Path, lines: &str) -> std::io::Result<()> {
    let old = std::fs::read_to_string(inittab)?;
    let new = with_services(&old, lines);
    if new != old {
        std::fs::write(inittab, new)?;
        kill_process(Pid::INIT, Signal::HUP)?;
    }
    Ok(())
}

fn with_services(inittab: &str, lines: &str) -> String {
    let base = inittab.split(MARK).next().unwrap_or_default();
    format!("{base}{MARK}\n{lines}")
}

/// The line for a NIC's DHCP client (busybox udhcpc): it never gives up, and says nothing on the console.
pub fn dhcp(nic: &str) -> String {
    format!("::respawn:/sbin/udhcpc -f -i {nic} -t 3 -T 1 -A 3 -s /etc/udhcpc.script >/dev/null 2>&1\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_replace_services_and_nothing_else() {
        let base = "::sysinit:/etc/rc\n# services\n";
        let one = with_services(base, "a\n");
        assert_eq!(one, "::sysinit:/etc/rc\n# services\na\n");
        assert_eq!(with_services(&one, "b\n"), "::sysinit:/etc/rc\n# services\nb\n");
    }

    #[test]
    fn a_service_without_a_change_does_not_wake_init() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inittab");
        std::fs::write(&path, "# services\na\n").unwrap();
        // Telling init would fail here, or hit a stranger: nothing has changed, so it is not told.
        serve(&path, "a\n").unwrap();
        assert!(serve(&folder.path().join("none"), "a\n").is_err());
    }
}
