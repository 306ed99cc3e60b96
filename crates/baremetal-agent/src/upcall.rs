//! Tells region who serves what: registration, then heartbeats at the pace that region names, at once when other images pass their check, and a last
//! one that says the agent is going away. Region's absence changes nothing for those who fetch files.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proto::host::v1::RescueImage;
use proto::region::v1::agent_upcall_service_client::AgentUpcallServiceClient;
use proto::region::v1::{AgentHeartbeatRequest, AgentImage, RegisterAgentRequest};
use service::tls::TlsError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Status};
use types::desc::BootFile;

use crate::catalogue::{Catalogue, Image};
use crate::config::Config;
use crate::tree::{Transfers, Tree};

/// For one call.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// For the last word: the process is to end.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

pub struct Upcall {
    client: AgentUpcallServiceClient<Channel>,
    name: String,
    zone: String,
    http_endpoint: String,
    tftp_endpoint: String,
    catalogue: watch::Receiver<Arc<Catalogue>>,
    transfers: Transfers,
}

/// What region knows of this agent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    /// Known to region under this id; `None`: to be registered.
    id: Option<String>,
    interval: Duration,
    /// Calls in a row that failed.
    failures: u32,
}

/// After a call: the new standing, and how long to wait. Pure.
fn next(standing: Standing, result: Result<Option<(String, Duration)>, Code>) -> (Standing, Duration) {
    match result {
        Ok(Some((id, interval))) => (Standing { id: Some(id), interval, failures: 0 }, interval),
        Ok(None) => {
            let interval = standing.interval;
            (Standing { failures: 0, ..standing }, interval)
        }
        // Region has forgotten this agent: tell it anew, at once, unless it just said so.
        Err(Code::NotFound) if standing.id.is_some() => (Standing { id: None, ..standing }, Duration::ZERO),
        Err(_) => {
            let pause = FIRST_PAUSE.saturating_mul(1 << standing.failures.min(10)).min(LONGEST_PAUSE);
            (Standing { failures: standing.failures.saturating_add(1), ..standing }, pause)
        }
    }
}

impl Upcall {
    /// # Errors
    /// The endpoint or the certificates can't be used.
    pub fn new(config: &Config, http_endpoint: String, tftp_endpoint: String, tree: &Tree) -> Result<Self, TlsError> {
        let channel = service::tls::channel(&config.region.endpoint, service::tls::REGION, config.tls.as_ref())?;
        Ok(Self {
            client: AgentUpcallServiceClient::new(channel),
            name: config.name.clone(),
            zone: config.zone.clone(),
            http_endpoint,
            tftp_endpoint,
            catalogue: tree.watch(),
            transfers: tree.transfers(),
        })
    }

    /// Until `draining`; then says so and ends.
    pub async fn run(mut self, draining: CancellationToken) {
        let mut standing = Standing { id: None, interval: DEFAULT_INTERVAL, failures: 0 };
        loop {
            let result = tokio::select! {
                result = self.call(standing.id.as_deref()) => result,
                () = draining.cancelled() => break,
            };
            self.log(&standing, &result);
            let (after, wait) = next(standing, result.map_err(|status| status.code()));
            standing = after;
            metrics::gauge!("baremetal_agent_registered")
                .set(f64::from(u8::from(standing.id.is_some() && standing.failures == 0)));
            tokio::select! {
                () = tokio::time::sleep(jitter(wait)) => {}
                // Only where region listens: while it is away, a change does not make it come back.
                Ok(()) = self.catalogue.changed(), if standing.failures == 0 => {}
                () = draining.cancelled() => break,
            }
        }
        if let Some(id) = standing.id {
            self.farewell(id).await;
        }
    }

    /// Registers, or sends a heartbeat.
    async fn call(&mut self, id: Option<&str>) -> Result<Option<(String, Duration)>, Status> {
        let images = images(&self.catalogue.borrow_and_update());
        let call = async {
            match id {
                None => {
                    let request = RegisterAgentRequest {
                        name: self.name.clone(),
                        version: env!("CARGO_PKG_VERSION").into(),
                        zone: self.zone.clone(),
                        http_endpoint: self.http_endpoint.clone(),
                        tftp_endpoint: self.tftp_endpoint.clone(),
                        images,
                    };
                    let answer = self.client.register_agent(request).await?.into_inner();
                    let interval = Duration::from_secs(answer.heartbeat_interval_s.clamp(1, 300).into());
                    Ok(Some((answer.agent_id, interval)))
                }
                Some(id) => {
                    let request = AgentHeartbeatRequest {
                        agent_id: id.into(),
                        images,
                        draining: false,
                        transfers: self.transfers.count(),
                    };
                    self.client.agent_heartbeat(request).await?;
                    Ok(None)
                }
            }
        };
        tokio::time::timeout(CALL_LIMIT, call)
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
    }

    async fn farewell(&mut self, agent_id: String) {
        let images = images(&self.catalogue.borrow());
        let request = AgentHeartbeatRequest { agent_id, images, draining: true, transfers: self.transfers.count() };
        match tokio::time::timeout(FAREWELL_LIMIT, self.client.agent_heartbeat(request)).await {
            Ok(Ok(_)) => tracing::info!("region knows that this agent is going away"),
            Ok(Err(status)) => tracing::warn!(%status, "region could not be told that this agent is going away"),
            Err(_) => tracing::warn!("region could not be told in time that this agent is going away"),
        }
    }

    /// A change of standing is told; the same failure again is not.
    fn log(&self, before: &Standing, result: &Result<Option<(String, Duration)>, Status>) {
        match result {
            Ok(Some((id, interval))) => {
                tracing::info!(agent = %id, name = self.name, zone = self.zone, http = self.http_endpoint, tftp = self.tftp_endpoint, ?interval, "registered with region");
            }
            Ok(None) if before.failures > 0 => tracing::info!("region answers again"),
            Ok(None) => {}
            Err(status) if status.code() == Code::NotFound && before.id.is_some() => {
                tracing::warn!("region does not know this agent any more: registering anew");
            }
            Err(status) if before.failures == 0 => {
                let hint = hint(status.code());
                tracing::warn!(code = ?status.code(), message = status.message(), hint, "region can't be told; files are served on");
            }
            Err(status) => tracing::debug!(%status, failures = before.failures, "region still can't be told"),
        }
    }
}

fn hint(code: Code) -> &'static str {
    match code {
        Code::PermissionDenied | Code::Unauthenticated => {
            "the certificate must be for <name>.agent.lifeboat and of region's authority"
        }
        Code::InvalidArgument => "region does not accept what this agent says of itself; compare the versions",
        _ => "is region.endpoint right, and is region up?",
    }
}

fn images(catalogue: &Catalogue) -> Vec<AgentImage> {
    catalogue.images.values().map(|image| announce(image)).collect()
}

fn announce(image: &Image) -> AgentImage {
    let manifest = &image.manifest;
    AgentImage {
        image: Some(RescueImage {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            serial: manifest.serial,
            kernel: Some(BootFile::from(&manifest.kernel).into()),
            initramfs: Some(BootFile::from(&manifest.initramfs).into()),
            cmdline: manifest.cmdline.clone(),
            min_memory_mib: manifest.min_memory_mib,
        }),
        arch: manifest.arch.to_string(),
        manifest: image.json.to_vec(),
        signature: String::from_utf8_lossy(&image.signature).into_owned(),
    }
}

/// Between three quarters and the whole, so that agents that started together spread out, and none is ever late.
fn jitter(wait: Duration) -> Duration {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
    wait - wait * (nanos % 256) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standing_follows_the_answers() {
        let new = Standing { id: None, interval: DEFAULT_INTERVAL, failures: 0 };
        let second = Duration::from_secs(1);
        let (known, wait) = next(new.clone(), Ok(Some(("a".into(), second))));
        assert_eq!((known.id.as_deref(), wait), (Some("a"), second));
        assert_eq!(next(known.clone(), Ok(None)), (known.clone(), second));

        let (forgotten, wait) = next(known.clone(), Err(Code::NotFound));
        assert_eq!((forgotten.id.clone(), wait), (None, Duration::ZERO));
        let (_, wait) = next(forgotten, Err(Code::NotFound));
        assert_eq!(wait, FIRST_PAUSE, "registering is not repeated without a pause");

        let mut waits = Vec::new();
        let mut standing = known;
        for _ in 0..70 {
            let (after, wait) = next(standing, Err(Code::Unavailable));
            waits.push(wait);
            standing = after;
        }
        assert_eq!(waits[..3], [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]);
        assert_eq!(waits[69], LONGEST_PAUSE);
        assert_eq!(standing.id.as_deref(), Some("a"), "region may be back before it forgets");
        let (healed, wait) = next(standing, Ok(None));
        assert_eq!((healed.failures, wait), (0, second));
    }

    #[test]
    fn jitter_is_never_late() {
        for _ in 0..100 {
            let wait = jitter(Duration::from_secs(4));
            assert!((3_000..=4_000).contains(&wait.as_millis()), "{wait:?}");
        }
        assert_eq!(jitter(Duration::ZERO), Duration::ZERO);
    }
}
