//! A region to be asked from outside, for tests that are no Rust: real REST on real Postgres, a simulated host, an agent with an image, and one of
//! everything there is. Prints its base URL and a token of the administrator, one per line; ends with its standard input.

use std::io::{Read, Write};

use serde_json::{Value, json};
use testing::{Setup, Stack};

#[tokio::main]
async fn main() {
    let stack = Stack::start_with(Setup::default()).await;
    for name in ["web1", "web2"] {
        stack.server(name, false).await;
    }
    let web = stack.web().await;
    let post = async |path: &str, body: Value| {
        let (status, answer) = web.send(web.request("POST", path).json(&body)).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    };
    post("/projects", json!({"name": "p1"})).await;
    post("/roles", json!({"name": "rescuer"})).await;
    post("/users", json!({"name": "ann", "password": "correct horse"})).await;
    let rescue = post("/servers/web2/start-rescue", json!({})).await;
    let task = rescue["task"]["id"].as_str().and_then(|id| id.parse().ok()).expect("start-rescue has a task");
    stack.ended(task).await;
    println!("{}\n{}", stack.base_url(), web.token.expose());
    std::io::stdout().flush().expect("somebody reads");
    // Until whoever started this closes the pipe, or is gone.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
}
