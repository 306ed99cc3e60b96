//! What is asked of the servers while things break: any verb that its status allows, of any server, again and again.

use std::sync::Arc;
use std::time::Duration;

use api::server::{
    RescueRepair, Reset, Restart, Resume, Server, Servers, Start, StartRescue, Stop, StopRescue, Suspend, SyncStatus,
};
use client::{Client, Error};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use types::status::OverlayEnd;
use types::{DiskMode, GuestStatus, TaskId};

use crate::chance::Chance;
use crate::fleet::{Fleet, Member};
use crate::site::Site;

/// Seconds that a server gets to power off before it is quit: one that has not booted hears no button.
const GENTLE: u32 = 6;
/// Seconds within which a repaired server has to ask for a login.
const TRIAL: u32 = 60;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Start,
    Stop,
    Restart,
    Reset,
    Suspend,
    Resume,
    StartRescue(DiskMode),
    StopRescue,
    /// All the way by itself.
    Repair,
    SyncStatus,
}

/// What may be asked of a server in this status, and how often.
#[must_use]
pub fn asks(status: GuestStatus) -> &'static [(usize, Ask)] {
    use Ask::{Repair, Reset, Restart, Resume, Start, StartRescue, Stop, StopRescue, Suspend, SyncStatus};
    const IN: Ask = StartRescue(DiskMode::Rw);
    const BESIDE: Ask = StartRescue(DiskMode::Overlay);
    const LOOK: Ask = StartRescue(DiskMode::Ro);
    match status {
        GuestStatus::Ready => &[(3, Start), (5, IN), (2, BESIDE), (1, LOOK), (1, Repair)],
        GuestStatus::Running => &[
            (6, IN),
            (2, BESIDE),
            (1, LOOK),
            (2, Repair),
            (2, Stop),
            (1, Restart),
            (1, Reset),
            (1, Suspend),
            (1, SyncStatus),
        ],
        GuestStatus::Suspended => &[(1, Resume)],
        GuestStatus::Rescue => &[(8, StopRescue), (1, Repair), (1, Restart), (1, Reset)],
        GuestStatus::StartFailed | GuestStatus::StopFailed => &[(1, Start), (1, Stop), (1, SyncStatus)],
        GuestStatus::StartRescueFailed => &[(1, IN), (1, StopRescue), (1, Start), (1, Stop)],
        GuestStatus::StopRescueFailed => &[(2, StopRescue), (1, IN), (1, Stop)],
        GuestStatus::SuspendFailed | GuestStatus::ResumeFailed => &[(1, Resume), (1, Stop)],
        _ => &[],
    }
}

/// Asks; the task that was promised.
///
/// # Errors
/// As the client says.
pub async fn ask(site: &Site, member: &Member, what: Ask, chance: &mut Chance) -> Result<Option<TaskId>, Error> {
    let (client, id) = (&site.client, member.id.to_string());
    let task = match what {
        Ask::Start => client.perform(&id, &Start {}).await?.task,
        Ask::Stop => client.perform(&id, &Stop { is_force: false, timeout_secs: Some(GENTLE) }).await?.task,
        Ask::Restart => client.perform(&id, &Restart { is_force: false, timeout_secs: Some(GENTLE) }).await?.task,
        Ask::Reset => client.perform(&id, &Reset {}).await?.task,
        Ask::Suspend => client.perform(&id, &Suspend {}).await?.task,
        Ask::Resume => client.perform(&id, &Resume {}).await?.task,
        Ask::SyncStatus => client.perform(&id, &SyncStatus {}).await?.task,
        Ask::Repair => {
            let wanted = RescueRepair { auto: true, max_wait: Some(TRIAL), ..RescueRepair::default() };
            client.perform(&id, &wanted).await?.task
        }
        Ask::StartRescue(mode) => {
            let ssh_keys = site.key.public().map(|key| vec![key]).unwrap_or_default();
            let wanted = StartRescue {
                disk_mode: Some(mode),
                ssh_keys,
                stop_timeout: Some(GENTLE),
                rescue_image: Some("small".into()),
                reason: Some("chaos".into()),
                ..StartRescue::default()
            };
            client.perform(&id, &wanted).await?.task
        }
        Ask::StopRescue => {
            let end = if chance.percent(50) { OverlayEnd::Commit } else { OverlayEnd::Discard };
            let wanted = StopRescue { stop_timeout: Some(GENTLE), ..StopRescue::default() };
            let with_end = StopRescue { overlay: Some(end), ..wanted.clone() };
            match client.perform(&id, &with_end).await {
                // Only a session with an overlay has one to decide about.
                Err(Error::Api(api)) if api.status == 400 => client.perform(&id, &wanted).await?.task,
                other => other?.task,
            }
        }
    };
    Ok(task.map(|task| task.id))
}

/// Asks until it is told to pause, and goes on when told so.
pub struct Load {
    pub on: watch::Sender<bool>,
    _tasks: Vec<Worker>,
}

struct Worker(JoinHandle<()>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Load {
    /// One worker for each server with real QEMU, one for the simulated ones on processes, two for the rest.
    #[must_use]
    pub fn start(site: &Arc<Site>, fleet: &Arc<Fleet>, chance: &Chance) -> Self {
        let on = watch::Sender::new(false);
        let of = |fits: &dyn Fn(&Member) -> bool| -> Vec<usize> {
            (0..fleet.members.len()).filter(|n| fits(&fleet.members[*n])).collect()
        };
        let mut groups: Vec<(Vec<usize>, (u64, u64))> =
            of(&|member| member.real).into_iter().map(|n| (vec![n], (100, 1500))).collect();
        groups.push((of(&|member| member.ssh_port.is_none() && member.name.starts_with("sim")), (50, 400)));
        let light = of(&|member| member.name.starts_with("light"));
        groups.extend([(light.clone(), (10, 150)), (light, (10, 150))]);
        let groups = groups.into_iter().filter(|(of, _)| !of.is_empty());
        let tasks = groups.enumerate().map(|(n, (of, pause))| {
            let (site, fleet, on) = (Arc::clone(site), Arc::clone(fleet), on.subscribe());
            Worker(tokio::spawn(work(site, fleet, of, pause, on, chance.part(&format!("load {n}")))))
        });
        let tasks = tasks.collect();
        Self { on, _tasks: tasks }
    }
}

async fn work(
    site: Arc<Site>,
    fleet: Arc<Fleet>,
    of: Vec<usize>,
    pause: (u64, u64),
    mut on: watch::Receiver<bool>,
    mut chance: Chance,
) {
    loop {
        if on.wait_for(|on| *on).await.is_err() {
            return;
        }
        tokio::time::sleep(chance.time(pause.0, pause.1)).await;
        let member = &fleet.members[*chance.one(&of)];
        let Ok(server) = show(&site.client, member).await else { continue };
        let may = asks(server.status);
        if may.is_empty() || server.task.is_some() {
            continue;
        }
        let what = *chance.weighted(may);
        if let Ok(Some(task)) = ask(&site, member, what, &mut chance).await {
            fleet.accepted.lock().expect("nobody panics with it").push(task);
        }
    }
}

async fn show(client: &Client, member: &Member) -> Result<Server, Error> {
    let shown = tokio::time::timeout(Duration::from_secs(5), client.get::<Servers>(&member.id.to_string())).await;
    shown.unwrap_or_else(|_| Err(Error::Input("no answer".into())))
}
