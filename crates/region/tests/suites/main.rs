//! What the public test suites of other systems ask of rescue, asked of ours as a black box: paths, JSON and status codes, no types of ours.
//! By idea, not by text: OpenStack Tempest (`compute/servers/test_server_rescue*`), Ironic's rescue states and its Tempest plugin, MAAS's rescue
//! mode. Where ours is meant to differ, the test says so.

mod machines;
mod nodes;
mod servers;

use host_sim::{Behaviour, Verb};
use region::Config;
use serde_json::{Value, json};
use testing::{Setup, Stack, Web, eventually};
use types::operation::{Failure, FailureCode};

/// Region as somebody sees it who has its address and a token.
struct Cloud {
    stack: Stack,
    web: Web,
}

impl Cloud {
    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let stack = Stack::start_with(Setup { config, ..Setup::default() }).await;
        let web = stack.web().await;
        Self { stack, web }
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.web.send(self.web.request("GET", path)).await;
        assert_eq!(status, 200, "GET {path}: {answer}");
        answer
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.web.send(self.web.request(method, path).json(&body)).await
    }

    /// A verb that is taken; waits until its task has ended, and gives the answer and whether it succeeded.
    async fn done(&self, method: &str, path: &str, body: Value) -> (Value, bool) {
        let (status, answer) = self.ask(method, path, body).await;
        assert!(status == 202 || status == 201, "{method} {path}: {status} {answer}");
        let task = answer["task"]["id"].as_str().unwrap_or_else(|| panic!("no task: {answer}")).to_owned();
        let state = self.ended(&task).await;
        (answer, state == "succeeded")
    }

    async fn ended(&self, task: &str) -> String {
        eventually(&format!("task {task} ends"), async || {
            let task = &self.get(&format!("/tasks/{task}")).await["task"];
            task["is_complete"].as_bool()?.then(|| task["state"].as_str().unwrap_or_default().to_owned())
        })
        .await
    }

    /// A verb on a server that must succeed.
    async fn verb(&self, server: &str, verb: &str, body: Value) -> Value {
        let (answer, succeeded) = self.done("POST", &format!("/servers/{server}/{verb}"), body).await;
        assert!(succeeded, "{verb} of {server}: {answer}");
        answer
    }

    /// A verb on a server whose task must fail.
    async fn fails(&self, server: &str, verb: &str) {
        let (answer, succeeded) = self.done("POST", &format!("/servers/{server}/{verb}"), json!({})).await;
        assert!(!succeeded, "{verb} of {server}: {answer}");
    }

    /// What is refused, with its status and what it says; nothing may have changed.
    async fn refused(&self, method: &str, path: &str, body: Value, status: u16) -> String {
        let before = self.get("/servers?limit=100").await;
        let (code, answer) = self.ask(method, path, body).await;
        assert_eq!(code, status, "{method} {path}: {answer}");
        assert_eq!(
            self.get("/servers?limit=100").await,
            before,
            "{method} {path} was refused and has changed something"
        );
        answer["details"].as_str().unwrap_or_default().to_owned()
    }

    async fn create(&self, name: &str, on: bool, disks: Value) {
        let body = json!({
            "name": name, "vcpu_count": 1, "vmem_size": 512, "disks": disks, "auto_start": on, "hypervisor": "kvm",
        });
        assert!(self.done("POST", "/servers", body).await.1);
        assert_eq!(self.status(name).await, if on { "running" } else { "ready" });
    }

    async fn server(&self, name: &str, on: bool) {
        self.create(name, on, json!([{"size": 100}])).await;
    }

    async fn show(&self, server: &str) -> Value {
        self.get(&format!("/servers/{server}")).await["server"].clone()
    }

    async fn status(&self, server: &str) -> String {
        self.show(server).await["status"].as_str().unwrap_or_default().to_owned()
    }

    /// The session that a server is or was in last.
    async fn session(&self, server: &str) -> Value {
        self.get(&format!("/rescuesessions/{server}")).await["rescuesession"].clone()
    }

    /// The host refuses the next request of a kind for good.
    fn breaks(&self, verb: Verb) {
        let failure = Failure { code: FailureCode::Internal, message: "broken".into(), evidence: vec![] };
        self.stack.host.once(verb, Behaviour::failing(failure));
    }

    /// Leaves a server in `start_rescue_failed`: the rescue system never spoke, and the way back failed too.
    async fn stuck_going_in(&self, server: &str) {
        self.breaks(Verb::AwaitReady);
        self.breaks(Verb::RestoreDesc);
        self.fails(server, "start-rescue").await;
        assert_eq!(self.status(server).await, "start_rescue_failed");
    }

    /// Leaves a server in `stop_rescue_failed`.
    async fn stuck_going_out(&self, server: &str) {
        self.verb(server, "start-rescue", json!({})).await;
        self.breaks(Verb::RestoreDesc);
        self.fails(server, "stop-rescue").await;
        assert_eq!(self.status(server).await, "stop_rescue_failed");
    }
}
