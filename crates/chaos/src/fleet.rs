//! The servers of a campaign, where each is, and what it was like before anything happened to it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::server::{DiskCreate, NetCreate, ServerCreate, Servers};
use api::task::TaskState;
use host_sim::SimHandle;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use types::desc::PortForward;
use types::rescue::hex;
use types::{GuestId, TaskId};

use crate::options::Options;
use crate::site::Site;

/// Where a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On a host that is a process: its number in [`Site::nodes`].
    Node(usize),
    /// On a simulated host: its number in [`Site::simulated`].
    Simulated(usize),
}

#[derive(Debug, Clone)]
pub struct Member {
    pub name: String,
    pub id: GuestId,
    pub place: Place,
    /// QEMU is the real one.
    pub real: bool,
    /// In its host's network, leads to its port 22.
    pub ssh_port: Option<u16>,
    /// The digest of its desc as it is outside of rescue.
    pub desc: String,
}

pub struct Fleet {
    pub members: Vec<Member>,
    /// Every task that was promised by a 202.
    pub accepted: Mutex<Vec<TaskId>>,
    /// Servers whose power was cut by a fault; with the last task that was known of each when they were looked at first after it.
    struck: Mutex<HashMap<GuestId, Option<String>>>,
}

const MADE: Duration = Duration::from_secs(240);

impl Fleet {
    /// Makes all of them, half of them running.
    ///
    /// # Errors
    /// One can't be made.
    pub async fn make(site: &Site, options: &Options) -> Result<Self> {
        let mut wanted = Vec::new();
        for n in 0..options.real {
            wanted.push((format!("real{n}"), Place::Node(0)));
        }
        for n in 0..options.programs {
            wanted.push((format!("sim{n}"), Place::Node(1)));
        }
        for n in 0..options.simulated {
            wanted.push((format!("light{n}"), Place::Simulated(n % options.hosts.max(1))));
        }
        let mut members = Vec::new();
        for few in wanted.chunks(16) {
            let mut made = JoinSet::new();
            for (at, (name, place)) in few.iter().cloned().enumerate() {
                made.spawn(make(site.client.clone(), name, place, at));
            }
            while let Some(member) = made.join_next().await {
                members.push(member??);
            }
        }
        members.sort_by(|a, b| a.name.cmp(&b.name));
        for member in &mut members {
            member.desc = member.desc_now(site).with_context(|| member.name.clone())?;
        }
        Ok(Self { members, accepted: Mutex::default(), struck: Mutex::default() })
    }

    /// Its power was cut.
    pub fn strike(&self, guest: GuestId) {
        self.struck.lock().expect("nobody panics with it").insert(guest, None);
    }

    /// Whether its power was cut at its last task, or after it.
    pub fn was_struck(&self, guest: GuestId, last: Option<&str>) -> bool {
        let mut struck = self.struck.lock().expect("nobody panics with it");
        match struck.get_mut(&guest) {
            None => false,
            Some(seen @ None) => {
                *seen = Some(last.unwrap_or_default().to_owned());
                true
            }
            Some(Some(seen)) => seen == last.unwrap_or_default(),
        }
    }

    pub fn at(&self, place: Place) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.place == place)
    }
}

impl Member {
    /// The digest of its desc, as its host has it now.
    ///
    /// # Errors
    /// Its host has none.
    pub fn desc_now(&self, site: &Site) -> Result<String> {
        match self.place {
            Place::Node(n) => {
                let file = self.folder(site, n).join("desc");
                let text = std::fs::read(&file).with_context(|| file.display().to_string())?;
                Ok(hex(&Sha256::digest(text)))
            }
            Place::Simulated(n) => {
                let guest = self.simulated(&site.simulated[n].0)?;
                Ok(host_sim::guests::digest(&guest.desc))
            }
        }
    }

    /// Its folder on a host that is a process.
    #[must_use]
    pub fn folder(&self, site: &Site, node: usize) -> std::path::PathBuf {
        site.nodes[node].workspace.join("servers").join(self.id.to_string())
    }

    fn simulated(&self, host: &SimHandle) -> Result<host_sim::SimGuest> {
        host.guest(self.id).with_context(|| format!("{} does not know {}", host.name(), self.name))
    }
}

async fn make(client: client::Client, name: String, place: Place, at: usize) -> Result<Member> {
    let (host, image, ssh_port) = match place {
        Place::Node(0) => ("real".to_owned(), Some("tiny.qcow2".into()), u16::try_from(2200 + at).ok()),
        Place::Node(_) => ("sim".to_owned(), None, None),
        Place::Simulated(n) => (format!("host{}", n + 1), None, None),
    };
    let forwards = ssh_port.map(|port| PortForward { host_port: port, guest_port: 22 });
    let disk = DiskCreate { size: if image.is_some() { 0 } else { 16 }, image, ..DiskCreate::default() };
    let wanted = ServerCreate {
        vmem_size: 256,
        nets: forwards.map(|it| NetCreate { forwards: vec![it], ..NetCreate::default() }).into_iter().collect(),
        auto_start: at.is_multiple_of(2),
        prefer_host: Some(host),
        ..ServerCreate::new(&name, vec![disk])
    };
    let created = client.create::<Servers>(&wanted).await.with_context(|| format!("{name} can't be made"))?;
    let task = created.task.context("creating is a task")?.id;
    let task = tokio::time::timeout(MADE, client.wait_task(task, |_| ())).await.context("it is not made")??;
    if task.state != TaskState::Succeeded {
        bail!("{name} is not made: {:?}", task.cause);
    }
    Ok(Member { name, id: created.resource.id, place, real: place == Place::Node(0), ssh_port, desc: String::new() })
}
