//! A rolling update: three replicas behind one address are replaced one after another, while a hundred rescues run.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use api::server::{ServerCreate, Servers, StartRescue, StopRescue};
use api::task::TaskState;
use futures::future::join_all;
use host_sim::{SimHost, SimOptions};
use region::config::Migrate;
use testing::{RegionProcess, Setup, Stack, eventually};
use tokio::net::{TcpListener, TcpStream};
use types::GuestStatus;

const SERVERS: usize = 100;
const REPLICAS: usize = 3;

/// What a Service of Kubernetes is: one address, and new connections in turn to whoever is ready.
#[derive(Clone, Default)]
struct Service(Arc<Mutex<(usize, Vec<SocketAddr>)>>);

impl Service {
    async fn serve(&self, at: &str) {
        let listener = eventually("the port is free", async || TcpListener::bind(at).await.ok()).await;
        let service = self.clone();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.expect("a connection");
                let Some(to) = service.next() else { continue };
                tokio::spawn(async move {
                    if let Ok(mut replica) = TcpStream::connect(to).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut replica).await;
                    }
                });
            }
        });
    }

    fn next(&self) -> Option<SocketAddr> {
        let (turn, ready) = &mut *self.0.lock().unwrap();
        *turn += 1;
        ready.get(*turn % ready.len().max(1)).copied()
    }

    fn add(&self, url: &str) {
        self.0.lock().unwrap().1.push(url.trim_start_matches("http://").parse().unwrap());
    }

    fn remove(&self, url: &str) {
        self.0.lock().unwrap().1.retain(|at| url != format!("http://{at}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_loses_no_rescue_and_no_request() {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_region"));
    let mut stack: Stack = crate::stack(Setup::default()).await;
    // Its address becomes that of the service.
    stack.kill_region().await;
    let (rest, grpc) = (Service::default(), Service::default());
    rest.serve(&stack.config().http.listen).await;
    grpc.serve(&stack.config().grpc.listen).await;
    let mut config = stack.config().clone();
    config.http.public_url = stack.base_url();
    config.http.listen = "127.0.0.1:0".into();
    config.grpc.listen = "127.0.0.1:0".into();
    config.database.pool = 6;
    config.database.migrate = Migrate::Never;
    let start = async |name: String| {
        let replica = RegionProcess::start(program, &config, stack.folder(), &name).await;
        rest.add(&replica.http);
        grpc.add(&replica.grpc);
        replica
    };
    let mut replicas = Vec::new();
    for n in 0..REPLICAS {
        replicas.push(start(format!("old{n}")).await);
    }
    let options = SimOptions::new("host2").region(format!("http://{}", stack.config().grpc.listen));
    let second = SimHost::start(options).await.unwrap();
    second.wait_registered().await;
    let names: Vec<String> = (0..SERVERS).map(|n| format!("web{n}")).collect();
    let create = async |name: &String| {
        let body = ServerCreate { vmem_size: 256, ..Stack::body(name, true) };
        let created = stack.client.create::<Servers>(&body).await.expect("create is accepted");
        stack.ended(created.task.expect("a task").id).await;
    };
    join_all(names.iter().map(create)).await;

    let rescues = async {
        let ask = async |name: &String| {
            let accepted = stack.client.perform(name, &StartRescue::default()).await.expect("start-rescue is accepted");
            let ended = stack.ended(accepted.task.expect("a task").id).await;
            assert_eq!(ended.state, TaskState::Succeeded, "{name}: {:?}", ended.cause);
            let accepted = stack.client.perform(name, &StopRescue::default()).await.expect("stop-rescue is accepted");
            let ended = stack.ended(accepted.task.expect("a task").id).await;
            assert_eq!(ended.state, TaskState::Succeeded, "{name}: {:?}", ended.cause);
        };
        join_all(names.iter().map(ask)).await;
    };
    let update = async {
        for n in 0..REPLICAS {
            // As many are ready at every moment.
            replicas.push(start(format!("new{n}")).await);
            let old = replicas.remove(0);
            rest.remove(&old.http);
            grpc.remove(&old.grpc);
            old.terminate().await;
        }
    };
    tokio::join!(rescues, update);

    let mut statuses = BTreeMap::new();
    for name in &names {
        *statuses.entry(stack.show(name).await.status.to_string()).or_insert(0) += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(GuestStatus::Running.to_string(), SERVERS)]));
    for host in [&stack.host, &second] {
        let executions = host.executions();
        let operations: BTreeSet<_> = executions.iter().map(|it| it.operation).collect();
        assert!(!executions.is_empty(), "{} had its share", host.name());
        assert_eq!(operations.len(), executions.len(), "each operation once");
    }
    drop(replicas);
    stack.finish().await;
}
