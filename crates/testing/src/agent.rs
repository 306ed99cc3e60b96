//! Baremetal agents that serve nothing, but are there: registered, and heard of again and again, so that they stay online however long a
//! test takes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use proto::region::v1 as pb;
use proto::region::v1::agent_upcall_service_client::AgentUpcallServiceClient;
use tokio::task::JoinSet;

use crate::SignedImage;

/// They fall silent with this value.
#[derive(Default)]
pub(crate) struct Agents {
    known: Mutex<Vec<pb::RegisterAgentRequest>>,
    heartbeats: Mutex<JoinSet<()>>,
}

impl Agents {
    /// `region` is where its gRPC listens. It may be away afterwards, at any time.
    pub async fn register(&self, region: &str, image: &SignedImage, name: &str) -> anyhow::Result<()> {
        let endpoint = format!("http://{region}");
        let images = vec![image.announced()?];
        let request = pb::RegisterAgentRequest {
            name: name.into(),
            version: "0".into(),
            zone: "default".into(),
            http_endpoint: "http://127.0.0.1:1".into(),
            tftp_endpoint: "127.0.0.1:1".into(),
            images: images.clone(),
        };
        let mut client = AgentUpcallServiceClient::connect(endpoint.clone()).await?;
        let registered = client.register_agent(request.clone()).await?.into_inner();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let every = Duration::from_secs(registered.heartbeat_interval_s.max(1).into());
        let heartbeat = pb::AgentHeartbeatRequest { agent_id: registered.agent_id, images, ..Default::default() };
        self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Ok(mut client) = AgentUpcallServiceClient::connect(endpoint.clone()).await {
                    // Region may be away: the next one is heard.
                    let _ = tokio::time::timeout(every, client.agent_heartbeat(heartbeat.clone())).await;
                }
            }
        });
        Ok(())
    }

    /// All register again, as agents do that find a region that was away: it need not wait for their next heartbeats.
    pub async fn greet(&self, region: &str) -> anyhow::Result<()> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut client = AgentUpcallServiceClient::connect(format!("http://{region}")).await?;
        for request in known {
            client.register_agent(request).await?;
        }
        Ok(())
    }
}
