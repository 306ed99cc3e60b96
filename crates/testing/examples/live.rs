//! A region to be asked from outside, for tests that are no Rust: real REST on real Postgres, a simulated host, an agent with an image, and one of
//! everything there is. Prints its base URL, a token of the administrator, and the names and ids of what the administrator lives on, one per line; ends with its standard input.

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
    let mut lives_on = Vec::new();
    for (word, path) in [("user", "/users/admin"), ("project", "/projects/system"), ("domain", "/domains/Default")] {
        let (status, answer) = web.send(web.request("GET", path)).await;
        assert_eq!(status, 200, "{path}: {answer}");
        for key in ["id", "name"] {
            lives_on.extend(answer[word][key].as_str().map(str::to_owned));
        }
    }
    println!("{}\n{}\n{}", stack.base_url(), web.token.expose(), lives_on.join(","));
    std::io::stdout().flush().expect("somebody reads");
    // Until whoever started this closes the pipe, or is gone.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
}
