//! Two regions on one database, a host, and servers that are brought to where a story begins.

use api::disk::Disks;
use api::server::{
    AttachDisk, DetachDisk, RescueRepair, Reset, ResizeDisk, Restart, Resume, ServerCreate, Servers, Start,
    StartRescue, Stop, StopRescue, Suspend, SyncStatus,
};
use api::snapshot::{CreateSnapshot, RevertSnapshot, Snapshots};
use diesel_async::RunQueryDsl;
use host_sim::{Behaviour, Verb};
use region::{EngineSetup, Region};
use task_engine::TaskRow;
use testing::{LIMIT, Script, Setup, Stack};
use types::operation::{Failure, FailureCode};
use types::status::OverlayEnd;
use types::{DiskMode, GuestId, GuestStatus, TaskId};

use crate::story::{Ask, Begin, Story, ways_out};

pub fn broken() -> Behaviour {
    let message = "as the test wants".into();
    Behaviour::failing(Failure { code: FailureCode::Internal, message, evidence: vec![] })
}

pub struct Scene {
    pub stack: Stack,
    pub script: Script,
    second: Option<Region>,
    pool: task_engine::Pool,
}

fn engine(script: &Script, replica: usize) -> EngineSetup {
    let intercept = script.at_replica(replica);
    Box::new(move |engine| engine.tuning(testing::tuning()).intercept(intercept))
}

impl Scene {
    pub async fn start() -> Self {
        let script = Script::default();
        let setup = Setup { engine: Some(engine(&script, 0)), ..Setup::default() };
        let stack = crate::stack(setup).await;
        let second = Some(stack.replica_with(engine(&script, 1)).await);
        let pool = db::connect(stack.database_url(), 2).unwrap();
        Self { stack, script, second, pool }
    }

    /// With the stack's region only.
    pub fn alone(stack: Stack) -> Self {
        let pool = db::connect(stack.database_url(), 2).unwrap();
        Self { stack, script: Script::default(), second: None, pool }
    }

    /// Ends one of the two as `kill -9` would.
    pub async fn kill(&mut self, replica: usize) {
        match replica {
            0 => self.stack.kill_region().await,
            _ => {
                if let Some(second) = self.second.take() {
                    second.kill().await;
                }
            }
        }
    }

    pub async fn start_again(&mut self, replica: usize) {
        match replica {
            0 => self.stack.start_region_with(|| engine(&self.script, 0)).await,
            _ => self.second = Some(self.stack.replica_with(engine(&self.script, 1)).await),
        }
    }

    /// The task's row once it has ended; needs no region's API.
    pub async fn ended(&self, task: TaskId) -> TaskRow {
        task_engine::testing::wait_ended(&self.pool, task.uuid(), LIMIT).await
    }

    pub async fn ask(&self, ask: Ask, name: &str) -> TaskId {
        self.try_ask(ask, name).await.unwrap_or_else(|error| panic!("{ask:?} {name}: {error}"))
    }

    pub async fn try_ask(&self, ask: Ask, name: &str) -> Result<TaskId, client::Error> {
        let client = &self.stack.client;
        let task = match ask {
            Ask::Create => {
                // Many have to fit on the host.
                let body = ServerCreate { vmem_size: 256, ..Stack::body(name, true) };
                client.create::<Servers>(&body).await?.task
            }
            Ask::Delete => client.delete::<Servers>(name).await?.task,
            Ask::Start => client.perform(name, &Start {}).await?.task,
            Ask::Stop => client.perform(name, &Stop::default()).await?.task,
            Ask::StartRescue => client.perform(name, &StartRescue::default()).await?.task,
            Ask::StopRescue => match client.perform(name, &StopRescue::default()).await {
                // What was written beside the disks has to be decided on.
                Err(client::Error::Api(error)) if error.details.starts_with("overlay:") => {
                    let discard = StopRescue { overlay: Some(OverlayEnd::Discard), ..StopRescue::default() };
                    client.perform(name, &discard).await?.task
                }
                answer => answer?.task,
            },
            Ask::AutoRepair => {
                client.perform(name, &RescueRepair { auto: true, ..RescueRepair::default() }).await?.task
            }
            Ask::ForceStop => client.perform(name, &Stop { is_force: true, timeout_secs: None }).await?.task,
            Ask::Restart => client.perform(name, &Restart::default()).await?.task,
            Ask::Reset => client.perform(name, &Reset {}).await?.task,
            Ask::Suspend => client.perform(name, &Suspend {}).await?.task,
            Ask::Resume => client.perform(name, &Resume {}).await?.task,
            Ask::SyncStatus => client.perform(name, &SyncStatus {}).await?.task,
            Ask::AttachDisk => {
                client.perform(name, &AttachDisk { size: Some(10), ..AttachDisk::default() }).await?.task
            }
            Ask::ResizeDisk => {
                let disk = self.stack.show(name).await.disks[0].clone();
                client.perform(name, &ResizeDisk { disk_id: disk.serial, size: disk.size + 10 }).await?.task
            }
            Ask::CreateSnapshot => {
                let action = CreateSnapshot { name: name.into(), ..CreateSnapshot::default() };
                client.perform(name, &action).await?.task
            }
            Ask::RevertSnapshot => client.perform(name, &RevertSnapshot { snapshot_id: name.into() }).await?.task,
            Ask::DeleteSnapshot => client.delete::<Snapshots>(name).await?.task,
            Ask::DeleteDisk => client.delete::<Disks>(&self.detached(name).await).await?.task,
            Ask::BatchStartRescue | Ask::BatchAutoRepair => {
                let web = self.stack.web().await;
                let (path, options) = match ask {
                    Ask::BatchAutoRepair => ("/servers/rescue-repair", serde_json::json!({ "auto": true })),
                    _ => ("/servers/start-rescue", serde_json::json!({})),
                };
                let body = serde_json::json!({ "ids": [name], "options": options });
                let (code, answer) = web.send(web.request("POST", path).json(&body)).await;
                assert_eq!(code, 202, "{answer}");
                serde_json::from_value(answer["task"].clone()).unwrap()
            }
        };
        Ok(task.expect("a task").id)
    }

    /// The disk that was taken from a server.
    async fn detached(&self, name: &str) -> String {
        #[derive(diesel::QueryableByName)]
        struct Id {
            #[diesel(sql_type = diesel::sql_types::Text)]
            id: String,
        }
        let guest = self.stack.show(name).await.id;
        let sql = format!("select id::text as id from detached_disks where last_guest_id = '{guest}'");
        let mut conn = self.stack.connection().await;
        let found: Id = diesel::sql_query(sql).get_result(&mut conn).await.unwrap();
        found.id
    }

    async fn done(&self, ask: Ask, name: &str) {
        let task = self.ask(ask, name).await;
        self.ended(task).await;
    }

    /// Brings a new server to where the story begins. `None`: there is to be none yet.
    pub async fn begin(&self, story: &Story, name: &str) -> Option<GuestId> {
        if story.begin == Begin::Nowhere {
            return None;
        }
        self.done(Ask::Create, name).await;
        let guest = self.stack.show(name).await.id;
        match story.begin {
            Begin::Nowhere | Begin::On => {}
            Begin::Off => self.done(Ask::Stop, name).await,
            Begin::InRescue => self.done(Ask::StartRescue, name).await,
            Begin::InOverlay => {
                let overlay = StartRescue { disk_mode: Some(DiskMode::Overlay), ..StartRescue::default() };
                let task = self.stack.client.perform(name, &overlay).await.unwrap().task;
                self.ended(task.unwrap().id).await;
            }
            Begin::StartRescueFailed => {
                self.fails(guest, &[Verb::AwaitReady, Verb::RestoreDesc]);
                self.done(Ask::StartRescue, name).await;
            }
            Begin::StopRescueFailed => {
                self.done(Ask::StartRescue, name).await;
                self.fails(guest, &[Verb::RestoreDesc]);
                self.done(Ask::StopRescue, name).await;
            }
            Begin::Suspended => self.done(Ask::Suspend, name).await,
            Begin::Snapshotted => {
                self.done(Ask::Stop, name).await;
                self.done(Ask::CreateSnapshot, name).await;
            }
            Begin::Detached => {
                self.done(Ask::AttachDisk, name).await;
                let disk_id = self.stack.show(name).await.disks[1].serial.clone();
                let task = self.stack.client.perform(name, &DetachDisk { disk_id }).await.unwrap().task;
                self.ended(task.unwrap().id).await;
            }
        }
        let wanted = match story.begin {
            Begin::Nowhere => return None,
            Begin::Off | Begin::Snapshotted => GuestStatus::Ready,
            Begin::On | Begin::Detached => GuestStatus::Running,
            Begin::Suspended => GuestStatus::Suspended,
            Begin::InRescue | Begin::InOverlay => GuestStatus::Rescue,
            Begin::StartRescueFailed => GuestStatus::StartRescueFailed,
            Begin::StopRescueFailed => GuestStatus::StopRescueFailed,
        };
        assert_eq!(self.stack.show(name).await.status, wanted, "where '{}' begins", story.name);
        self.fails(guest, story.fails);
        Some(guest)
    }

    fn fails(&self, guest: GuestId, verbs: &[Verb]) {
        verbs.iter().for_each(|verb| self.stack.host.rule(Some(*verb), Some(guest), Some(1), broken()));
    }

    /// What the host carried out for a task, in order, however often.
    pub fn carried_out(&self, since: usize, guest: GuestId) -> Vec<Verb> {
        let all = self.stack.host.executions();
        all[since..].iter().filter(|it| it.guest == guest).map(|it| it.verb).collect()
    }

    /// The story has ended as its row says.
    pub async fn check(
        &self,
        story: &Story,
        name: &str,
        guest: Option<GuestId>,
        since: usize,
        row: &TaskRow,
        at: &str,
    ) {
        assert_eq!(row.state, format!("{:?}", story.task).to_lowercase(), "{at}: {:?}", row.cause());
        let guest = match (guest, story.status) {
            (Some(guest), _) => guest,
            (None, _) => self.stack.show(name).await.id,
        };
        match story.status {
            Some(status) => {
                let server = self.stack.show(name).await;
                assert_eq!((server.status, server.task), (status, None), "{at}");
            }
            None => {
                let error = self.stack.client.get::<Servers>(name).await.err();
                assert!(error.is_some_and(|error| error.is_not_found()), "{at}: it is still there");
            }
        }
        assert_eq!(self.carried_out(since, guest), story.host, "{at}: each once, in order");
        let mut conn = self.stack.connection().await;
        let session = db::session::latest_of(&mut conn, guest).await.unwrap();
        assert_eq!(session.map(|s| s.state), story.session, "{at}");
        self.check_all(at).await;
    }

    /// What holds of everything, whatever happened.
    pub async fn check_all(&self, at: &str) {
        let mut conn = self.stack.connection().await;
        let wrong = [
            (
                "sessions that have ended and keep credentials",
                "rescue_sessions where ended_at is not null and credentials is not null",
            ),
            ("open sessions without credentials", "rescue_sessions where ended_at is null and credentials is null"),
            (
                "sessions whose state does not say whether they have ended",
                "rescue_sessions where (ended_at is null) <> (state in ('starting', 'active', 'confirming', 'stopping'))",
            ),
            (
                "sessions open where no server is in rescue",
                "rescue_sessions s join guests g on g.id = s.guest_id where s.ended_at is null \
              and g.status not in ('start_rescue', 'rescue', 'stop_rescue', 'stop_rescue_failed')",
            ),
            (
                "servers in rescue without a session",
                "guests g where g.status = 'rescue' and not exists (select from rescue_sessions s where s.guest_id = g.id and s.state = 'active')",
            ),
            ("tasks alive", "tasks where ended_at is null"),
            (
                "operations on their way where no task is",
                "guests where deleted_at is null and status in \
              ('creating', 'starting', 'stopping', 'start_rescue', 'stop_rescue', 'deleting', 'restarting', 'suspending', \
              'resuming', 'change_config', 'attach_disk', 'detach_disk', 'disk_resize', 'snapshot', 'snapshot_delete', 'disk_reset')",
            ),
            ("disks on their way where no task is", "detached_disks where status = 'deleting'"),
            ("snapshots on their way where no task is", "snapshots where status in ('creating', 'deleting')"),
        ];
        for (what, from) in wrong {
            #[derive(diesel::QueryableByName)]
            struct Count {
                #[diesel(sql_type = diesel::sql_types::BigInt)]
                n: i64,
            }
            let sql = format!("select count(*) as n from {from}");
            let count: Count = diesel::sql_query(sql).get_result(&mut conn).await.unwrap();
            assert_eq!(count.n, 0, "{at}: {what}");
        }
        for execution in self.stack.host.executions() {
            let times = self.stack.host.executed(execution.operation);
            assert_eq!(times, 1, "{at}: {} was carried out {times} times", execution.verb);
        }
    }

    /// Takes one of the ways out of where the server is. `turn` says which, so that in the long run each is taken.
    pub async fn leave(&self, name: &str, turn: usize, at: &str) {
        let server = self.stack.show(name).await;
        let ways = ways_out(server.status);
        assert!(!ways.is_empty(), "{at}: {} is a dead end", server.status);
        let (ask, to) = ways[turn % ways.len()];
        let at = format!("{at}, then {ask:?} out of {}", server.status);
        let task = self.try_ask(ask, name).await.unwrap_or_else(|error| panic!("{at}: {error}"));
        let row = self.ended(task).await;
        assert_eq!(row.state, "succeeded", "{at}: {:?}", row.cause());
        match to {
            Some(status) => assert_eq!(self.stack.show(name).await.status, status, "{at}"),
            None => assert!(self.stack.host.guest(server.id).is_none(), "{at}"),
        }
        if to == Some(GuestStatus::Rescue) {
            let task = self.ask(Ask::StopRescue, name).await;
            let row = self.ended(task).await;
            assert_eq!(row.state, "succeeded", "{at}, then out of rescue: {:?}", row.cause());
        }
        if let Some(guest) = self.stack.host.guest(server.id) {
            assert!(guest.desc.rescue.is_none(), "{at}: the host's desc is the one of before");
        }
        self.check_all(&at).await;
    }

    pub async fn finish(mut self) {
        self.kill(1).await;
        self.stack.finish().await;
    }
}
