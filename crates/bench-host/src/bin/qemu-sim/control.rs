//! QEMU's machine protocol as far as the host agent speaks it: what it asks when it probes a program, and what it asks of a guest.
//! Anything else is refused as QEMU refuses what it does not know. Pure but for [`on_stdio`].

use std::io::{BufRead, Write};

use serde_json::{Value, json};

use crate::VERSION;

/// Every device that the agent puts on a command line: `crates/host/src/qemu/devices.rs`.
const DEVICES: &[&str] = &[
    "virtio-rng-pci",
    "pcie-root-port",
    "virtio-blk-pci",
    "virtio-net-pci",
    "virtio-serial-pci",
    "virtserialport",
    "virtio-scsi-pci",
    "scsi-hd",
    "ide-hd",
    "ide-cd",
    "ich9-ahci",
    "e1000",
    "VGA",
];

/// A guest's state, as the protocol shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub paused: bool,
    pub no_reboot: bool,
}

/// What follows from one command.
#[derive(Debug, Default)]
pub struct Reply {
    /// To who asked.
    pub answer: Value,
    /// To everybody.
    pub events: Vec<Value>,
    pub ends: bool,
}

#[must_use]
pub fn greeting() -> Value {
    let [major, minor, micro] = VERSION;
    let version = json!({ "qemu": { "major": major, "minor": minor, "micro": micro }, "package": "simulated" });
    json!({ "QMP": { "version": version, "capabilities": [] } })
}

/// Carries out one line. None: it is not a command.
pub fn carry_out(line: &[u8], state: &mut State) -> Option<Reply> {
    let command: Value = serde_json::from_slice(line).ok()?;
    let name = command["execute"].as_str()?;
    let mut reply = Reply::default();
    let mut value = json!({});
    match name {
        "qmp_capabilities" => {}
        "query-status" => {
            let status = if state.paused { "paused" } else { "running" };
            value = json!({ "running": !state.paused, "status": status, "singlestep": false });
        }
        "query-machines" => {
            let machine = |name, alias| json!({ "name": name, "alias": alias, "cpu-max": 1 });
            value = json!([machine("pc-q35-10.0", "q35"), machine("pc-i440fx-10.0", "pc")]);
        }
        "qom-list-types" => value = DEVICES.iter().map(|name| json!({ "name": name })).collect(),
        "query-block" | "query-named-block-nodes" => value = json!([]),
        "stop" => {
            state.paused = true;
            reply.events.push(event("STOP", json!({})));
        }
        "cont" => {
            state.paused = false;
            reply.events.push(event("RESUME", json!({})));
        }
        "system_reset" if state.no_reboot => reply.end("host-qmp-system-reset", false),
        "system_reset" => {
            reply.events.push(event("RESET", json!({ "guest": false, "reason": "host-qmp-system-reset" })))
        }
        "system_powerdown" => {
            reply.events.push(event("POWERDOWN", json!({})));
            reply.end("guest-shutdown", true);
        }
        "quit" => reply.end("host-qmp-quit", false),
        _ => {
            let desc = format!("The command {name} has not been found");
            reply.answer = json!({ "error": { "class": "CommandNotFound", "desc": desc }, "id": command["id"] });
            return Some(reply);
        }
    }
    reply.answer = json!({ "return": value, "id": command["id"] });
    Some(reply)
}

impl Reply {
    fn end(&mut self, reason: &str, guest: bool) {
        self.events.push(shutdown(reason, guest));
        self.ends = true;
    }
}

/// The last event of a guest.
#[must_use]
pub fn shutdown(reason: &str, guest: bool) -> Value {
    event("SHUTDOWN", json!({ "guest": guest, "reason": reason }))
}

fn event(name: &str, data: Value) -> Value {
    json!({ "event": name, "data": data, "timestamp": { "seconds": 0, "microseconds": 0 } })
}

/// Speaks with whoever probes the program, until it is told to quit.
///
/// # Errors
/// The pipe's.
pub fn on_stdio() -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", greeting())?;
    output.flush()?;
    let mut state = State { paused: true, no_reboot: false };
    for line in std::io::stdin().lock().lines() {
        let Some(reply) = carry_out(line?.as_bytes(), &mut state) else { continue };
        writeln!(output, "{}", reply.answer)?;
        output.flush()?;
        if reply.ends {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_change_the_state_and_unknown_ones_are_refused() {
        let mut state = State { paused: false, no_reboot: true };
        let mut ask = |name: &str| {
            let line = json!({ "execute": name, "id": 7 }).to_string();
            let reply = carry_out(line.as_bytes(), &mut state).unwrap();
            assert_eq!(reply.answer["id"], 7);
            reply
        };
        assert_eq!(ask("query-status").answer["return"]["status"], "running");
        assert_eq!(ask("stop").events[0]["event"], "STOP");
        assert_eq!(ask("query-status").answer["return"]["status"], "paused");
        assert_eq!(ask("cont").events[0]["event"], "RESUME");
        assert_eq!(ask("block_resize").answer["error"]["class"], "CommandNotFound");
        for (name, reason) in [("quit", "host-qmp-quit"), ("system_reset", "host-qmp-system-reset")] {
            let reply = ask(name);
            assert!(reply.ends && reply.events[0]["data"]["reason"] == reason, "{reply:?}");
        }
        assert!(carry_out(b"nonsense", &mut state).is_none());
    }
}
