//! The picture that `watch` draws: what is known ([`Board`], plain data), and where it is shown ([`Screen`]).

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;

use api::server::Server;
use api::task::Task;
use chrono::{DateTime, TimeDelta, Utc};
use types::{GuestId, TaskId};

use crate::lang::say;
use crate::text;

/// How long a task that has ended is still shown.
const KEPT: TimeDelta = TimeDelta::seconds(15);
const EVENTS: usize = 8;

#[derive(Debug, Default)]
pub struct Board {
    servers: BTreeMap<GuestId, Server>,
    tasks: BTreeMap<TaskId, Task>,
    log: VecDeque<String>,
    /// Why the picture is not live.
    pub away: Option<String>,
}

impl Board {
    /// All there are.
    pub fn servers(&mut self, servers: Vec<Server>) {
        self.servers = servers.into_iter().map(|server| (server.id, server)).collect();
    }

    /// All that are at work; those that have ended stay for a while.
    pub fn tasks(&mut self, tasks: Vec<Task>) {
        self.tasks.retain(|_, task| task.is_complete);
        self.tasks.extend(tasks.into_iter().map(|task| (task.id, task)));
    }

    pub fn server(&mut self, server: Server, deleted: bool) {
        // A list may be newer than a change that is told after it.
        let newer = self.servers.get(&server.id).is_none_or(|known| known.update_version <= server.update_version);
        if deleted {
            self.servers.remove(&server.id);
        } else if newer {
            self.servers.insert(server.id, server);
        }
    }

    pub fn task(&mut self, task: Task) {
        self.tasks.insert(task.id, task);
    }

    pub fn said(&mut self, line: String) {
        self.log.push_back(line);
        while self.log.len() > EVENTS {
            self.log.pop_front();
        }
    }

    /// What ended a while ago.
    pub fn forget(&mut self, now: DateTime<Utc>) {
        self.tasks.retain(|_, task| task.ended_at.is_none_or(|end| now - end < KEPT));
    }

    /// The picture: at most so many lines, none longer than the screen is wide.
    fn lines(&self, now: DateTime<Utc>, columns: usize, rows: usize) -> Vec<String> {
        let rescued = self.servers.values().filter(|server| server.rescue_mode).count();
        let failed = self.servers.values().filter(|server| server.status.to_string().ends_with("_failed")).count();
        let mut lines = vec![say!(
            "{time}  {servers} servers, {rescued} in rescue, {failed} failed; Ctrl-C ends",
            time = text::time(now),
            servers = self.servers.len(),
            rescued = rescued,
            failed = failed,
        )];
        if let Some(why) = &self.away {
            lines.push(say!("the service does not answer, trying on: {error}", error = why));
        }
        let tasks = self.task_rows(now);
        let tail = self.log.len() + usize::from(!self.log.is_empty());
        let left = rows.saturating_sub(lines.len() + tasks.len() + tail + 2);
        lines.push(String::new());
        lines.extend(self.server_rows(left));
        lines.push(String::new());
        lines.extend(tasks);
        if !self.log.is_empty() {
            lines.push(String::new());
            lines.extend(self.log.iter().cloned());
        }
        lines.truncate(rows);
        lines.iter().map(|line| text::line(line).chars().take(columns).collect()).collect()
    }

    /// Those that change or need somebody first.
    fn server_rows(&self, rows: usize) -> Vec<String> {
        let mut servers: Vec<&Server> = self.servers.values().collect();
        let rank = |server: &Server| match server.status.to_string() {
            _ if server.task.is_some() => 0,
            status if status.ends_with("_failed") => 1,
            _ if server.rescue_mode => 2,
            _ => 3,
        };
        servers.sort_by(|a, b| (rank(a), &a.name).cmp(&(rank(b), &b.name)));
        let mut lines = vec![format!("{:<24} {:<20} {:<9} {:<16} {}", "SERVER", "STATUS", "POWER", "HOST", "TASK")];
        let shown = servers.len().min(rows.saturating_sub(2).max(1));
        lines.extend(servers[..shown].iter().map(|server| {
            let task = server.task.as_ref().map(|t| format!("{} {}", t.task_name, t.stage)).unwrap_or_default();
            let (status, power) = (server.status.to_string(), server.power_state.to_string());
            format!("{:<24} {status:<20} {power:<9} {:<16} {task}", server.name, server.host)
        }));
        if shown < servers.len() {
            lines.push(say!("... and {more} more", more = servers.len() - shown));
        }
        lines
    }

    fn task_rows(&self, now: DateTime<Utc>) -> Vec<String> {
        if self.tasks.is_empty() {
            return vec![say!("no task is at work")];
        }
        let mut lines = vec![format!("{:<24} {:<24} {:<18} {:<10} {}", "TASK OF", "TASK", "STAGE", "STATE", "TOOK")];
        // Newest first: ids are in the order of time.
        lines.extend(self.tasks.values().rev().take(12).map(|task| {
            let state = if task.way_back && !task.is_complete { "way back".into() } else { task.state.to_string() };
            let took = text::span(task.ended_at.unwrap_or(now) - task.created_at);
            let bytes =
                task.progress.as_ref().map(|p| format!("  {} / {}", text::bytes(p.bytes), text::bytes(p.bytes_total)));
            let cause = task.cause.as_ref().map(|cause| format!("  {cause}")).unwrap_or_default();
            let name = task.obj_name.as_deref().unwrap_or("-");
            let (bytes, task_name, stage) = (bytes.unwrap_or_default(), &task.task_name, &task.stage);
            format!("{name:<24} {task_name:<24} {stage:<18} {state:<10} {took}{bytes}{cause}")
        }));
        lines
    }
}

/// The terminal's other screen, for as long as it lives.
pub struct Screen;

impl Screen {
    pub fn new() -> std::io::Result<Self> {
        let mut out = std::io::stdout();
        out.write_all(b"\x1b[?1049h\x1b[?25l")?;
        out.flush()?;
        Ok(Self)
    }

    pub fn show(&self, board: &Board) -> std::io::Result<()> {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        // A serial line does not know its size.
        let known = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
        let (columns, rows) = known.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()));
        let mut frame = String::from("\x1b[H");
        for (i, line) in board.lines(Utc::now(), columns, rows).iter().enumerate() {
            frame.push_str(if i == 0 { "" } else { "\r\n" });
            frame.push_str(line);
            frame.push_str("\x1b[K");
        }
        frame.push_str("\x1b[J");
        let mut out = std::io::stdout().lock();
        out.write_all(frame.as_bytes())?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = std::io::stdout();
        let _ = out.write_all(b"\x1b[?25h\x1b[?1049l");
        let _ = out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn server(name: &str, status: &str, version: i64) -> Server {
        let n = name.bytes().fold(0_u64, |n, b| n * 31 + u64::from(b));
        serde_json::from_value(json!({
            "id": format!("0198c7a6-0000-7000-8000-{n:012x}"), "name": name, "status": status, "status_reason": null, "power_state": "running",
            "hypervisor": "kvm", "host_id": "0198c7a6-0000-7000-8000-0000000000ff", "host": "h1", "arch": "x86_64", "machine": "q35",
            "firmware": "bios", "vcpu_count": 1, "vmem_size": 64, "disks": [], "nics": [], "rescue_mode": status.contains("rescue"),
            "rescue_session_id": null, "task": null, "created_at": "2026-11-23T10:00:00Z", "updated_at": "2026-11-23T10:00:00Z",
            "update_version": version,
        }))
        .unwrap()
    }

    fn now() -> DateTime<Utc> {
        "2026-11-23T10:00:30Z".parse().unwrap()
    }

    #[test]
    fn the_picture_fits_and_begins_with_what_needs_somebody() {
        let mut board = Board::default();
        let many = (0..30).map(|n| server(&format!("web{n:02}"), "running", 1));
        board.servers(many.chain([server("zed", "start_rescue_failed", 1), server("yak", "rescue", 1)]).collect());
        board.said("an event\x1b[2J".into());
        let lines = board.lines(now(), 60, 20);
        assert!(lines.len() <= 20 && lines.iter().all(|line| line.chars().count() <= 60), "{lines:#?}");
        assert!(lines[0].contains("32 servers, 2 in rescue, 1 failed"), "{lines:#?}");
        let at = |name: &str| lines.iter().position(|line| line.starts_with(name)).unwrap_or(usize::MAX);
        assert!(at("zed") < at("yak") && at("yak") < at("web00"), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("and") && line.contains("more")), "{lines:#?}");
        assert!(!lines.concat().contains('\x1b'));
    }

    #[test]
    fn an_old_change_does_not_undo_a_newer_list() {
        let mut board = Board::default();
        board.servers(vec![server("web", "rescue", 5)]);
        board.server(server("web", "start_rescue", 4), false);
        assert!(board.lines(now(), 80, 24).iter().any(|line| line.contains(" rescue ")));
        board.server(server("web", "rescue", 6), true);
        assert!(!board.lines(now(), 80, 24).iter().any(|line| line.starts_with("web")));
    }
}
