//! Checked-in files that tell what region promises. To renew them after a wanted change: `UPDATE_CONTRACTS=1 cargo test -p region --test contracts`.

use std::fmt::Write;
use std::path::Path;

use diesel_async::RunQueryDsl;
use testing::Stack;

fn compare(file: &str, is: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        std::fs::write(&path, is).unwrap();
    }
    let was = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        was == is,
        "{file} is not what region does now; if that is wanted, run with UPDATE_CONTRACTS=1 and look at the difference"
    );
}

#[test]
fn openapi() {
    compare("openapi.json", &(region::http::router::openapi().to_pretty_json().unwrap() + "\n"));
}

#[test]
fn verb_table() {
    let mut text = String::from("# rule | statuses it may begin in\n");
    for row in region::http::router::verbs() {
        let from: Vec<&str> = row.from.iter().map(|s| s.as_str()).collect();
        let from = if from.is_empty() { "any".to_owned() } else { from.join(" ") };
        writeln!(text, "{} | {from}", row.rule).unwrap();
    }
    compare("verbs.txt", &text);
}

/// The page for people names every class of error with its status, and every resource.
#[test]
fn the_page_of_the_api_is_complete() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md")).unwrap();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = page.lines().filter(|line| line.starts_with("| `")).map(cells).collect();
    for class in api::ErrorClass::ALL {
        let name = format!("`{class}`");
        let row = rows.iter().find(|row| row[1] == name).unwrap_or_else(|| panic!("{name} is not on the page"));
        assert_eq!(row[2], class.status().to_string(), "{name}");
        assert!(row[3].len() > 10 && row[4].len() > 5, "{name}: what it means, and what to do");
    }
    for row in region::http::router::verbs() {
        assert!(page.contains(&format!("`{}`", row.rule.resource)), "{} is not on the page", row.rule.resource);
    }
}

/// No status is a dead end.
#[test]
fn every_status_can_be_left() {
    let verbs = region::http::router::verbs();
    for status in types::GuestStatus::ALL {
        let in_transition = types::GuestStatus::IN_TRANSITION.contains(status);
        let ways_out = verbs.iter().filter(|row| row.resource == "server" && row.from.contains(status)).count();
        assert!(in_transition || ways_out > 0, "{status} is a dead end");
    }
}

/// Names of tasks and stages are stored data: a renamed one orphans the rows of before.
#[tokio::test(flavor = "multi_thread")]
async fn task_names() {
    let (send, names) = std::sync::mpsc::channel();
    let engine: region::EngineSetup = Box::new(move |engine| {
        send.send(engine.names()).unwrap();
        engine
    });
    let stack = Stack::start_with(testing::Setup { engine: Some(engine), ..Default::default() }).await;
    let mut text = String::from("# task: its stages\n");
    for (task, stages) in names.recv().unwrap() {
        writeln!(text, "{task}: {}", stages.join(" ")).unwrap();
    }
    compare("tasks.txt", &text);
    stack.finish().await;
}

/// `schema.rs` of the crate `db` and the migrated database have the same columns.
#[tokio::test(flavor = "multi_thread")]
async fn schema() {
    #[derive(diesel::QueryableByName)]
    struct Column {
        #[diesel(sql_type = diesel::sql_types::Text)]
        line: String,
    }
    let stack = Stack::start().await;
    let mut conn = stack.app().pool.get().await.unwrap();
    let sql = "select table_name || '.' || column_name || ' ' || udt_name || case is_nullable when 'YES' then ' null' else '' end as line
        from information_schema.columns where table_schema = 'public' and table_name not like '\\_\\_%' order by table_name, ordinal_position";
    let columns: Vec<Column> = diesel::sql_query(sql).load(&mut conn).await.unwrap();
    let text: String = columns.into_iter().map(|c| c.line + "\n").collect();
    compare("schema.txt", &text);
    drop(conn);
    stack.finish().await;
}
