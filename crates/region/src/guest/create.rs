//! `POST /servers`: a row, a host, a desc; then the host makes the disks.

use std::time::Duration;

use api::server::ServerCreate;
use chrono::Utc;
use db::guest::Guest;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use task_engine::{Next, StepError, Task, TaskCx};
use types::operation::Outcome;
use types::{GuestId, GuestStatus, HostId, PowerState};

use crate::app::App;
use crate::dispatch::perform::Note;
use crate::dispatch::{Create, Created, Cx};
use crate::error::{Error, Result};
use crate::guest::update::taken;
use crate::guest::work::{self, Change};
use crate::guest::{OBJECT, placement};
use crate::host_client::{Call, ask, unexpected};

impl Create for Guest {
    type Body = ServerCreate;

    /// Each by itself: those that can't be are told beside those that can.
    fn many(body: &ServerCreate) -> Result<Vec<ServerCreate>> {
        body.check()?;
        if body.count == 1 {
            return Ok(Vec::new());
        }
        Ok((0..body.count).map(|n| body.nth(n)).collect())
    }

    async fn create(body: ServerCreate, cx: &mut Cx<'_>) -> Result<Created<Self>> {
        body.check()?;
        let project = cx.caller.project.clone();
        let project = project.ok_or_else(|| Error::input("the token has no project: log in with one"))?;
        let host = placement::host(cx.app, cx.conn, &body).await?;
        let id = GuestId::generate();
        let desc = placement::desc(id, &body, &host)?;
        let now = Utc::now();
        let guest = Guest {
            id,
            name: body.name.clone(),
            project,
            status: GuestStatus::Creating,
            status_reason: None,
            power_state: PowerState::Shutoff,
            power_changed_at: now,
            host_id: host.id,
            hypervisor: body.hypervisor.clone(),
            vcpu_count: i32::try_from(body.vcpu_count).map_err(Error::internal)?,
            vmem_size: i32::try_from(body.vmem_size).map_err(Error::internal)?,
            desc: serde_json::to_value(&desc)?,
            metadata: serde_json::to_value(&body.metadata)?,
            rescue_session_id: None,
            created_at: now,
            updated_at: now,
            update_version: 0,
            deleted_at: None,
            description: body.description.clone(),
        };
        db::guest::insert(cx.conn, &guest).await.map_err(|e| taken(&body.name, e))?;
        let task = ServerCreateTask { guest: id, host: host.id, start: body.auto_start };
        let spawned = cx.start(&task, OBJECT, id.uuid()).await?;
        cx.event(Note {
            obj_type: OBJECT,
            obj_id: id.uuid(),
            obj_name: &guest.name,
            action: "create",
            success: true,
            notes: format!("on host {}", host.name),
            status: None,
            task: Some(spawned.id),
        })
        .await?;
        Ok(Created { model: guest, task: Some(spawned) })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerCreateTask {
    guest: GuestId,
    host: HostId,
    start: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    CreateDisks,
    StartServer,
}

impl Task for ServerCreateTask {
    const NAME: &'static str = "ServerCreateTask";
    type Env = App;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        match stage {
            Stage::CreateDisks => {
                let desc_json = work::guest(cx.env(), self.guest).await?.desc.to_string();
                let call = Call::Create(pb::CreateGuestRequest { operation: None, desc_json });
                match ask(cx, self.host, self.guest, call).await? {
                    None => Ok(Next::wait(stage, Self::limit(&stage))),
                    Some(Outcome::Created { .. }) if self.start => Ok(Next::go(Stage::StartServer)),
                    Some(Outcome::Created { .. }) => self.end(cx, GuestStatus::Ready, PowerState::Shutoff, "created"),
                    Some(other) => Err(unexpected(&other)),
                }
            }
            Stage::StartServer => {
                match ask(cx, self.host, self.guest, Call::Start(pb::StartGuestRequest::default())).await? {
                    None => Ok(Next::wait(stage, Self::limit(&stage))),
                    Some(Outcome::Started) => {
                        self.end(cx, GuestStatus::Running, PowerState::Running, "created and started")
                    }
                    Some(other) => Err(unexpected(&other)),
                }
            }
        }
    }

    async fn failed(&self, at: Stage, cause: &StepError, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let why = work::why(cx, cause);
        let to = match at {
            Stage::CreateDisks => GuestStatus::CreateFailed,
            Stage::StartServer => GuestStatus::StartFailed,
        };
        work::change(
            cx,
            Change {
                guest: self.guest,
                to,
                power: None,
                reason: Some(why.cause.clone()),
                action: "create",
                success: false,
                notes: why.cause,
            },
        );
        Ok(Next::done(()))
    }

    /// A disk may be a copy of a large image.
    fn limit(stage: &Stage) -> Duration {
        match stage {
            Stage::CreateDisks => Duration::from_secs(3600),
            Stage::StartServer => Duration::from_secs(120),
        }
    }
}

impl ServerCreateTask {
    fn end(
        &self,
        cx: &mut TaskCx<'_, App>,
        to: GuestStatus,
        power: PowerState,
        notes: &str,
    ) -> Result<Next<Stage>, StepError> {
        work::change(
            cx,
            Change {
                guest: self.guest,
                to,
                power: Some(power),
                reason: None,
                action: "create",
                success: true,
                notes: notes.into(),
            },
        );
        Ok(Next::done(()))
    }
}
