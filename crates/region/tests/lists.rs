//! Lists, parameter by parameter, on a real database: what is found, in which order, how pages are turned, what is refused; and which index
//! serves them once the tables are large.

use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use serde_json::{Value, json};
use testing::{Stack, Web};

async fn get(web: &Web, path: &str) -> Value {
    let (status, answer) = web.send(web.request("GET", &path.replace(' ', "%20"))).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn post(web: &Web, path: &str, body: Value) -> Value {
    let (status, answer) = web.send(web.request("POST", path).json(&body)).await;
    assert!(status < 300, "{path}: {status} {answer}");
    answer
}

async fn log_in(admin: &Web, name: &str) -> Web {
    let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": name, "password": "correct horse"}}}}});
    let answer = admin.http.post(format!("{}/v3/auth/tokens", admin.base)).json(&body).send().await.unwrap();
    let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
    Web { http: admin.http.clone(), base: admin.base.clone(), token: token.into() }
}

async fn user(admin: &Web, name: &str, project: &str, role: &str) -> Web {
    post(admin, "/users", json!({"name": name, "password": "correct horse"})).await;
    post(admin, &format!("/projects/{project}/join"), json!({"users": [name], "roles": [role]})).await;
    log_in(admin, name).await
}

fn names(list: &Value, plural: &str, key: &str) -> Vec<String> {
    let text = |row: &Value| row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
    list[plural].as_array().unwrap_or_else(|| panic!("{list}")).iter().map(text).collect()
}

/// Every resource understands what lists have in common, and says what is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn every_resource_has_the_same_parameters() {
    let stack = Stack::start().await;
    stack.server("web1", false).await;
    stack.server("web2", false).await;
    let web = stack.web().await;
    let task = post(&web, "/servers/web1/start-rescue", json!({})).await;
    stack.ended(task["task"]["id"].as_str().unwrap().parse().unwrap()).await;
    let mut conn = stack.connection().await;
    conn.batch_execute("insert into tasks_archive select * from tasks").await.unwrap();
    drop(conn);

    let mut seen = 0;
    for row in region::http::router::verbs().iter().filter(|row| row.verb == "list") {
        let all = row.rule.resource;
        let path = |query: &str| format!("/{all}?{query}");
        let whole = get(&web, &path("limit=0")).await;
        let rows = whole[all].as_array().unwrap_or_else(|| panic!("{all}: {whole}"));
        let total = whole["total"].as_i64().unwrap();
        assert_eq!((whole["limit"].as_i64(), whole["offset"].as_i64()), (Some(20), Some(0)), "{all}");
        assert_eq!(rows.len() as i64, total.min(20), "{all}");
        // Pages are disjoint and make up the whole.
        let mut paged = Vec::new();
        for offset in 0..total.min(20) {
            let page = get(&web, &path(&format!("limit=1&offset={offset}"))).await;
            assert_eq!((&page["total"], page["offset"].as_i64()), (&whole["total"], Some(offset)), "{all}");
            paged.extend(page[all].as_array().unwrap().iter().map(|row| row["id"].clone()));
        }
        assert_eq!(paged, rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), "{all}");
        // Order, both ways, and by two columns.
        let ids = |list: &Value| names(list, all, "id");
        let up = ids(&get(&web, &path("order_by=id&order=asc&limit=2000")).await);
        let mut down = ids(&get(&web, &path("order_by.0=id&order.0=desc&limit=2000")).await);
        down.reverse();
        assert_eq!(up, down, "{all}");
        assert_eq!(up.len() as i64, total, "{all}");
        // Projection.
        let fields = get(&web, &path("field.0=id&field=nosuch&limit=1")).await;
        let first = fields[all].get(0).map(|row| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
        assert!(first.is_none_or(|keys| keys == ["id"]), "{all}: {fields}");
        // The filter language on the id, which all have.
        if let [id, ..] = up.as_slice() {
            for (filter, count) in [
                (format!("filter=id.equals('{id}')"), 1),
                (format!("filter.0=id.in('{id}')&details=true&summary_stats=false&junk=1"), 1),
                (format!("filter=id.notin('{id}')"), total - 1),
                (format!("filter=id.notequals('{id}')&details=false"), total - 1),
                ("filter=id.isnull()".into(), 0),
                ("filter=id.isnotnull()".into(), total),
                (format!("filter.0=id.isnull()&filter.1=id.equals('{id}')&filter_any=true"), 1),
                (format!("filter.0=id.isnull()&filter.1=id.equals('{id}')"), 0),
                (format!("id.0={id}&scope=system"), 1),
            ] {
                assert_eq!(get(&web, &path(&filter)).await["total"], count, "{all}?{filter}");
            }
        }
        assert_eq!(get(&web, &path("search=no-such-thing")).await["total"], 0, "{all}");
        assert_eq!(get(&web, &path("name=no-such-thing")).await["total"], 0, "{all}: an unknown name is no row");
        for (bad, part) in [
            ("limit=-1", "limit"),
            ("limit=2001", "2000"),
            ("offset=x", "offset"),
            ("order_by=nosuch", "allowed are"),
            ("order=up", "asc, desc"),
            ("filter=nosuch.in('a')", "allowed are"),
            ("filter=id.grep('a')", "allowed are in, notin"),
            ("filter=id", "column.op(values)"),
            ("filter_any=maybe", "true, false"),
            ("details=maybe", "true, false"),
            ("scope=galaxy", "system, domain, project, user"),
        ] {
            let (status, answer) = web.send(web.request("GET", &path(bad))).await;
            assert_eq!(status, 400, "{all}?{bad}: {answer}");
            assert!(answer["details"].as_str().unwrap().contains(part), "{all}?{bad}: {answer}");
        }
        seen += 1;
    }
    assert!(seen >= 13, "{seen} resources were asked");
    let mut conn = stack.connection().await;
    conn.batch_execute("delete from tasks_archive").await.unwrap();
    stack.finish().await;
}

/// Values of each kind, on what a server has.
#[tokio::test(flavor = "multi_thread")]
async fn the_filter_language_is_whole() {
    let stack = Stack::start().await;
    for (name, memory) in [("web1", 512), ("web2", 1024), ("db_1", 2048), ("dbx1", 256)] {
        let body = api::server::ServerCreate { vmem_size: memory, ..Stack::body(name, false) };
        let created = stack.client.create::<api::server::Servers>(&body).await.unwrap();
        stack.ended(created.task.unwrap().id).await;
    }
    let web = stack.web().await;
    for (query, wanted) in [
        ("filter=name.in('web1','db_1')", &["db_1", "web1"] as &[_]),
        ("filter=name.notin('web1','db_1')", &["dbx1", "web2"]),
        ("filter=name.equals('web1')", &["web1"]),
        ("filter=name.notequals('web1')", &["db_1", "dbx1", "web2"]),
        ("filter=name.contains('B_')", &["db_1"]),
        ("filter=name.startswith('web')", &["web1", "web2"]),
        ("filter=name.endswith('1','2')", &["db_1", "dbx1", "web1", "web2"]),
        ("filter=name.like('db_1')", &["db_1", "dbx1"]),
        ("filter=name.like('db_1','_eb2')", &["db_1", "dbx1", "web2"]),
        ("filter=vmem_size.gt(1024)", &["db_1"]),
        ("filter=vmem_size.ge(1024)", &["db_1", "web2"]),
        ("filter=vmem_size.lt(512)", &["dbx1"]),
        ("filter=vmem_size.le(512)", &["dbx1", "web1"]),
        ("filter=vmem_size.between(512,1024)", &["web1", "web2"]),
        ("filter=rescue_session_id.isnull()", &["db_1", "dbx1", "web1", "web2"]),
        ("filter=rescue_session_id.isnotnull()", &[]),
        ("filter=created_at.lt('2100-01-01 00:00:00')", &["db_1", "dbx1", "web1", "web2"]),
        ("filter=created_at.gt('2100-01-01T00:00:00Z')", &[]),
        ("filter.0=name.equals('web1')&filter.1=vmem_size.ge(2000)&filter_any=true", &["db_1", "web1"]),
        ("filter.0=name.startswith('web')&filter.1=vmem_size.ge(1000)", &["web2"]),
        ("status.0=ready&status.1=running&search=web", &["web1", "web2"]),
        ("status.0=running", &[]),
        ("name=web1", &["web1"]),
        ("name=web", &[]),
        ("vmem_size=256", &["dbx1"]),
        ("filter=name.equals('x'' or ''1''=''1')", &[]),
    ] {
        let list = get(&web, &format!("/servers?order_by=name&{}", query.replace('%', "%25"))).await;
        assert_eq!(names(&list, "servers", "name"), wanted, "{query}");
    }
    let list = get(&web, "/servers?order_by.0=power_state&order_by.1=vmem_size&order.0=asc&order.1=desc").await;
    assert_eq!(names(&list, "servers", "name"), ["db_1", "web2", "web1", "dbx1"]);
    stack.finish().await;
}

/// Pages by marker stay whole while rows come in before and behind them.
#[tokio::test(flavor = "multi_thread")]
async fn markers_are_stable_while_rows_are_inserted() {
    let stack = Stack::start().await;
    stack.server("web1", false).await;
    let web = stack.web().await;
    let mut conn = stack.connection().await;
    let insert = "insert into events (obj_type, obj_id, obj_name, action, success, notes, user_name, project)
        select 'server', gen_random_uuid(), 'bulk', 'bulk', true, n::text, 'admin', 'system' from generate_series(1, 50) n";
    let tasks = "insert into tasks (id, name, data, state, stage, stage_name, stage_started, stage_deadline, created_by, operation, sequence,
            run_at, created_at, ended_at)
        select gen_random_uuid(), 'Bulk', '{}', 'succeeded', '1', 'one', now(), now(), '{\"project\": \"system\", \"user\": \"admin\"}',
            gen_random_uuid(), n, now(), now() - (n % 7) * interval '1 s', now() from generate_series(1, 50) n";
    conn.batch_execute(insert).await.unwrap();
    conn.batch_execute(tasks).await.unwrap();
    conn.batch_execute("insert into tasks_archive select * from tasks where name = 'Bulk'").await.unwrap();
    for (all, filter, more) in [
        ("events", "action=bulk", insert.to_owned()),
        ("actions", "action.0=bulk", insert.to_owned()),
        ("tasks", "name=Bulk", tasks.to_owned()),
        (
            "archivedtasks",
            "task_name.0=Bulk",
            tasks
                .replace("insert into tasks ", "insert into tasks_archive ")
                .replace(
                    "stage_deadline, created_by",
                    "stage_deadline, holds, attempts, open_children, generation, cancel_requested, history, created_by",
                )
                .replace("now(), now(), '{", "now(), now(), false, 0, 0, 0, false, '[]', '{"),
        ),
    ] {
        for order in ["", "&order=asc", "&paging_order=ASC"] {
            let path = format!("/{all}?{filter}&limit=2000{order}");
            let before = names(&get(&web, &path).await, all, "id");
            assert!(before.len() >= 50, "{path}");
            let (mut paged, mut marker, mut pages) = (Vec::new(), None::<String>, 0);
            loop {
                let after = marker.map(|m| format!("&paging_marker={m}")).unwrap_or_default();
                let page = get(&web, &format!("/{all}?{filter}&limit=7{order}{after}").replace('+', "%2B")).await;
                paged.extend(names(&page, all, "id"));
                pages += 1;
                if pages % 3 == 0 && pages < 7 {
                    conn.batch_execute(&more).await.unwrap();
                }
                let Some(next) = page["next_marker"].as_str() else {
                    assert!(page[all].as_array().unwrap().len() < 7);
                    break;
                };
                assert_eq!(page["marker_order"], if order.is_empty() { "DESC" } else { "ASC" }, "{page}");
                assert!(["id", "created_at"].contains(&page["marker_field"].as_str().unwrap()));
                marker = Some(next.to_owned());
            }
            let distinct: std::collections::HashSet<_> = paged.iter().collect();
            assert_eq!(distinct.len(), paged.len(), "{path}: a row was listed twice");
            // What was there at the beginning is there, in its order, whatever came in between.
            let was: std::collections::HashSet<_> = before.iter().collect();
            let kept: Vec<_> = paged.iter().filter(|id| was.contains(id)).cloned().collect();
            assert_eq!(kept, before, "{path}");
        }
    }
    for (path, part) in [
        ("/events?paging_marker=x", "no next_marker"),
        ("/tasks?paging_marker=2026-01-01T00:00:00Z", "no next_marker"),
        ("/events?paging_marker=5&order_by=action", "goes by id only"),
        ("/events?paging_marker=5&offset=3", "takes no offset"),
        ("/servers?paging_marker=5", "paged by limit and offset"),
    ] {
        let (status, answer) = web.send(web.request("GET", path)).await;
        assert_eq!(status, 400, "{path}: {answer}");
        assert!(answer["details"].as_str().unwrap().contains(part), "{path}: {answer}");
    }
    conn.batch_execute("delete from tasks where name = 'Bulk'; delete from tasks_archive").await.unwrap();
    stack.finish().await;
}

/// Logs by object (id or name), by time, by kind; and the log in upstream's words.
#[tokio::test(flavor = "multi_thread")]
async fn logs_are_found_by_name_and_time() {
    let stack = Stack::start().await;
    let server = stack.server("web1", false).await;
    stack.server("web2", false).await;
    let web = stack.web().await;
    post(&web, "/hosts/host1/disable", json!({})).await;
    post(&web, "/hosts/host1/enable", json!({})).await;
    for (path, total) in [
        ("/events?obj_type.0=server&obj_id.0=web1".to_owned(), 2),
        (format!("/events?obj_id={}", server.id), 2),
        ("/events?obj_id.0=web1&obj_id.1=web2".into(), 4),
        ("/events?obj_type=host&obj_id=host1".into(), 2),
        ("/events?obj_id=host1&action.0=enable".into(), 1),
        ("/actions?obj_id=host1&action.0=enable&ip=127.0.0.1".into(), 1),
        ("/actions?obj_type.0=server&obj_id.0=web1&limit=20&success=true&tenant=system".into(), 2),
        ("/events?name=web1".into(), 2),
        ("/events?since=2100-01-01".into(), 0),
        ("/events?until=2000-01-01T00:00:00Z".into(), 0),
        ("/events?since=2000-01-01&until=2100-01-01&obj_id=web1".into(), 2),
        ("/tasks?obj_id.0=web1&obj_type.0=server&task_name.0=ServerCreateTask&is_complete=true".into(), 1),
        ("/tasks?obj_id=web2".into(), 1),
        ("/tasks?stage.0=nosuch".into(), 0),
        ("/tasks?parent=00000000-0000-0000-0000-000000000000".into(), 0),
        ("/tasks?status.0=succeeded&since=2000-01-01".into(), 2),
        ("/rescuesessions?obj_id=web1&status.0=active".into(), 0),
    ] {
        assert_eq!(get(&web, &path).await["total"], total, "{path}");
    }
    let (status, answer) = web.send(web.request("GET", "/events?obj_id=nosuch")).await;
    assert_eq!((status, &answer["class"]), (404, &json!("ResourceNotFoundError")));
    let (status, _) = web.send(web.request("GET", "/events?since=yesterday")).await;
    assert_eq!(status, 400);
    let (events, actions) = (get(&web, "/events?obj_id=web1").await, get(&web, "/actions?obj_id=web1").await);
    assert_eq!(names(&events, "events", "id"), names(&actions, "actions", "id"));
    let (event, action) = (&events["events"][0], &actions["actions"][0]);
    assert_eq!((&event["user"], &event["project"]), (&action["user"], &action["tenant"]));
    assert_eq!((&action["service"], &action["severity"]), (&json!("compute"), &json!("INFO")));
    assert_eq!(get(&web, &format!("/actions/{}", action["id"])).await["action"], *action);
    stack.finish().await;
}

/// `scope` asks for less than one may see, never more; and what others have under a name makes nothing ambiguous.
#[tokio::test(flavor = "multi_thread")]
async fn scopes_narrow_and_never_widen() {
    let stack = Stack::start().await;
    let admin = stack.web().await;
    for (project, domain) in [("p1", "Default"), ("p2", "Elsewhere")] {
        let _ = admin.send(admin.request("POST", "/domains").json(&json!({"name": domain}))).await;
        post(&admin, "/projects", json!({"name": project, "domain": domain})).await;
    }
    let ann = user(&admin, "ann", "p1", "project_owner").await;
    let bob = user(&admin, "bob", "p2", "project_owner").await;
    for web in [&ann, &bob] {
        let body = serde_json::to_value(Stack::body("same", false)).unwrap();
        let created = post(web, "/servers", body).await;
        stack.ended(created["task"]["id"].as_str().unwrap().parse().unwrap()).await;
    }
    for (web, path, wanted) in [
        (&admin, "/servers", Ok(2)),
        (&admin, "/servers?scope=system", Ok(2)),
        (&admin, "/servers?scope=project", Ok(0)),
        (&admin, "/tasks?scope=user", Ok(0)),
        (&admin, "/hosts?scope=system", Ok(1)),
        (&admin, "/hosts?scope=project", Err(400)),
        (&admin, "/servers?scope=user", Err(400)),
        (&ann, "/servers", Ok(1)),
        (&ann, "/servers?scope=project", Ok(1)),
        (&ann, "/servers?scope=system", Err(403)),
        (&ann, "/tasks?scope=user", Ok(1)),
        (&ann, "/events?scope=user", Ok(2)),
        (&ann, "/events?obj_id=same&scope=project", Ok(2)),
        (&ann, "/hosts", Err(403)),
        (&bob, "/tasks?obj_id=same", Ok(1)),
    ] {
        let (status, answer) = web.send(web.request("GET", path)).await;
        match wanted {
            Ok(total) => assert_eq!((status, &answer["total"]), (200, &json!(total)), "{path}: {answer}"),
            Err(refused) => assert_eq!(status, refused, "{path}: {answer}"),
        }
    }
    // Two have the name: each project means its own, the administrator must say which.
    let mine = get(&ann, "/servers/same").await;
    assert_ne!(mine["server"]["id"], get(&bob, "/servers/same").await["server"]["id"]);
    let (status, answer) = admin.send(admin.request("GET", "/servers/same")).await;
    assert_eq!((status, &answer["class"]), (409, &json!("DuplicateResourceError")));
    // Whose name it is: a foreign name is as unknown as none.
    post(&ann, "/servers", serde_json::to_value(Stack::body("secret", false)).unwrap()).await;
    let refused = |name: &str| bob.send(bob.request("GET", &format!("/events?obj_id={name}")));
    let ((foreign, said), (none, _)) = (refused("secret").await, refused("nosuch").await);
    assert_eq!((foreign, none), (404, 404), "{said}");
    testing::eventually("the last task ends", async || {
        (get(&admin, "/tasks?is_complete=false").await["total"] == 0).then_some(())
    })
    .await;
    stack.finish().await;
}

/// With the statistics of large tables, no list of a page reads a whole table. The rows themselves are not needed: the planner believes the
/// catalogue.
#[tokio::test(flavor = "multi_thread")]
async fn large_tables_are_read_by_index() {
    #[derive(diesel::QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
        plan: String,
    }
    let stack = Stack::start().await;
    let mut conn = stack.connection().await;
    let fill = "
        insert into hosts (id, name, zone, endpoint, version, arch, accelerator, qemu_versions, cpus, memory_mib, last_heartbeat)
            select gen_random_uuid(), 'h' || n, 'z', 'e', '1', 'x86_64', 'tcg', '[]', 1, 1, now() from generate_series(1, 20) n;
        insert into guests (id, name, project, status, power_state, host_id, hypervisor, vcpu_count, vmem_size, \"desc\")
            select gen_random_uuid(), 'g' || n, 'p' || n % 50, 'ready', 'shutoff', (select id from hosts limit 1), 'kvm', 1, 1, '{}'
            from generate_series(1, 4000) n;
        insert into events (obj_type, obj_id, obj_name, action, success, notes, user_name, project)
            select 'server', id, name, 'a', true, '', 'u', project from guests;
        insert into tasks_archive (id, name, data, state, stage, stage_name, stage_started, stage_deadline, attempts, obj_type, obj_id, holds,
                open_children, operation, sequence, generation, run_at, cancel_requested, history, created_at, ended_at)
            select gen_random_uuid(), 'T', '{}', 'succeeded', '1', 'one', now(), now(), 1, 'server', id, false, 0, gen_random_uuid(), 1, 1,
                now(), false, '[]', now(), now() from guests;
        insert into tasks (id, name, data, state, stage, stage_name, stage_started, stage_deadline, obj_type, obj_id, operation, sequence,
                run_at, ended_at)
            select gen_random_uuid(), 'T', '{}', 'succeeded', '1', 'one', now(), now(), 'server', id, gen_random_uuid(), 1, now(), now()
            from guests;
        analyze";
    conn.batch_execute(fill).await.unwrap();
    for sql in [
        "select * from guests join hosts on hosts.id = guests.host_id where deleted_at is null
            order by guests.created_at desc, guests.id desc limit 20",
        "select * from guests join hosts on hosts.id = guests.host_id where deleted_at is null and project = any('{p1}')
            order by guests.created_at desc, guests.id desc limit 20",
        "select * from guests where deleted_at is null and name = any('{g7}')",
        "select * from events order by events.id desc, events.id desc limit 20",
        "select * from events where (events.id) < (3000) order by events.id desc, events.id desc limit 20",
        "select * from events where project = any('{p1}') order by events.id desc limit 20",
        "select * from events where obj_id = any(array['00000000-0000-0000-0000-000000000001'::uuid]) order by events.id desc limit 20",
        "select * from tasks order by created_at desc, tasks.id desc limit 20",
        "select * from tasks where (created_at, tasks.id) < (now(), '00000000-0000-0000-0000-000000000001'::uuid) order by created_at desc, tasks.id desc limit 20",
        "select * from tasks where obj_type = any('{server,host}') and obj_id = any(array['00000000-0000-0000-0000-000000000001'::uuid])
            order by created_at desc, tasks.id desc limit 20",
        "select count(*) from tasks where parent_id = any(array['00000000-0000-0000-0000-000000000001'::uuid])",
        "select * from tasks_archive order by created_at desc, id desc limit 20",
        "select * from tasks_archive where obj_type = any('{server}') and obj_id = any(array['00000000-0000-0000-0000-000000000001'::uuid])
            order by created_at desc, id desc limit 20",
    ] {
        let plan: Vec<Line> = diesel::sql_query(format!("explain {sql}")).load(&mut conn).await.unwrap();
        let plan: Vec<String> = plan.into_iter().map(|line| line.plan).collect();
        let whole = ["guests", "events", "tasks", "tasks_archive"].map(|table| format!("Seq Scan on {table}"));
        assert!(!plan.iter().any(|line| whole.iter().any(|w| line.contains(w))), "{sql}:\n{}", plan.join("\n"));
    }
    conn.batch_execute("delete from tasks").await.unwrap();
    stack.finish().await;
}

/// `GET /servers/tasks` would mean two things: a name that stands for an action of many or a detail is refused, and those names are told.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_mean_a_route_are_refused() {
    let stack = Stack::start().await;
    let web = stack.web().await;
    for name in ["start-rescue", "tasks", "status", "console"] {
        for body in
            [json!({"name": name, "disks": [{"size": 1}]}), json!({"server": {"name": name, "disks": [{"size": 1}]}})]
        {
            let (status, answer) = web.send(web.request("POST", "/servers").json(&body)).await;
            assert_eq!((status, &answer["class"]), (400, &json!("InputParameterError")), "{name}: {answer}");
            let details = answer["details"].as_str().unwrap();
            assert!(details.contains(name) && details.contains("metadata"), "{answer}");
        }
    }
    // Every resource that can be created refuses its own, and only those.
    let verbs = region::http::router::verbs();
    let openapi = serde_json::to_value(region::http::router::openapi()).unwrap();
    let mut asked = 0;
    for row in verbs.iter().filter(|row| row.verb == "create") {
        let plural = row.rule.resource;
        let paths = openapi["paths"].as_object().unwrap();
        let of_one = format!("/{plural}/{{id}}/");
        let details =
            paths.iter().filter(|(_, item)| item.get("get").is_some()).filter_map(|(p, _)| p.strip_prefix(&of_one));
        let of_many = format!("/{plural}/");
        let many = paths.keys().filter_map(|p| p.strip_prefix(&of_many)).filter(|rest| !rest.starts_with('{'));
        for name in details.chain(many) {
            let body = json!({ row.rule.word: {"name": name} });
            let (status, answer) = web.send(web.request("POST", &format!("/{plural}")).json(&body)).await;
            assert_eq!(status, 400, "{plural}/{name}: {answer}");
            assert!(answer["details"].as_str().unwrap().contains("can't be the name"), "{plural}/{name}: {answer}");
            asked += 1;
        }
    }
    assert!(asked >= 6, "{asked}");
    stack.finish().await;
}
