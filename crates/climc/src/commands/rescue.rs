//! Rescue sessions: `rescue-session-*`, and those of a server by its name: `server-rescue-show`, which says how to get in, `-extend`, `-explain`.

use api::rescue::{Extend, RescueSession, RescueSessions};
use api::server::{Server, Servers};
use api::{Action, ListQuery};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use types::rescue::SeenDisk;
use types::{SessionId, SessionState};

use super::{list, of, refuse, show};
use crate::batch::{self, Cx, QuickVerb, Wait};
use crate::exit::Exit;
use crate::lang::say;
use crate::output::{self, Format, Shown};
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List rescue sessions, newest first
    #[command(after_help = "Example:\n  climc rescue-session-list --status active")]
    RescueSessionList(Box<ListQuery>),
    /// Show a rescue session
    #[command(after_help = "Example:\n  climc rescue-session-show ID")]
    RescueSessionShow {
        /// Id
        id: String,
    },
    /// Give open rescue sessions more time, or less
    #[command(after_help = "Example:\n  climc rescue-session-extend ID --ttl 7200")]
    RescueSessionExtend(QuickVerb<Extend>),
    /// Explain a rescue session: what happened, at which stage, what was seen, what to do next
    #[command(after_help = "Example:\n  climc rescue-session-explain ID")]
    RescueSessionExplain {
        /// Id
        id: String,
    },
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::RescueSessionExtend(verb) => {
            verb.action.check().map_err(|e| refuse(&e))?;
            batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await
        }
        Command::RescueSessionExplain { id } => explain(cx, &id).await,
        Command::RescueSessionList(query) => list::<RescueSessions>(cx, &query).await,
        Command::RescueSessionShow { id } => show::<RescueSessions>(cx, &id).await,
    }
}

/// The session that a server is in, else its last one.
pub async fn of_server(cx: &Cx, id: &str) -> Result<(), Exit> {
    let server = cx.client.get::<Servers>(id).await?;
    let session = session_of(cx, &server, server.rescue_session_id).await?;
    if cx.format != Format::Table {
        return Ok(output::one::<RescueSessions>(cx.format, &session)?);
    }
    let mut rows = access(&server, &session, Utc::now());
    rows.extend(RescueSessions::details(&session).into_iter().filter(|(name, _)| *name != "disks"));
    output::sheet(&rows)?;
    Ok(output::rows(
        &["Normally", "In rescue", "Size", "Holds", "Label", "Mounted on", "By id, or UUID", "Access"],
        session.disks.iter().flat_map(parts),
    )?)
}

/// What became of a server's rescue, in words for somebody at a bad moment.
pub async fn explain_of_server(cx: &Cx, id: &str) -> Result<(), Exit> {
    let server = cx.client.get::<Servers>(id).await?;
    let session = session_of(cx, &server, server.rescue_session_id).await?;
    explain(cx, &session.id.to_string()).await
}

async fn explain(cx: &Cx, id: &str) -> Result<(), Exit> {
    let told = cx.client.detail::<RescueSessions>(id, "explain").await?;
    if cx.format != Format::Table {
        return Ok(output::data(cx.format, &told)?);
    }
    let word = |key: &str| text::or_dash(told.get(key).and_then(serde_json::Value::as_str));
    let seen = told.get("evidence").and_then(serde_json::Value::as_array).into_iter().flatten();
    let seen: Vec<&str> = seen.filter_map(serde_json::Value::as_str).collect();
    Ok(output::sheet(&[
        ("server", word("server")),
        ("state", word("state")),
        ("failed_at", word("failed_at")),
        ("what happened", word("what_happened")),
        ("what next", word("what_next")),
        ("cause", word("cause")),
        ("evidence", text::or_dash(Some(seen.join("\n")))),
        ("task_id", word("task_id")),
    ])?)
}

/// Another end for the rescues that servers are in.
pub async fn extend_of_servers(cx: &Cx, verb: QuickVerb<Extend>) -> Result<(), Exit> {
    verb.action.check().map_err(|e| refuse(&e))?;
    let (many, action) = (&verb.many, &verb.action);
    batch::run::<RescueSessions>(cx, Extend::NAME, &many.ids, many.parallel, &Wait::default(), async |id| {
        let server = cx.client.get::<Servers>(id).await?;
        let Some(session) = server.rescue_session_id else {
            return Err(client::Error::Input(say!("{server} is not in rescue", server = server.name)));
        };
        Ok(batch::Receipt::accepted(cx.client.perform(&session.to_string(), action).await?, |_| Vec::new()))
    })
    .await
}

async fn session_of(cx: &Cx, server: &Server, open: Option<SessionId>) -> Result<RescueSession, Exit> {
    if let Some(id) = open {
        return Ok(cx.client.get::<RescueSessions>(&id.to_string()).await?);
    }
    let query = ListQuery { limit: 1, order: Some("desc".into()), ..ListQuery::default() };
    let list = cx.client.list::<RescueSessions>(&of("server", &server.id.to_string(), query)).await?;
    let Some(last) = list.data.into_iter().next() else {
        return Err(Exit {
            next: Some(format!("climc server-start-rescue {} --wait --ssh-key ~/.ssh/id_ed25519.pub", server.name)),
            ..Exit::failed(say!("{server} has never been in rescue", server = server.name))
        });
    };
    eprintln!("climc: {}", say!("{server} is not in rescue; this is its last one", server = text::line(&server.name)));
    Ok(last)
}

/// How to get in, while one can.
fn access(server: &Server, session: &RescueSession, now: DateTime<Utc>) -> Vec<(&'static str, String)> {
    if session.state != SessionState::Active {
        return Vec::new();
    }
    if !session.is_ready {
        return vec![("get in", say!("not now: the rescue system is booting again"))];
    }
    let mut rows = Vec::new();
    let ports = server.nics.iter().flat_map(|n| &n.forwards).filter(|f| f.guest_port == 22).map(|f| f.host_port);
    if session.ssh_fingerprint.is_some() {
        for port in ports {
            rows.push(("get in (ssh)", format!("climc server-ssh-rescue {}", server.name)));
            rows.push(("ssh by hand", format!("ssh -p {port} root@127.0.0.1    on host {}", server.host)));
            if let Some(key) = &session.ssh_host_key {
                rows.push(("known_hosts", format!("[127.0.0.1]:{port} {key}")));
            }
        }
    }
    rows.push(("get in (serial)", format!("climc server-console {}", server.name)));
    rows.push(("time left", text::span(session.expires_at - now)));
    rows
}

impl Shown for RescueSessions {
    const COLUMNS: &'static [&'static str] =
        &["ID", "Server", "State", "Ready", "Image", "Disks", "User", "Began", "Left", "Cause"];

    fn row(view: &RescueSession) -> Vec<String> {
        let open = SessionState::OPEN.contains(&view.state);
        vec![
            view.id.to_string(),
            view.server.clone(),
            view.state.to_string(),
            text::yes_no(view.is_ready),
            format!("{} {}", view.image.name, view.image.version),
            view.disk_mode.to_string(),
            view.user.clone(),
            text::time(view.started_at),
            text::or_dash(open.then(|| text::span(view.expires_at - Utc::now()))),
            text::or_dash(view.cause.as_ref()),
        ]
    }

    fn details(view: &RescueSession) -> Vec<(&'static str, String)> {
        let stopped = view.stop_how.map(|how| match view.stop_seconds {
            Some(seconds) => format!("{how} in {seconds:.1}s"),
            None => how.to_string(),
        });
        let disks: Vec<String> = view.disks.iter().flat_map(disk).collect();
        let proof = view.ready.as_ref();
        vec![
            ("id", view.id.to_string()),
            ("server", format!("{} ({})", view.server, view.server_id)),
            ("state", view.state.to_string()),
            ("is_ready", text::yes_no(view.is_ready)),
            ("boot", view.boot.to_string()),
            ("image", format!("{} {}", view.image.name, view.image.version)),
            ("kernel", format!("sha256:{} {}", view.image.kernel.sha256, text::bytes(view.image.kernel.size))),
            ("initramfs", format!("sha256:{} {}", view.image.initramfs.sha256, text::bytes(view.image.initramfs.size))),
            ("disk_mode", view.disk_mode.to_string()),
            ("network", view.network.to_string()),
            ("on_expiry", text::or_dash(view.on_expiry)),
            ("overlay", text::or_dash(view.overlay)),
            ("disks", text::or_dash(Some(disks.join("\n")))),
            (
                "proof",
                text::or_dash(
                    proof.map(|p| format!("boot {}, nonce {}, kernel {}, {}", p.boot, p.nonce, p.kernel, p.image)),
                ),
            ),
            ("addresses", text::or_dash(proof.map(|p| p.addresses.join("\n")))),
            ("ssh_fingerprint", text::or_dash(view.ssh_fingerprint.as_ref())),
            ("ssh_host_key", text::or_dash(view.ssh_host_key.as_ref())),
            ("password_shown", text::yes_no(view.password_shown)),
            ("user", view.user.clone()),
            ("reason", text::or_dash(view.reason.as_ref())),
            ("prior_status", view.prior_status.to_string()),
            ("stopped", text::or_dash(stopped)),
            ("started_at", text::time(view.started_at)),
            ("ready_at", text::or_dash(view.ready_at.map(text::time))),
            ("expires_at", text::time(view.expires_at)),
            ("ended_at", text::or_dash(view.ended_at.map(text::time))),
            ("start_task_id", text::or_dash(view.start_task_id)),
            ("stop_task_id", text::or_dash(view.stop_task_id)),
            ("cause", text::or_dash(view.cause.as_ref())),
            ("evidence", text::or_dash(Some(view.evidence.join("\n")))),
        ]
    }

    fn id(view: &RescueSession) -> String {
        view.id.to_string()
    }
    fn name(view: &RescueSession) -> String {
        view.server.clone()
    }
    fn status(view: &RescueSession) -> String {
        view.state.to_string()
    }
}

/// A disk, and below it what is on it, as rows.
fn parts(disk: &SeenDisk) -> Vec<Vec<String>> {
    let access = if disk.read_only { "read-only" } else { "read-write" };
    let word = |text: &String| text::or_dash(Some(text).filter(|text| !text.is_empty()));
    let id = word(if disk.by_id.is_empty() { &disk.serial } else { &disk.by_id });
    let (size, none) = (text::bytes(disk.size), || "-".to_owned());
    let mut rows =
        vec![vec![word(&disk.normal_name), disk.name.clone(), size, none(), none(), none(), id, access.into()]];
    rows.extend(disk.parts.iter().map(|part| {
        let holds = if part.filesystem.is_empty() { say!("nothing known") } else { part.filesystem.clone() };
        vec![
            format!("  {}", word(&part.normal_name)),
            format!("  {}", part.name),
            text::bytes(part.size),
            holds,
            word(&part.label),
            word(&part.mounted),
            word(&part.uuid),
            String::new(),
        ]
    }));
    rows
}

/// A disk, and indented below it what is on it.
fn disk(disk: &SeenDisk) -> Vec<String> {
    let serial = if disk.serial.is_empty() { String::new() } else { format!(", serial {}", disk.serial) };
    let locked = if disk.read_only { ", read-only" } else { "" };
    let mut lines = vec![format!("{}  {}{serial}{locked}", disk.name, text::bytes(disk.size))];
    lines.extend(disk.parts.iter().map(|part| {
        let filesystem = if part.filesystem.is_empty() { "nothing known" } else { &part.filesystem };
        let label = if part.label.is_empty() { String::new() } else { format!(" '{}'", part.label) };
        let label = if part.mounted.is_empty() { label } else { format!("{label} on {}", part.mounted) };
        format!("  {}  {}  {filesystem}{label}  {}", part.name, text::bytes(part.size), part.uuid)
    }));
    lines
}

#[cfg(test)]
mod tests {
    use types::rescue::SeenPart;

    use super::*;

    /// One that is known by all its names, and one of which little is known.
    fn disks() -> [SeenDisk; 2] {
        let part = SeenPart {
            name: "vda1".into(),
            size: 1023 << 20,
            filesystem: "ext4".into(),
            label: "root".into(),
            uuid: "u-1".into(),
            normal_name: "sda1".into(),
            mounted: "/".into(),
            ..SeenPart::default()
        };
        let known = SeenDisk {
            name: "vda".into(),
            size: 1 << 30,
            serial: "d0".into(),
            normal_name: "sda".into(),
            by_id: "virtio-d0".into(),
            parts: vec![part],
            ..SeenDisk::default()
        };
        let bare = SeenPart { name: "vdb1".into(), size: 512, ..SeenPart::default() };
        let little = SeenDisk {
            name: "vdb".into(),
            size: 5 << 30,
            serial: "d1".into(),
            read_only: true,
            parts: vec![bare],
            ..SeenDisk::default()
        };
        [known, little]
    }

    #[test]
    fn a_disk_and_what_is_on_it_as_rows() {
        assert_eq!(
            disks().iter().flat_map(parts).collect::<Vec<_>>(),
            [
                ["sda", "vda", "1.0 GiB", "-", "-", "-", "virtio-d0", "read-write"],
                ["  sda1", "  vda1", "1023.0 MiB", "ext4", "root", "/", "u-1", ""],
                ["-", "vdb", "5.0 GiB", "-", "-", "-", "d1", "read-only"],
                ["  -", "  vdb1", "512 B", "nothing known", "-", "-", "-", ""],
            ]
        );
    }

    #[test]
    fn a_disk_and_what_is_on_it_as_lines() {
        assert_eq!(
            disks().iter().flat_map(disk).collect::<Vec<_>>(),
            [
                "vda  1.0 GiB, serial d0",
                "  vda1  1023.0 MiB  ext4 'root' on /  u-1",
                "vdb  5.0 GiB, serial d1, read-only",
                "  vdb1  512 B  nothing known  ",
            ]
        );
    }
}
