//! `POST /hosts/{id}/ping`: asks the host now, over the connection that tasks use.

use std::time::{Duration, Instant};

use api::ErrorClass;
use api::host::{Ping, PingHost, Pinged};
use db::host::Host;
use proto::host::v1 as pb;

use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};

/// Shorter than what a transaction may be idle.
const PATIENCE: Duration = Duration::from_secs(3);

impl Perform<PingHost> for Host {
    async fn perform(self, _: PingHost, cx: &mut Cx<'_>) -> Result<Done<PingHost>> {
        let silent = |why: &str| {
            let details = format!(
                "host '{}' does not answer at {}: {why}; it was heard last at {}",
                self.name,
                self.endpoint,
                self.last_heartbeat.to_rfc3339()
            );
            Error::new(ErrorClass::ServiceUnavailable, details)
        };
        let mut client = cx.app.hosts.client(&self).map_err(Error::internal)?;
        let begun = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, client.get_host(pb::GetHostRequest {})).await;
        let answer = answer.map_err(|_| silent("no answer within 3 seconds"))?.map_err(|s| silent(s.message()))?;
        let round_trip_ms = begun.elapsed().as_secs_f64() * 1000.0;
        let version = answer.into_inner().host.map(|host| host.version).unwrap_or_default();
        Ok(Done { task: None, extra: Pinged { ping: Some(Ping { round_trip_ms, version }) } })
    }
}
