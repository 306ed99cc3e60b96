//! `POST /servers/start-rescue` and `POST /servers/rescue-repair`: many servers, a few at a time. The parent begins each in the name of
//! whoever asked, with the same checks as for one, and ends when the last child has. A verb says what differs: [`Many`].

use std::collections::HashSet;
use std::time::Duration;

use api::Action;
use api::ErrorClass;
use api::server::{BatchRescueRepair, BatchStartRescue, MAX_BATCH, RescueRepair, Servers, StartRescue};
use db::filter::{Page, Where};
use db::guest::Guest;
use diesel_async::AsyncConnection;
use serde::{Deserialize, Serialize};
use task_engine::{Next, Spawned, StepError, Task, TaskCx};
use types::GuestId;

use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::{Cx, List, Model, Perform, PerformClass, Query, filter};
use crate::error::{Error, Result};
use crate::policy::Rule;

/// A verb that many servers can be asked for at once.
pub trait Many: Action<On = Servers> + Clone {
    /// Stored data: renaming it orphans the rows of before.
    const TASK: &'static str;
    /// What the servers are on which it has succeeded.
    const DONE: &'static str;
    /// The rule of the verb on one.
    const RULE: Rule = Rule {
        service: "compute",
        resource: "servers",
        word: "server",
        action: "perform",
        extra: Some(<Self as Action>::NAME),
    };
}

impl Many for StartRescue {
    const TASK: &'static str = "BatchStartRescueTask";
    const DONE: &'static str = "in rescue";
}

impl Many for RescueRepair {
    const TASK: &'static str = "BatchRescueRepairTask";
    const DONE: &'static str = "repaired, or had nothing to repair";
}

impl PerformClass<BatchStartRescue> for Guest {
    async fn perform_class(action: BatchStartRescue, cx: &mut Cx<'_>) -> Result<Spawned> {
        let BatchStartRescue { ids, filter, max_parallel, abort_on_failures, options } = action;
        begin(&Chosen { ids, filter }, options, max_parallel, abort_on_failures, cx).await
    }
}

impl PerformClass<BatchRescueRepair> for Guest {
    async fn perform_class(action: BatchRescueRepair, cx: &mut Cx<'_>) -> Result<Spawned> {
        let BatchRescueRepair { ids, filter, max_parallel, abort_on_failures, options } = action;
        begin(&Chosen { ids, filter }, options, max_parallel, abort_on_failures, cx).await
    }
}

struct Chosen {
    ids: Vec<String>,
    filter: Vec<String>,
}

async fn begin<A: Many>(
    chosen: &Chosen,
    options: A,
    max_parallel: u32,
    abort_on_failures: u32,
    cx: &mut Cx<'_>,
) -> Result<Spawned>
where
    Guest: Perform<A>,
{
    let guests = find(chosen, &A::RULE, cx).await?;
    let (max_parallel, abort_on_failures) = (max_parallel as usize, abort_on_failures as usize);
    cx.start_parent(&BatchTask { guests, options, max_parallel, abort_on_failures }).await
}

/// The servers that are meant: each by id or name, and all that the filters find. Foreign ones do not exist.
async fn find(chosen: &Chosen, rule: &Rule, cx: &mut Cx<'_>) -> Result<Vec<GuestId>> {
    let access = cx.app.policies.require(cx.conn, cx.caller, rule).await?;
    let mut guests = Vec::new();
    for ident in &chosen.ids {
        let guest = Guest::find(cx.conn, ident).await?;
        if !access.reaches(Some(&guest.project)) {
            return Err(Error::not_found("server", ident));
        }
        guests.push(guest.id);
    }
    if !chosen.filter.is_empty() {
        let query =
            chosen.filter.iter().zip(0..).fold(Query::default(), |q, (f, n)| q.with(&format!("filter.{n}"), f.clone()));
        let page = filter::page(&query, Guest::COLUMNS, Guest::SEARCH, Guest::ORDER)?;
        let base = Where::all(access.condition(Guest::PROJECT, rule)?.into_iter().collect());
        let page = Page { base, limit: MAX_BATCH as i64 + 1, offset: 0, ..page };
        let (found, _) = db::guest::list(cx.conn, &page).await?;
        guests.extend(found.into_iter().map(|(guest, _)| guest.id));
    }
    let mut seen = HashSet::new();
    guests.retain(|id| seen.insert(*id));
    if guests.is_empty() {
        return Err(Error::new(ErrorClass::ResourceNotFound, "no server fits the filter"));
    }
    if guests.len() > MAX_BATCH {
        return Err(Error::input(format!("these are more than {MAX_BATCH} servers: narrow the filter")));
    }
    Ok(guests)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct BatchTask<A: Many> {
    guests: Vec<GuestId>,
    options: A,
    max_parallel: usize,
    abort_on_failures: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    StartChildren {
        /// Those that could not begin, and why.
        refused: Vec<(GuestId, String)>,
    },
}

impl Default for Stage {
    fn default() -> Self {
        Self::StartChildren { refused: Vec::new() }
    }
}

impl<A: Many> Task for BatchTask<A>
where
    Guest: Perform<A>,
{
    const NAME: &'static str = A::TASK;
    type Env = App;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let Stage::StartChildren { mut refused } = stage;
        let children = cx.children().await?;
        let begun: HashSet<_> = children.iter().filter_map(|c| c.obj_id).collect();
        let mut live = children.iter().filter(|c| c.ended_at.is_none()).count();
        let failed = children.iter().filter(|c| c.ended_at.is_some() && c.cause.is_some()).count();
        let (id, app) = (cx.id(), cx.env().clone());
        let request = cx.request_id().unwrap_or_default().to_owned();
        let caller = Caller::from_json(cx.created_by().unwrap_or(&serde_json::Value::Null), request);

        let waiting = |refused: &[(GuestId, String)]| -> Vec<GuestId> {
            let is_new = |g: &&GuestId| !begun.contains(&g.uuid()) && !refused.iter().any(|(r, _)| r == *g);
            self.guests.iter().filter(is_new).copied().collect()
        };
        let mut left = waiting(&refused);
        let aborted = |refused: usize| self.abort_on_failures > 0 && failed + refused >= self.abort_on_failures;
        let mut started = 0;
        for guest in left.iter().copied() {
            if live >= self.max_parallel || aborted(refused.len()) {
                break;
            }
            match self.begin(&app, &caller, id, guest).await {
                Ok(()) => (live, started) = (live + 1, started + 1),
                Err(error) if error.class == ErrorClass::ServiceUnavailable => {
                    return Err(StepError::transient(error.details));
                }
                Err(error) => refused.push((guest, error.details)),
            }
        }
        let refusals = refused.len();
        left.retain(|g| !refused.iter().any(|(r, _)| r == g));
        if live > 0 || (left.len() > started && !aborted(refusals)) {
            return Ok(Next::wait(Stage::StartChildren { refused }, Self::limit(&Stage::default()))
                .poll_after(Duration::from_secs(1)));
        }
        let done = children.len() - failed;
        let not_begun = left.len() - started;
        if failed + refusals + not_begun == 0 {
            return Ok(Next::done(serde_json::json!({ "succeeded": done })));
        }
        let evidence: Vec<String> = refused.iter().map(|(guest, why)| format!("{guest}: {why}")).collect();
        Err(StepError::permanent(format!(
            "{done} of {} are {}; {failed} failed, {refusals} could not begin, {not_begun} were not begun",
            self.guests.len(),
            A::DONE
        ))
        .with_code("some_failed")
        .with_detail(serde_json::json!({ "evidence": evidence })))
    }

    fn limit(_: &Stage) -> Duration {
        Duration::from_secs(24 * 3600)
    }
    fn cancellable(_: &Stage) -> bool {
        true
    }
}

impl<A: Many> BatchTask<A>
where
    Guest: Perform<A>,
{
    /// Begins one as a child. May run twice: then the guest is busy with the first child, which is known.
    async fn begin(&self, app: &App, caller: &Caller, parent: uuid::Uuid, guest: GuestId) -> Result<()> {
        let mut conn = app.pool.get().await?;
        conn.transaction(async |conn| {
            let access = app.policies.require(conn, caller, &A::RULE).await?;
            let missing = || Error::not_found("server", &guest.to_string());
            let guest = db::guest::lock(conn, guest).await?.ok_or_else(missing)?;
            if !access.reaches(Some(&guest.project)) {
                return Err(missing());
            }
            if !<Guest as Perform<A>>::FROM.contains(&guest.status) {
                return Err(Error::status(format!("server '{}' is in {}", guest.name, guest.status)));
            }
            let mut cx = Cx { app, conn, caller, parent: Some(parent) };
            <Guest as Perform<A>>::perform(guest, self.options.clone(), &mut cx).await.map(drop)
        })
        .await
    }
}
