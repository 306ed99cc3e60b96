//! Id to handle. Handles are cheap; behind each is one loop that owns its guest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};
use types::id::GuestId;
use types::operation::{Failure, GuestReport, OperationHeader, Outcome};

use super::Work;
use super::actor::{Guest, Job, Own, Progress, View};
use super::console::Console;
use super::desc::Stored;
use super::paths::{Paths, servers};
use crate::env::Env;

/// Requests that may wait for one guest.
const WAITING: usize = 16;

/// A way to one guest.
#[derive(Debug, Clone)]
pub struct Handle {
    jobs: mpsc::Sender<Job>,
    own: mpsc::Sender<Own>,
    view: watch::Receiver<View>,
    progress: Progress,
    console: Console,
    paths: Paths,
}

impl Handle {
    /// Hands the operation over; the receiver gets the outcome when it ends. None: too many wait already.
    #[must_use]
    pub fn operate(&self, header: OperationHeader, work: Work) -> Option<oneshot::Receiver<Outcome>> {
        let (reply, outcome) = oneshot::channel();
        self.jobs.try_send(Job { header, work, place: trace::current(), reply }).ok()?;
        Some(outcome)
    }
    /// Hands over what this host has decided. Where much of it waits already, nothing is lost: it is decided again.
    pub fn tell(&self, own: Own) {
        if self.own.try_send(own).is_err() {
            tracing::debug!(?own, "the guest's owner is busy");
        }
    }
    /// What the running operation says of itself; empty between operations.
    #[must_use]
    pub fn progress(&self) -> super::actor::Said {
        self.progress.said()
    }
    #[must_use]
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }
    /// The guest's files.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.paths
    }
    /// QEMU's VNC server, while the guest runs with one.
    #[must_use]
    pub fn vnc_socket(&self) -> std::path::PathBuf {
        self.paths.sockets().vnc
    }
    /// The desc as it is on disk.
    ///
    /// # Errors
    /// It can't be read.
    pub fn desc(&self) -> Result<Option<Stored>, Failure> {
        Stored::read(&self.paths.desc())
    }
}

/// All guests.
#[derive(Debug)]
pub struct Manager {
    env: Arc<Env>,
    handles: Mutex<HashMap<GuestId, Handle>>,
}

impl Manager {
    /// Finds the guests in the workspace, and takes charge of those that run. One that can't be read is logged and left alone.
    #[must_use]
    pub fn open(env: Arc<Env>) -> Self {
        let manager = Self { env, handles: Mutex::default() };
        let entries = std::fs::read_dir(servers(&manager.env.config.workspace)).into_iter().flatten().flatten();
        for guest in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            if let Err(error) = manager.handle(guest) {
                tracing::error!(%guest, %error, "a guest can't be served");
            }
        }
        manager
    }

    /// The handle of a guest; of one that does not exist as well, so that it can be made.
    ///
    /// # Errors
    /// What is on disk can't be read.
    pub fn handle(&self, guest: GuestId) -> Result<Handle, Failure> {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = handles.get(&guest) {
            return Ok(handle.clone());
        }
        let owner = Guest::open(guest, Arc::clone(&self.env))?;
        let (jobs, receiver) = mpsc::channel(WAITING);
        let (own, own_receiver) = mpsc::channel(WAITING);
        let progress = Progress::default();
        let handle = Handle {
            jobs,
            own,
            view: owner.view.subscribe(),
            progress: progress.clone(),
            console: owner.console.clone(),
            paths: owner.paths.clone(),
        };
        tokio::spawn(owner.serve(receiver, own_receiver, progress));
        handles.insert(guest, handle.clone());
        Ok(handle)
    }

    /// The handle of a guest that exists.
    #[must_use]
    pub fn existing(&self, guest: GuestId) -> Option<Handle> {
        let handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.get(&guest).filter(|handle| handle.view().exists).cloned()
    }

    #[must_use]
    pub fn views(&self) -> Vec<View> {
        let handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.values().map(Handle::view).filter(|view| view.exists).collect()
    }

    #[must_use]
    pub fn reports(&self) -> Vec<GuestReport> {
        self.views().into_iter().map(|view| view.report).collect()
    }
}
