//! What servers look like when printed, and which commands lead out of where one is.

use api::server::{Server, Servers};
use types::GuestStatus;

use crate::lang::say;
use crate::output::Shown;
use crate::text;

impl Shown for Servers {
    const COLUMNS: &'static [&'static str] = &["ID", "Name", "Status", "Power", "Host", "vCPU", "Memory", "Task"];

    fn row(view: &Server) -> Vec<String> {
        vec![
            view.id.to_string(),
            view.name.clone(),
            view.status.to_string(),
            view.power_state.to_string(),
            view.host.clone(),
            view.vcpu_count.to_string(),
            text::mib(view.vmem_size),
            text::or_dash(view.task.as_ref().map(|t| format!("{} {}", t.task_name, t.stage))),
        ]
    }

    fn details(view: &Server) -> Vec<(&'static str, String)> {
        let disks = view.disks.iter().map(|d| {
            let size = if d.size == 0 { "as its image".into() } else { text::mib(d.size) };
            let image = d.image.as_ref().map(|i| format!(" from {i}")).unwrap_or_default();
            format!("{}: {size} {} {}{image}, serial {}", d.index, d.driver, d.format, d.serial)
        });
        let nics = view.nics.iter().map(|n| {
            let forwards =
                n.forwards.iter().map(|f| format!(", port {} of its host leads to {}", f.host_port, f.guest_port));
            format!("{}: {} {}{}", n.index, n.model, n.mac, forwards.collect::<String>())
        });
        let cdroms = view.cdroms.iter().map(|c| format!("{}: {}", c.index, c.iso.as_deref().unwrap_or("empty")));
        let metadata = view.metadata.iter().map(|(k, v)| format!("{k}={v}"));
        vec![
            ("id", view.id.to_string()),
            ("name", view.name.clone()),
            ("status", view.status.to_string()),
            ("status_reason", text::or_dash(view.status_reason.as_ref())),
            ("power_state", view.power_state.to_string()),
            ("task", text::or_dash(view.task.as_ref().map(|t| format!("{} {} {}", t.id, t.task_name, t.stage)))),
            ("rescue_session_id", text::or_dash(view.rescue_session_id)),
            ("host", format!("{} ({})", view.host, view.host_id)),
            ("machine", format!("{} {} {} {}", view.hypervisor, view.arch, view.machine, view.firmware)),
            ("vcpu_count", view.vcpu_count.to_string()),
            ("vmem_size", text::mib(view.vmem_size)),
            ("vnc", text::yes_no(view.vnc)),
            ("qemu_version", text::or_dash(view.qemu_version.as_ref())),
            ("disks", text::or_dash(Some(disks.collect::<Vec<_>>().join("\n")))),
            ("nics", text::or_dash(Some(nics.collect::<Vec<_>>().join("\n")))),
            ("cdroms", text::or_dash(Some(cdroms.collect::<Vec<_>>().join("\n")))),
            ("description", text::or_dash(Some(&view.description).filter(|d| !d.is_empty()))),
            ("metadata", text::or_dash(Some(metadata.collect::<Vec<_>>().join("\n")))),
            ("created_at", text::time(view.created_at)),
            ("updated_at", text::time(view.updated_at)),
        ]
    }

    fn id(view: &Server) -> String {
        view.id.to_string()
    }
    fn name(view: &Server) -> String {
        view.name.clone()
    }
    fn status(view: &Server) -> String {
        view.status.to_string()
    }
    fn way_out(view: &Server) -> Option<String> {
        let name = &view.name;
        let commands = |verbs: &[&str]| {
            let commands: Vec<String> = verbs.iter().map(|verb| format!("climc server-{verb} {name}")).collect();
            Some(say!(
                "{name} is {status}; from there: {commands}",
                name = name,
                status = view.status,
                commands = commands.join(" | ")
            ))
        };
        match view.status {
            GuestStatus::Ready => Some(say!(
                "{name} is off, as a machine that can be started; what happened: climc server-event {name}",
                name = name
            )),
            GuestStatus::Running => {
                Some(say!("{name} runs from its own disks; what happened: climc server-event {name}", name = name))
            }
            GuestStatus::Rescue => commands(&["rescue-show", "stop-rescue"]),
            GuestStatus::CreateFailed => commands(&["delete"]),
            GuestStatus::StartFailed => commands(&["start", "stop", "delete"]),
            GuestStatus::StopFailed => commands(&["stop --force", "start", "delete"]),
            GuestStatus::StartRescueFailed => commands(&["start-rescue", "stop-rescue", "start", "stop"]),
            GuestStatus::StopRescueFailed => commands(&["stop-rescue", "start-rescue", "stop"]),
            GuestStatus::DeleteFailed => commands(&["delete"]),
            GuestStatus::Suspended => commands(&["resume", "stop"]),
            GuestStatus::SuspendFailed | GuestStatus::ResumeFailed => commands(&["syncstatus", "resume", "stop"]),
            GuestStatus::ChangeConfigFailed
            | GuestStatus::AttachDiskFailed
            | GuestStatus::DetachDiskFailed
            | GuestStatus::DiskResizeFailed
            | GuestStatus::SnapshotFailed
            | GuestStatus::DiskResetFailed => commands(&["syncstatus", "delete"]),
            GuestStatus::Creating
            | GuestStatus::Starting
            | GuestStatus::Stopping
            | GuestStatus::Restarting
            | GuestStatus::Suspending
            | GuestStatus::Resuming
            | GuestStatus::ChangeConfig
            | GuestStatus::AttachDisk
            | GuestStatus::DetachDisk
            | GuestStatus::DiskResize
            | GuestStatus::Snapshot
            | GuestStatus::SnapshotDelete
            | GuestStatus::DiskReset
            | GuestStatus::StartRescue
            | GuestStatus::StopRescue
            | GuestStatus::Deleting => commands(&["show", "tasks"]),
        }
    }
}
