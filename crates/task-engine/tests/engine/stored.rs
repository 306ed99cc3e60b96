//! What is stored: effects in a save, old data, the archive, names, the schema.

use std::time::Duration;

use diesel_async::RunQueryDsl;
use task_engine::{Next, SpawnError, Start, State};
use uuid::Uuid;

use crate::support::{Stage, Trip, World, along, child, database, once, trip};
use crate::waits::patient;

use crate::ALL;

#[tokio::test(flavor = "multi_thread")]
async fn what_no_longer_decodes_is_blocked_and_keeps_its_hold() {
    let db = database().await;
    let world = World::new(|call| async move {
        match (call.label.as_str(), &call.stage, call.children.len()) {
            ("parent", Stage::First, 0) => Ok(Next::join(Stage::Second, vec![child("odd", Start::new())])),
            ("odd", Stage::First, _) => Ok(Next::wait(Stage::First, Duration::from_secs(600))),
            _ => along(&call),
        }
    });
    for (change, undo) in [
        ("data = '{\"label\": \"x\", \"new\": 1}'", Some("data = '{\"label\": \"x\"}'")),
        ("stage = '\"gone\"', stage_name = 'gone'", Some("stage = '\"second\"', stage_name = 'second'")),
        ("stage = '[]'", None),
    ] {
        let guest = Uuid::new_v4();
        let id = db.start("x", Start::new().holding("guest", guest)).await.id;
        db.sql(&format!("UPDATE tasks SET {change} WHERE id = '{id}'")).await;
        let engine = db.engine(&world);
        let row = db.wait_for(id, |row| row.state() == State::Blocked).await;
        assert_eq!(row.last_error().unwrap().error.code(), Some("unreadable"));
        assert!(row.cause.is_none() && row.ended_at.is_none());
        let mut conn = db.pool.get().await.unwrap();
        let again = task_engine::spawn(&mut conn, &trip("y"), Start::new().holding("guest", guest)).await;
        assert!(matches!(again, Err(SpawnError::Busy(_))));
        match undo {
            Some(undo) => {
                db.sql(&format!("UPDATE tasks SET {undo} WHERE id = '{id}'")).await;
                task_engine::retry(&mut conn, id).await.unwrap();
                assert_eq!(db.ended(id).await.state(), State::Succeeded);
            }
            None => {
                task_engine::abandon(&mut conn, id).await.unwrap();
                let row = db.ended(id).await;
                assert_eq!((row.state(), row.cause().unwrap().error.code()), (State::Failed, Some("abandoned")));
                db.start("y", Start::new().holding("guest", guest)).await;
            }
        }
        engine.shutdown(crate::support::LIMIT).await;
    }

    // A parent that waits for a blocked child goes on when that is abandoned.
    let engine = db.builder(&world).tuning(patient()).start();
    let parent = db.spawn("parent").await;
    db.wait_for(parent, |row| row.state() == State::Joining).await;
    let child: Uuid = {
        use diesel::{ExpressionMethods, QueryDsl};
        use task_engine::schema::tasks::dsl;
        let mut conn = db.pool.get().await.unwrap();
        dsl::tasks.filter(dsl::parent_id.eq(parent)).select(dsl::id).first(&mut conn).await.unwrap()
    };
    db.wait_for(child, |row| row.state() == State::Waiting).await;
    db.sql(&format!("UPDATE tasks SET data = '{{}}', run_at = now() WHERE id = '{child}'")).await;
    db.wait_for(child, |row| row.state() == State::Blocked).await;
    task_engine::abandon(&mut db.pool.get().await.unwrap(), child).await.unwrap();
    assert_eq!(db.ended(parent).await.state(), State::Succeeded);
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_that_break_a_rule_fail_the_stage_and_transient_ones_repeat_it() {
    let db = database().await;
    db.sql("ALTER TABLE effects ADD CHECK (step <> 'second')").await;
    let world = World::plain();
    let engine = db.engine(&world);
    let id = db.spawn("x").await;
    let row = db.ended(id).await;
    assert_eq!((row.state(), row.cause().unwrap().at_name.as_str()), (State::Failed, "second"));
    assert!(row.cause().unwrap().error.message().contains("violates check constraint"));
    assert_eq!(db.effects(id).await, once(&["first", "failed(second)", "undo", "undo_more"]));
    engine.shutdown(crate::support::LIMIT).await;

    // A table that is away for a moment; its step has run, and runs again with the same operation.
    let db = database().await;
    db.sql(
        "CREATE FUNCTION now_and_then() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.step = 'second' AND (SELECT attempts FROM tasks WHERE id = NEW.task) < 3 THEN
            RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001';
        END IF; RETURN NEW; END $$",
    )
    .await;
    db.sql("CREATE TRIGGER t BEFORE INSERT ON effects FOR EACH ROW EXECUTE FUNCTION now_and_then()").await;
    let world = World::plain();
    let engine = db.engine(&world);
    let id = db.spawn("x").await;
    assert_eq!(db.ended(id).await.state(), State::Succeeded);
    assert_eq!(world.steps(), ["first", "second", "second", "second", "third", "last"]);
    assert_eq!(db.effects(id).await, once(&ALL));
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_tasks_are_archived_with_their_children() {
    let db = database().await;
    let world = World::new(|call| async move {
        match (call.label.as_str(), &call.stage) {
            ("parent", Stage::First) => Ok(Next::join(Stage::Second, vec![child("child", Start::new())])),
            _ => along(&call),
        }
    });
    let engine = db.engine(&world);
    let parent = db.spawn("parent").await;
    db.ended(parent).await;
    let live = db.start("later", Start::new().after(crate::support::LIMIT)).await.id;
    // A family of which one is alive stays together: here a child that came after its parent's end.
    let torn = db.spawn("torn").await;
    db.ended(torn).await;
    db.start("late child", Start::new().after(crate::support::LIMIT).parent(torn)).await;
    let mut conn = db.pool.get().await.unwrap();
    assert_eq!(task_engine::archive(&mut conn, Duration::from_secs(3600), 100).await.unwrap(), 0);
    assert_eq!(task_engine::archive(&mut conn, Duration::ZERO, 100).await.unwrap(), 1);
    assert!(task_engine::get(&mut conn, parent).await.unwrap().is_none());
    assert!(task_engine::get(&mut conn, torn).await.unwrap().is_some());
    assert!(task_engine::get(&mut conn, live).await.unwrap().is_some());
    let archived = diesel::sql_query("UPDATE tasks_archive SET name = name").execute(&mut conn).await.unwrap();
    assert_eq!(archived, 2);
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_stored_data_and_registered_once() {
    let db = database().await;
    let builder = db.builder(&World::plain());
    let names = builder.names();
    assert_eq!(names["Trip"], ["first", "second", "third", "last", "undo", "undo_more"]);
    assert_eq!(names["Errand"], ["One"]);
    assert_eq!(builder.register::<Trip>().err(), Some(task_engine::RegisterError::Duplicate("Trip")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_that_of_the_database() {
    use diesel::sql_types::Text;
    #[derive(diesel::QueryableByName)]
    struct Column {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        kind: String,
    }
    let db = database().await;
    let mut conn = db.pool.get().await.unwrap();
    let found: Vec<Column> = diesel::sql_query(
        "SELECT column_name::text AS name, CASE WHEN is_nullable = 'YES' THEN data_type || '?' ELSE data_type END AS kind
         FROM information_schema.columns WHERE table_name = 'tasks' ORDER BY ordinal_position",
    )
    .load(&mut conn)
    .await
    .unwrap();
    let found: std::collections::BTreeMap<_, _> = found.into_iter().map(|column| (column.name, column.kind)).collect();
    // Read from the source of `table!`, the one place that says it.
    let schema: std::collections::BTreeMap<_, _> = include_str!("../../src/schema.rs")
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" -> "))
        .map(|(name, kind)| {
            let (kind, mark) = kind.strip_prefix("Nullable<").map_or((kind, ""), |kind| (&kind[..kind.len() - 1], "?"));
            let kind = match kind {
                "Uuid" => "uuid",
                "Text" => "text",
                "Jsonb" => "jsonb",
                "Timestamptz" => "timestamp with time zone",
                "Integer" => "integer",
                "BigInt" => "bigint",
                "Bool" => "boolean",
                other => panic!("{other}"),
            };
            (name.to_owned(), format!("{kind}{mark}"))
        })
        .collect();
    assert_eq!(found, schema);
    assert!(found.len() <= 32);
}
