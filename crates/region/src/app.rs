//! What every request and every task of one region process shares.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use db::Pool;

use crate::auth::Authority;
use crate::auth::attempts::Attempts;
use crate::auth::oidc::Issuers;
use crate::config::Config;
use crate::console::Consoles;
use crate::dispatch::totals::Totals;
use crate::host_client::Hosts;
use crate::policy::Book;
use crate::secrets::SecretKey;
use crate::stream::Feed;
use crate::upcall::names::Names;
use crate::upcall::reports::Reports;

/// Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub struct Inner {
    pub config: Config,
    pub pool: Pool,
    /// The task engine's.
    pub task_pool: Pool,
    /// For what hosts and agents say.
    pub upcall_pool: Pool,
    pub hosts: Hosts,
    pub secrets: SecretKey,
    pub authority: Authority,
    pub attempts: Attempts,
    pub issuers: Issuers,
    pub policies: Book,
    pub totals: Totals,
    /// Wakes the task engine; to be called after the commit that started a task.
    pub waker: task_engine::Waker,
    pub reports: Reports,
    pub host_names: Names,
    pub feed: Feed,
    pub consoles: Consoles,
    /// Region as clients reach it: `http://IP:PORT`.
    pub public_url: String,
    /// Whose signature makes a rescue image bootable.
    pub trust: artifact::Trust,
}

impl App {
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Who was heard before this is offline.
    #[must_use]
    pub fn heard_since(&self) -> DateTime<Utc> {
        Utc::now() - Duration::from_secs(self.config.heartbeat.limit_s.into())
    }
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}
