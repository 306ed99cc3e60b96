//! The verbs of servers beside start, stop and rescue, told as stories: region in process, a simulated host, real Postgres, all of it
//! through HTTP.
//!
//! `power` on, off and asleep; `words` names and metadata; `many` several at once; `hardware` what a server is made of; `disks` that come
//! and go; `snapshots`; `screen` VNC, and tickets; `overlay` a rescue beside the disks; `access` its network and its image;
//! `failures` what is left when a host does not say; `matrix` every verb in every status.

mod access;
mod disks;
mod failures;
mod hardware;
mod many;
mod matrix;
mod overlay;
mod power;
mod screen;
mod snapshots;
mod words;

use api::Action;
use api::server::Servers;
use api::task::{Task, TaskState};
use host_sim::{Behaviour, Verb};
use testing::Stack;
use types::operation::{Failure, FailureCode};
use types::{GuestId, GuestStatus, PowerState};

/// Performs a verb; its task, once it has ended.
async fn run<A: Action<On = Servers>>(stack: &Stack, name: &str, action: &A) -> Task {
    let accepted = stack.client.perform(name, action).await.unwrap_or_else(|e| panic!("{} {name}: {e}", A::NAME));
    stack.ended(accepted.task.unwrap_or_else(|| panic!("{} {name} has no task", A::NAME)).id).await
}

/// The same, of a task that must succeed.
async fn done<A: Action<On = Servers>>(stack: &Stack, name: &str, action: &A) -> Task {
    let task = run(stack, name, action).await;
    assert_eq!(task.state, TaskState::Succeeded, "{} {name}: {:?}", A::NAME, task.cause);
    task
}

/// The class and the details of a refusal.
async fn refused<A: Action<On = Servers>>(stack: &Stack, name: &str, action: &A) -> (u16, String) {
    match stack.client.perform(name, action).await {
        Ok(_) => panic!("{} {name} is accepted", A::NAME),
        Err(client::Error::Api(body)) => (body.status, body.details),
        Err(other) => panic!("{} {name}: {other}", A::NAME),
    }
}

fn broken() -> Behaviour {
    let message = "as the test wants".into();
    Behaviour::failing(Failure { code: FailureCode::Internal, message, evidence: vec![] })
}

/// The host fails the next of each of these.
fn fails(stack: &Stack, guest: GuestId, verbs: &[Verb]) {
    verbs.iter().for_each(|verb| stack.host.rule(Some(*verb), Some(guest), Some(1), broken()));
}

async fn state(stack: &Stack, name: &str) -> (GuestStatus, PowerState) {
    let server = stack.show(name).await;
    (server.status, server.power_state)
}
