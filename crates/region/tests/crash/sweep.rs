//! Every step of every story: killed before it begins, killed when it is done but not saved, run twice, failed before and after.
//! Which steps there are the tasks themselves say: a sweep ends where a task runs to its end undisturbed.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use task_engine::testing::RunTwice;
use testing::{Act, Setup};

use crate::scene::Scene;
use crate::story::*;

/// Whether a story is swept whole, or only the part that no other has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    WayBack,
}

/// `HangBeforeRun`: one of two regions is killed, and the other goes on alone. `HangBeforeSave`: both are killed, and started again.
async fn killed_at_each_step(story: &Story, act: Act, part: Part) {
    let mut scene = Scene::start().await;
    let mut met = BTreeSet::new();
    for nth in 1.. {
        let name = format!("web{nth}");
        let guest = scene.begin(story, &name).await;
        let since = scene.stack.host.executions().len();
        scene.script.plan(nth, act, part == Part::WayBack);
        let task = scene.ask(story.ask, &name).await;
        let step = tokio::select! {
            step = scene.script.reached() => Some(step),
            _ = scene.ended(task) => None,
        };
        let Some(step) = step else {
            let row = scene.ended(task).await;
            scene.check(story, &name, guest, since, &row, &format!("{}, undisturbed", story.name)).await;
            // Whatever stage there is has been met; but for the one that begins beside its child's first, as either may come first each time.
            let side_by_side = |stage: &str| story.ask == Ask::AutoRepair && stage == "enter_rescue";
            let wanted = |past: &&task_engine::Past| past.way_back || part == Part::Whole;
            for past in row.history().iter().filter(wanted).filter(|past| !side_by_side(&past.stage)) {
                assert!(met.contains(&past.stage), "{}: no kill at {}: {met:?}", story.name, past.stage);
            }
            break;
        };
        let at =
            format!("{}, step {nth} ({:?} at {}, failing: {})", story.name, act, step.info.stage, step.info.failing);
        met.insert(step.info.stage);
        let killed = if act == Act::HangBeforeRun { vec![step.replica] } else { vec![0, 1] };
        for replica in &killed {
            scene.kill(*replica).await;
        }
        if act == Act::HangBeforeSave {
            scene.start_again(0).await;
        }
        let row = scene.ended(task).await;
        for replica in killed.into_iter().filter(|replica| act == Act::HangBeforeRun || *replica == 1) {
            scene.start_again(replica).await;
        }
        scene.check(story, &name, guest, since, &row, &at).await;
    }
    scene.finish().await;
}

const BOTH: [Act; 2] = [Act::HangBeforeRun, Act::HangBeforeSave];

async fn killed_everywhere(stories: &[(&Story, Part)], acts: &[Act]) {
    join_all(stories.iter().flat_map(|(story, part)| acts.iter().map(|act| killed_at_each_step(story, *act, *part))))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_plain_tasks_end_right() {
    let stories = [&CREATE, &START, &STOP, &DELETE];
    killed_everywhere(&stories.map(|story| (story, Part::Whole)), &BOTH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_start_rescue_ends_right() {
    killed_everywhere(&[(&START_RESCUE, Part::Whole)], &BOTH).await;
}

/// One stage more than any other start-rescue.
#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_a_rescue_after_a_failed_one_ends_right() {
    killed_everywhere(&[(&RESCUE_AGAIN, Part::Whole)], &[Act::HangBeforeSave]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_the_way_back_ends_right() {
    let stories = [&NOT_READY, &NOT_STOPPED, &NOT_RESTORED, &NOT_LEFT];
    killed_everywhere(&stories.map(|story| (story, Part::WayBack)), &BOTH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_the_ways_out_of_rescue_end_right() {
    let stories = [&STOP_RESCUE, &START_AFTER_FAILURE, &STOP_AFTER_FAILURE];
    killed_everywhere(&stories.map(|story| (story, Part::Whole)), &BOTH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_an_automatic_repair_ends_right() {
    killed_everywhere(&[(&AUTO, Part::Whole), (&NOT_CONFIRMED, Part::WayBack)], &BOTH).await;
}

/// Verbs that are one request to the host.
const ONE_CALL: [&Story; 10] =
    [&RESET, &SUSPEND, &RESUME, &SYNC, &ATTACH, &RESIZE, &SNAPSHOT, &REVERT, &FORGET, &DISK_DELETE];

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_one_request_ends_right() {
    // A few at a time: each has two regions and a host of its own.
    for stories in ONE_CALL.map(|story| (story, Part::Whole)).chunks(4) {
        killed_everywhere(stories, &BOTH).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_the_way_back_of_one_request_ends_right() {
    killed_everywhere(&[&NOT_SUSPENDED, &NOT_TOLD].map(|story| (story, Part::WayBack)), &BOTH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_restart_ends_right() {
    killed_everywhere(&[&RESTART, &RESTART_RESCUE].map(|story| (story, Part::Whole)), &BOTH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_a_batch_ends_right() {
    killed_everywhere(&[(&BATCH, Part::Whole)], &BOTH).await;
}

const ALL: [&Story; 32] = [
    &CREATE,
    &START,
    &STOP,
    &DELETE,
    &START_RESCUE,
    &NOT_READY,
    &NOT_STOPPED,
    &NOT_RESTORED,
    &RESCUE_AGAIN,
    &START_AFTER_FAILURE,
    &STOP_AFTER_FAILURE,
    &STOP_RESCUE,
    &NOT_LEFT,
    &LEAVE_AGAIN,
    &BATCH,
    &AUTO,
    &AUTO_OF_MANY,
    &NOT_CONFIRMED,
    &NOT_RETURNED,
    &RESTART,
    &RESTART_RESCUE,
    &RESET,
    &SUSPEND,
    &NOT_SUSPENDED,
    &RESUME,
    &SYNC,
    &ATTACH,
    &RESIZE,
    &SNAPSHOT,
    &REVERT,
    &FORGET,
    &DISK_DELETE,
];

#[tokio::test(flavor = "multi_thread")]
async fn every_stage_may_run_twice() {
    let twice = Arc::new(RunTwice::default());
    let intercept = twice.clone();
    let engine: region::EngineSetup = Box::new(|engine| engine.tuning(testing::tuning()).intercept(intercept));
    let scene = Scene::alone(crate::stack(Setup { engine: Some(engine), ..Setup::default() }).await);
    for (n, story) in ALL.into_iter().enumerate() {
        let name = format!("web{n}");
        let guest = scene.begin(story, &name).await;
        let (since, ran) = (scene.stack.host.executions().len(), twice.stages().len());
        let task = scene.ask(story.ask, &name).await;
        let row = scene.ended(task).await;
        scene.check(story, &name, guest, since, &row, story.name).await;
        let ran = &twice.stages()[ran..];
        for past in row.history() {
            assert!(ran.contains(&past.stage), "{}: {} ran once: {ran:?}", story.name, past.stage);
        }
    }
    scene.finish().await;
}

/// Whatever fails, the server is where it was or in a status that says so, and the ways out of that work.
async fn failed_at_each_step(story: &Story, act: Act, part: Part) {
    let scene = Scene::start().await;
    for nth in 1.. {
        let name = format!("web{nth}");
        scene.begin(story, &name).await;
        scene.script.plan(nth, act, part == Part::WayBack);
        let task = scene.ask(story.ask, &name).await;
        let row = scene.ended(task).await;
        let step = scene.script.step();
        scene.script.forget();
        scene.stack.host.behave();
        let Some(step) = step else { break };
        let at = format!("{}, {act:?} at step {nth}, {}", story.name, step.info.stage);
        assert_eq!(row.state, "failed", "{at}");
        let status = scene.stack.show(&name).await.status;
        assert!(after_failure(story.ask).contains(&status), "{at}: {status}");
        scene.check_all(&at).await;
        // A stage that asks a host runs twice; with both acts that makes four turns, as many as there are ways out at most.
        let turn = nth as usize + if act == Act::FailAfter { 2 } else { 0 };
        scene.leave(&name, turn, &at).await;
    }
    scene.finish().await;
}

async fn failed_everywhere(stories: &[(&Story, Part)]) {
    let acts = [Act::FailBefore, Act::FailAfter];
    join_all(stories.iter().flat_map(|(story, part)| acts.map(|act| failed_at_each_step(story, act, *part)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_anywhere_plain_tasks_have_ways_out() {
    let stories = [&CREATE, &START, &STOP, &DELETE];
    failed_everywhere(&stories.map(|story| (story, Part::Whole))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_anywhere_one_request_has_ways_out() {
    for stories in ONE_CALL.map(|story| (story, Part::Whole)).chunks(4) {
        failed_everywhere(stories).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_anywhere_restart_has_ways_out() {
    failed_everywhere(&[&RESTART, &RESTART_RESCUE].map(|story| (story, Part::Whole))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_anywhere_start_rescue_has_ways_out() {
    let stories = [(&START_RESCUE, Part::Whole), (&NOT_READY, Part::WayBack), (&NOT_STOPPED, Part::WayBack)];
    failed_everywhere(&stories).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_anywhere_an_automatic_repair_has_ways_out() {
    failed_everywhere(&[(&AUTO, Part::Whole), (&NOT_CONFIRMED, Part::WayBack)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_anywhere_what_follows_a_failed_rescue_has_ways_out() {
    let stories = [&RESCUE_AGAIN, &START_AFTER_FAILURE, &STOP_AFTER_FAILURE];
    failed_everywhere(&stories.map(|story| (story, Part::Whole))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_anywhere_stop_rescue_has_ways_out() {
    failed_everywhere(&[(&STOP_RESCUE, Part::Whole)]).await;
}
