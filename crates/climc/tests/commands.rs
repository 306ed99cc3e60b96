//! The program against a service that speaks the contract: what is on stdout, what on stderr, and the exit code.

#[path = "program/mod.rs"]
mod program;
#[path = "../../client/tests/region/mod.rs"]
mod region;

use std::os::unix::fs::PermissionsExt;

use program::Program;
use region::{Answer, PASSWORD, Region, SESSION, TASK, error, id_of, server, task};
use serde_json::{Value, json};

fn accepted(name: &str, status: &str) -> Value {
    json!({"server": server(name, status, "running"), "task": {"id": TASK, "task_name": "StartRescueTask", "stage": "preflight"}})
}

#[tokio::test]
async fn a_list_in_every_format_is_data_only() {
    let region = Region::start().await;
    let mut odd = server("web2", "rescue", "running");
    odd["host"] = json!("evil\u{1b}[2J");
    region.json(
        "GET /servers",
        200,
        json!({"servers": [server("web1", "ready", "shutoff"), odd], "total": 7, "limit": 2, "offset": 0}),
    );
    let program = Program::new(&region);

    let table = program.run(&["server-list", "--limit", "2", "--status", "ready", "--status", "rescue"]).await;
    assert_eq!(table.code, 0, "{table:?}");
    assert!(table.out.starts_with("+---") && table.out.contains("| web1 | ready  | shutoff |"), "{}", table.out);
    assert!(!table.out.contains('\x1b'));
    assert!(table.err.contains("2 of 7; more with --offset 2"), "{}", table.err);
    let target = &region.seen("GET /servers")[0].target;
    assert!(
        target.contains("status.0=ready") && target.contains("status.1=rescue") && target.contains("limit=2"),
        "{target}"
    );

    let json = program.run(&["server-list", "--output-format", "json"]).await;
    assert_eq!(
        (json.json()["servers"][1]["name"].as_str(), json.json()["total"].as_i64(), json.err.as_str()),
        (Some("web2"), Some(7), "")
    );
    let yaml = program.run(&["-o", "yaml", "server-list"]).await.out;
    assert!(yaml.contains("servers:") && yaml.contains("status: rescue") && yaml.contains("total: 7"), "{yaml}");
    let kv = program.run(&["server-list", "-o", "kv"]).await.out;
    assert!(kv.contains("\nname=web1\n") && kv.contains("disks.0.image=tiny.qcow2") && kv.contains("\n\n"), "{kv}");
    assert!(!kv.contains('\x1b'));
    // One log-in for all of these: the token is kept.
    assert_eq!(region.seen("POST /v3/auth/tokens").len(), 1);
}

#[tokio::test]
async fn waiting_shows_stages_on_stderr_and_the_server_on_stdout() {
    let region = Region::start().await;
    let mut answer = accepted("web1", "start_rescue");
    answer["rescue_session"] = json!({"id": SESSION, "password": "blue-moon", "password_shown": false});
    region.json("POST /servers/web1/start-rescue", 202, answer);
    let what = format!("GET /tasks/{TASK}");
    region.json(&what, 200, json!({"task": task(TASK, "waiting", &[("preflight", true, None, false), ("prepare_rescue", false, None, false)])}));
    let all = [("preflight", true, None, false), ("prepare_rescue", true, None, false)];
    region.json(&what, 200, json!({"task": task(TASK, "succeeded", &all)}));
    region.json(
        &format!("GET /servers/{}", id_of("web1")),
        200,
        json!({"server": server("web1", "rescue", "running")}),
    );
    let program = Program::new(&region);

    let ran = program.run(&["server-start-rescue", "web1", "--wait", "--password", "generate"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err, "   1.0s  preflight            done in 1.0s\n   2.0s  prepare_rescue       done in 1.0s\n");
    let row = |field: &str, value: &str| {
        ran.out.lines().any(|l| l.contains(&format!("| {field} ")) && l.contains(&format!("| {value} ")))
    };
    assert!(row("status", "rescue") && row("rescue_password (shown once)", "blue-moon"), "{}", ran.out);
    assert_eq!(ran.out.matches("blue-moon").count(), 1);
    assert_eq!(region.seen("POST /servers/web1/start-rescue")[0].body, r#"{"server":{"password":"generate"}}"#);

    let json = program.run(&["server-start-rescue", "web1", "--wait", "-o", "json"]).await.json();
    assert_eq!(json["server"]["status"], "rescue");
    assert_eq!(json["task"]["state"], "succeeded");
    assert_eq!(json["rescue_session"]["password"], "blue-moon");
}

#[tokio::test]
async fn a_failed_task_tells_cause_evidence_and_the_way_out() {
    let region = Region::start().await;
    region.json("POST /servers/web1/start-rescue", 202, accepted("web1", "start_rescue"));
    let stages =
        [("preflight", true, None, false), ("await_ready", true, Some("no proof"), false), ("undo", true, None, true)];
    region.json(&format!("GET /tasks/{TASK}"), 200, json!({"task": task(TASK, "failed", &stages)}));
    region.json(
        &format!("GET /servers/{}", id_of("web1")),
        200,
        json!({"server": server("web1", "start_rescue_failed", "shutoff")}),
    );
    let ran = Program::new(&region).run(&["server-start-rescue", "web1", "--wait", "--password", "none"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    for part in [
        "   2.0s  await_ready          failed after 1.0s: no proof\n",
        "   3.0s  undo                 way back: done in 1.0s\n",
        "climc: web1: StartRescueTask failed: the rescue system did not prove itself in 60 s\n",
        "Kernel panic",
        "Next: web1 is start_rescue_failed; from there: climc server-start-rescue web1 | climc server-stop-rescue web1",
    ] {
        assert!(ran.err.contains(part), "{part:?} in {}", ran.err);
    }
    assert!(!ran.err.contains(['\x1b', '\x07']), "evidence steers the terminal: {:?}", ran.err);
    assert!(ran.out.contains("start_rescue_failed"));
}

#[tokio::test]
async fn a_time_out_leaves_the_task_and_still_shows_the_password() {
    let region = Region::start().await;
    let mut answer = accepted("web1", "start_rescue");
    answer["rescue_session"] = json!({"id": SESSION, "password": "blue-moon", "password_shown": false});
    region.json("POST /servers/web1/start-rescue", 202, answer);
    region.json(
        &format!("GET /tasks/{TASK}"),
        200,
        json!({"task": task(TASK, "waiting", &[("preflight", false, None, false)])}),
    );
    let program = Program::new(&region);
    let ran = program.run(&["server-start-rescue", "web1", "--wait", "--timeout", "1", "--password", "generate"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.out.contains("blue-moon"));
    assert!(
        ran.err.contains("the task goes on") && ran.err.contains(&format!("climc region-task-show {TASK} --wait")),
        "{}",
        ran.err
    );

    let shown = program.run(&["region-task-show", TASK, "--wait", "--timeout", "1"]).await;
    assert_eq!((shown.code, shown.out.as_str()), (3, ""), "{shown:?}");
}

#[tokio::test]
async fn ctrl_c_leaves_the_task() {
    let region = Region::start().await;
    region.json("POST /servers/web1/start", 202, accepted("web1", "starting"));
    region.json(
        &format!("GET /tasks/{TASK}"),
        200,
        json!({"task": task(TASK, "waiting", &[("start", false, None, false)])}),
    );
    let child = Program::new(&region).command(&["server-start", "web1", "--wait"]).spawn().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    let asked = async {
        while region.seen("GET /tasks").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), asked).await.expect("it does not wait");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().await.unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(
        out.contains(TASK) && err.contains("the task goes on") && err.contains("climc region-task-cancel"),
        "{out} {err}"
    );
}

#[tokio::test]
async fn a_batch_says_which_failed() {
    let region = Region::start().await;
    for name in ["web1", "web3"] {
        region.json(&format!("POST /servers/{name}/stop"), 202, json!({"server": server(name, "ready", "shutoff")}));
    }
    let refusal = error(409, "InvalidStatusError", "server is rescue: allowed are stop-rescue, stop");
    region.json("POST /servers/web2/stop", 409, refusal);
    let program = Program::new(&region);
    let ran = program.run(&["server-stop", "web1", "web2", "web3", "web1", "--stop-timeout", "5"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err.contains("web2: stop refused: server is rescue: allowed are stop-rescue, stop (InvalidStatusError)"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("1 of 3 not done: web2"), "{}", ran.err);
    let rows: Vec<&str> = ran.out.lines().filter(|l| l.starts_with("| web")).collect();
    assert!(rows.len() == 3 && rows[1].contains("refused") && rows[2].contains("done"), "{}", ran.out);
    assert_eq!(region.seen("POST /servers/web1/stop").len(), 1);
    assert_eq!(region.seen("POST /servers/web1/stop")[0].body, r#"{"server":{"is_force":false,"timeout_secs":5}}"#);

    let results = program.run(&["server-stop", "web1", "web2", "nobody", "-o", "json"]).await.json();
    assert_eq!((&results[0]["ok"], &results[0]["server"]["name"]), (&json!(true), &json!("web1")));
    assert_eq!((&results[1]["ok"], &results[1]["error"]["class"]), (&json!(false), &json!("InvalidStatusError")));
    assert_eq!((&results[2]["error"]["code"], &results[2]["error"]["request_id"]), (&json!(404), &json!("req-1")));
    // One id is told as each of many: a script needs no second case.
    let one = program.run(&["server-stop", "web2", "-o", "json"]).await;
    assert_eq!((one.code, &one.json()), (1, &results[1]));
    for (format, part) in [("yaml", "class: InvalidStatusError"), ("kv", "error.class=InvalidStatusError")] {
        let told = program.run(&["server-stop", "web2", "-o", format]).await;
        assert!(told.code == 1 && told.out.contains(part), "{told:?}");
    }
}

#[tokio::test]
async fn exit_codes_of_what_can_not_begin() {
    let region = Region::start().await;
    let wrong = Program::new(&region).with(&[("OS_PASSWORD", "hunter2")]).run(&["server-list"]).await;
    assert_eq!(wrong.code, 4, "{wrong:?}");
    assert!(
        wrong.err.contains("user or password is wrong")
            && wrong.err.contains("Next: ")
            && !wrong.err.contains("hunter2")
    );

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}/v3", listener.local_addr().unwrap());
    drop(listener);
    let away = Program::new(&region).with(&[("OS_AUTH_URL", &nowhere)]).run(&["server-list"]).await;
    assert_eq!((away.code, away.out.as_str()), (4, ""));
    assert!(
        away.err.contains("cannot connect") && away.err.contains("Next: check that the service runs"),
        "{}",
        away.err
    );

    let nobody = Program::without_credentials().run(&["server-list"]).await;
    assert_eq!(nobody.code, 4);
    assert!(nobody.err.contains("OS_USERNAME") && nobody.err.contains("--rc FILE"), "{}", nobody.err);

    let program = Program::new(&region);
    for args in [
        &["server-lst"][..],
        &["server-start"],
        &["server-start", "web1", "--timeout", "5"],
        &["server-start-rescue", "web1", "--disk-mode", "rx"],
        &["server-start-rescue", "web1", "--ttl", "1"],
        &["server-create", "web1", "--disk", "img=a"],
        &["server-create", "bad name", "--disk", "size=1"],
        &["server-show", ".."],
        &["--rc", "/nowhere", "server-list"],
    ] {
        let ran = program.run(args).await;
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?} {ran:?}");
        assert!(!ran.err.is_empty());
    }
    let mistyped = program.run(&["server-start-rescue", "web1", "--password", "hunter2"]).await;
    assert!(
        mistyped.code == 2 && !mistyped.err.contains("hunter2") && mistyped.err.contains("generate"),
        "{mistyped:?}"
    );
    assert!(region.seen("POST /servers").is_empty(), "nothing of this may be sent");

    let missing = program.run(&["server-show", "nobody"]).await;
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("server nobody not found"), "{}", missing.err);
    region.on("GET /servers/html", Answer::Raw(200, "text/html", "<html>".into()));
    let html = program.run(&["server-show", "html"]).await;
    assert!(html.code == 1 && html.err.contains("not JSON"), "{html:?}");
}

#[tokio::test]
async fn credentials_come_from_a_file_too() {
    let region = Region::start().await;
    region.json("GET /hosts", 200, json!({"hosts": [], "total": 0, "limit": 20, "offset": 0}));
    let text = format!(
        "OS_AUTH_URL={}\nOS_USERNAME=admin\nOS_PASSWORD={PASSWORD}\nOS_PROJECT_NAME=system\n",
        region.auth_url()
    );
    let program = Program::without_credentials();
    let place = |path: &str, mode: u32| {
        let path = program.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let named = place("rc-file", 0o600);
    let ran = program.run(&["host-list", "--rc", &named]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    place(".config/lifeboat/rc", 0o644);
    let default = program.run(&["host-list"]).await;
    assert!(default.code == 0 && default.err.contains("chmod 600"), "{default:?}");
    // The token is kept under ~/.cache, for its owner only.
    let kept: Vec<_> = std::fs::read_dir(program.path(".cache/lifeboat")).unwrap().map(|f| f.unwrap()).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(region.seen("POST /v3/auth/tokens").len(), 1);
}

#[tokio::test]
async fn login_is_fresh_and_a_revoked_token_costs_nothing() {
    let region = Region::start().await;
    region.json("GET /servers", 200, json!({"servers": [], "total": 0, "limit": 20, "offset": 0}));
    let program = Program::new(&region);
    for expected in [1, 2] {
        let login = program.run(&["login", "-o", "json"]).await;
        assert_eq!(login.json()["roles"], json!(["admin"]), "{login:?}");
        assert!(!login.out.contains("token-"));
        assert_eq!(region.seen("POST /v3/auth/tokens").len(), expected);
    }
    region.revoke();
    assert_eq!(program.run(&["server-list"]).await.code, 0);
    assert_eq!(region.seen("POST /v3/auth/tokens").len(), 3);
}

#[tokio::test]
async fn create_sends_what_was_written() {
    let region = Region::start().await;
    region.json("POST /servers", 202, accepted("web1", "creating"));
    let ran = Program::new(&region)
        .run(&[
            "server-create",
            "web1",
            "--disk",
            "image=tiny.qcow2,size=10G,driver=virtio",
            "--disk",
            "size=64",
            "--net",
            "hostfwd=2222:22,model=virtio",
            "--ncpu",
            "2",
            "--mem",
            "1G",
            "--auto-start",
            "--metadata",
            "owner=me",
        ])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let sent: Value = serde_json::from_str(&region.seen("POST /servers")[0].body).unwrap();
    assert_eq!(
        sent,
        json!({"server": {
            "name": "web1", "vcpu_count": 2, "vmem_size": 1024, "hypervisor": "kvm", "auto_start": true, "metadata": {"owner": "me"},
            "disks": [{"image": "tiny.qcow2", "size": 10240, "driver": "virtio"}, {"size": 64}],
            "nets": [{"model": "virtio", "forwards": [{"host_port": 2222, "guest_port": 22}]}],
        }})
    );
}

#[tokio::test]
async fn deleting_ends_though_the_server_can_no_longer_be_read() {
    let region = Region::start().await;
    region.json("DELETE /servers/web1", 202, accepted("web1", "deleting"));
    region.json(
        &format!("GET /tasks/{TASK}"),
        200,
        json!({"task": task(TASK, "succeeded", &[("delete", true, None, false)])}),
    );
    let program = Program::new(&region);
    let ran = program.run(&["server-delete", "web1", "--wait"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.lines().any(|l| l.contains("| status ") && l.contains("| deleted ")), "{}", ran.out);
    assert_eq!(program.run(&["server-delete", "web1", "--wait", "-o", "json"]).await.json()["deleted"], true);
}

#[tokio::test]
async fn how_to_get_into_a_rescue() {
    let region = Region::start().await;
    let file = json!({"sha256": "ab".repeat(32), "size": 4_613_734});
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5";
    let session = json!({
        "id": SESSION, "server_id": id_of("web1"), "server": "web1", "state": "active",
        "image": {"name": "small", "version": "1", "kernel": file, "initramfs": file}, "disk_mode": "rw", "reason": "fstab",
        "user": "admin", "prior_status": "running", "stop_how": "acpi", "stop_seconds": 2.5,
        "disks": [{"name": "vda", "size": 1_073_741_824_u64, "serial": "d0", "read_only": false, "normal_name": "sda", "by_id": "virtio-d0", "parts": [
            {"name": "vda1", "size": 1_072_693_248_u64, "filesystem": "ext4", "label": "guestroot", "uuid": "u-1",
             "normal_name": "sda1", "mounted": "/"}]}],
        "ready": null, "is_ready": true, "boot": 1, "ssh_fingerprint": "SHA256:xyz", "ssh_host_key": key,
        "password_shown": false, "start_task_id": TASK, "stop_task_id": null, "started_at": "2026-11-23T10:00:00Z",
        "ready_at": "2026-11-23T10:00:05Z", "expires_at": "2126-11-23T10:00:00Z", "ended_at": null, "cause": null, "evidence": [],
    });
    region.json("GET /servers/web1", 200, json!({"server": server("web1", "rescue", "running")}));
    region.json("GET /servers/web2", 200, json!({"server": server("web2", "ready", "shutoff")}));
    region.json(&format!("GET /rescuesessions/{SESSION}"), 200, json!({"rescuesession": session}));
    region.json("GET /rescuesessions", 200, json!({"rescuesessions": [], "total": 0, "limit": 1, "offset": 0}));
    let program = Program::new(&region);
    let ran = program.run(&["server-rescue-show", "web1"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "ssh -p 2222 root@127.0.0.1",
        &format!("[127.0.0.1]:2222 {key}"),
        "climc server-console web1",
        "SHA256:xyz",
        "| Normally | In rescue | Size       | Holds | Label     | Mounted on | By id, or UUID | Access     |",
        "|   sda1   |   vda1    | 1023.0 MiB | ext4  | guestroot | /          | u-1            |",
        "| sda      | vda       | 1.0 GiB    | -     | -         | -          | virtio-d0      | read-write |",
        "climc server-ssh-rescue web1",
        "acpi in 2.5s",
    ] {
        assert!(ran.out.contains(part), "{part:?} in {}", ran.out);
    }
    assert_eq!(program.run(&["server-rescue-show", "web1", "-o", "json"]).await.json()["disks"][0]["name"], "vda");
    let never = program.run(&["server-rescue-show", "web2"]).await;
    assert!(never.code == 1 && never.err.contains("Next: climc server-start-rescue web2"), "{never:?}");
    assert!(region.seen("GET /rescuesessions?")[0].target.contains(&format!("obj_id={}", id_of("web2"))));
}

#[tokio::test]
async fn a_repair_of_many_is_told_of_each() {
    let region = Region::start().await;
    let child = |name: &str, state: &str, result: Value, cause: Value| {
        let mut child = task(SESSION, state, &[]);
        let own = json!({"task_name": "RescueAutoRepairTask", "obj_id": id_of("web1"), "obj_name": name, "parent_task_id": TASK,
            "result": result, "cause": cause});
        child.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        child
    };
    let told = |end: &str, fixed: Value, seconds: Value| {
        json!({"end": end, "found": ["fstab_missing_device", "journal_errors"], "fixed": fixed, "left": [], "sign": null,
            "boot_seconds": seconds})
    };
    let repaired = child("web1", "succeeded", told("repaired", json!(["fstab_comment"]), json!(12.34)), Value::Null);
    let cause = "no login\nweb9 repaired\u{1b}[2J";
    let not = child("web2", "failed", told("not_confirmed", json!([]), Value::Null), json!(cause));
    let unheard = child("web3", "failed", Value::Null, json!("its host is gone"));
    region.json(
        "POST /servers/rescue-repair",
        202,
        json!({"task": {"id": TASK, "task_name": "BatchRescueRepairTask", "stage": "start_children"}}),
    );
    let mut batch = task(TASK, "failed", &[("start_children", true, Some("1 of 4"), false)]);
    let why = "1 of 4 are repaired; 2 failed, 1 could not begin, 0 were not begun";
    let refused = "web4: server 'web4' is in\u{1b}[2J ready";
    (batch["cause"], batch["evidence"]) = (json!(why), json!([refused]));
    region.json(&format!("GET /tasks/{TASK}"), 200, json!({"task": batch}));
    region.json("GET /tasks", 200, json!({"tasks": [repaired, not, unheard], "total": 3, "limit": 500, "offset": 0}));
    let program = Program::new(&region);
    let repair =
        ["server-rescue-repair", "--auto", "--filter", "name.startswith('web')", "--max-parallel", "3", "--wait"];

    let ran = program.run(&repair).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows: Vec<_> = ran.out.lines().filter(|line| line.starts_with('|')).map(cells).collect();
    let found = "fstab_missing_device, journal_errors";
    assert_eq!(
        rows,
        [
            ["Server", "End", "Found", "Fixed", "Login after", "Why"],
            ["web1", "repaired", found, "fstab_comment", "12.3s", "-"],
            ["web2", "not_confirmed", found, "-", "-", "no login web9 repaired\u{fffd}[2J"],
            ["web3", "failed", "-", "-", "-", "its host is gone"],
        ]
    );
    assert!(ran.err.contains("climc: web4: server 'web4' is in\u{fffd}[2J ready\n"), "{}", ran.err);
    assert!(ran.err.contains(&format!("climc: {why}\n")) && !ran.err.contains('\x1b'), "{}", ran.err);
    let sent: Value = serde_json::from_str(&region.seen("POST /servers/rescue-repair")[0].body).unwrap();
    assert_eq!((&sent["filter"], &sent["max_parallel"]), (&json!(["name.startswith('web')"]), &json!(3)), "{sent}");
    let asked = &region.seen("GET /tasks?")[0].target;
    assert!(asked.contains("parent_task_id") && asked.contains(TASK) && asked.contains("limit=500"), "{asked}");

    let ran = program.run(&[&repair[..], &["-o", "json"]].concat()).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let server = |name: &str, cause: Value, result: &Value| json!({"server": name, "server_id": id_of("web1"), "task_id": SESSION, "cause": cause, "result": result});
    let servers = [
        server("web1", Value::Null, &told("repaired", json!(["fstab_comment"]), json!(12.34))),
        server("web2", json!(cause), &told("not_confirmed", json!([]), Value::Null)),
        server("web3", json!("its host is gone"), &Value::Null),
    ];
    assert_eq!(ran.json(), json!({"task": TASK, "state": "failed", "refused": [refused], "servers": servers}));

    // All of them back.
    let good = Region::start().await;
    good.json(
        "POST /servers/rescue-repair",
        202,
        json!({"task": {"id": TASK, "task_name": "BatchRescueRepairTask", "stage": "start_children"}}),
    );
    let batch = task(TASK, "succeeded", &[("start_children", true, None, false)]);
    good.json(&format!("GET /tasks/{TASK}"), 200, json!({"task": batch}));
    good.json("GET /tasks", 200, json!({"tasks": [repaired], "total": 1, "limit": 500, "offset": 0}));
    let program = Program::new(&good);
    let ran = program.run(&repair).await;
    assert!(ran.code == 0 && ran.out.contains("| web1   | repaired |"), "{ran:?}");
    let ran = program.run(&[&repair[..], &["-o", "json"]].concat()).await;
    assert_eq!(
        (ran.code, &ran.json()["state"], &ran.json()["refused"]),
        (0, &json!("succeeded"), &json!([])),
        "{ran:?}"
    );
    // Who does not wait is told how to follow it.
    let ran = program.run(&repair[..repair.len() - 1]).await;
    assert!(ran.code == 0 && ran.out.contains(&format!("climc region-task-show {TASK}")), "{ran:?}");
}

#[tokio::test]
async fn tasks_and_events_of_a_server() {
    let region = Region::start().await;
    let stages = [("preflight", true, None, false), ("boot", true, Some("panic"), false)];
    let failed = task(TASK, "failed", &stages);
    region.json("GET /tasks", 200, json!({"tasks": [failed], "total": 1, "limit": 20, "offset": 0}));
    region.json(&format!("GET /tasks/{TASK}"), 200, json!({"task": failed}));
    let event = json!({"id": 7, "obj_type": "server", "obj_id": id_of("web1"), "obj_name": "web1", "action": "start_rescue",
        "success": false, "notes": "no proof", "old_status": "running", "new_status": "start_rescue", "user": "admin",
        "project": "system", "source": null, "request_id": null, "task_id": TASK, "ops_time": "2026-11-23T10:00:00Z"});
    region.json("GET /events", 200, json!({"events": [event], "total": 1, "limit": 20, "offset": 0}));
    let program = Program::new(&region);
    let tasks = program.run(&["server-tasks", "web1"]).await.out;
    assert!(tasks.contains("StartRescueTask") && tasks.contains("| failed |"), "{tasks}");
    assert!(region.seen("GET /tasks?")[0].target.contains("obj_id=web1"));
    let events = program.run(&["server-event", "web1"]).await.out;
    assert!(events.contains("running -> start_rescue") && events.contains("no proof"), "{events}");
    let shown = program.run(&["region-task-show", TASK]).await;
    assert!(shown.code == 0 && shown.out.contains("failed after 1.0s: panic"), "{shown:?}");
    let followed = program.run(&["region-task-show", TASK, "--wait"]).await;
    assert!(followed.code == 1 && followed.err.contains("StartRescueTask failed"), "{followed:?}");
}

#[tokio::test]
async fn help_needs_no_service() {
    let help = Program::without_credentials().run(&["help"]).await;
    assert!(help.code == 0 && help.out.contains("Exit codes:") && help.err.is_empty(), "{help:?}");
}
