//! A region that is too new for this agent, or too old: the agent says what to upgrade, tells it nothing, and goes on asking.

use proto::host::v1::Protocol;
use proto::version::OURS;

use crate::agent::{Agent, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_shares_no_protocol_with_region_says_what_to_upgrade() {
    let mut agent = Agent::start(&[]).await;
    agent.region.until("it is heard", |heard| !heard.beats.is_empty()).await;
    let said = agent.region.heard.lock().unwrap().registered[0].host.clone().unwrap().protocol;
    assert_eq!(said, Some(OURS.into()));

    let newer = OURS.newest + 1;
    agent.kill().await;
    {
        let mut heard = agent.region.heard.lock().unwrap();
        heard.protocol = Some(Protocol { oldest: newer, newest: newer });
        heard.beats.clear();
    }
    agent.run().await;
    let what = format!("the host speaks protocol {OURS}, region {newer}: upgrade the host");
    until("it says so", || agent.log().contains(&what).then_some(())).await;
    let asked = agent.region.heard.lock().unwrap().registered.len();
    agent.region.until("it asks again", |heard| heard.registered.len() > asked).await;
    assert!(agent.region.heard.lock().unwrap().beats.is_empty(), "it tells a stranger nothing");

    // Region is replaced by one of the next version, which still knows this one.
    agent.region.heard.lock().unwrap().protocol = Some(Protocol { oldest: OURS.newest, newest: newer });
    agent.region.until("it is heard again", |heard| !heard.beats.is_empty()).await;
}
