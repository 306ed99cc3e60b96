//! A rescue that writes beside the disks, and what becomes of that.

use api::rescue::RescueSessions;
use api::server::{StartRescue, StopRescue};
use diesel_async::RunQueryDsl;
use testing::{Stack, eventually};
use types::status::OverlayEnd;
use types::{DiskMode, GuestStatus, SessionState};

use crate::{done, refused};

fn beside() -> StartRescue {
    StartRescue { disk_mode: Some(DiskMode::Overlay), ..StartRescue::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_merged_or_dropped_as_it_is_said() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    done(&stack, "web1", &beside()).await;
    let session = stack.show("web1").await.rescue_session_id.unwrap().to_string();
    let (code, details) = refused(&stack, "web1", &StopRescue::default()).await;
    assert!(code == 400 && details.contains("commit") && details.contains("discard"), "{details}");
    assert_eq!(stack.show("web1").await.status, GuestStatus::Rescue, "nothing was changed");
    done(&stack, "web1", &StopRescue { overlay: Some(OverlayEnd::Commit), ..StopRescue::default() }).await;
    let ended = stack.client.get::<RescueSessions>(&session).await.unwrap();
    assert_eq!((ended.state, ended.overlay), (SessionState::Closed, Some(OverlayEnd::Commit)));

    // In the other modes there is nothing to decide.
    let wanted = StartRescue { on_expiry: Some(OverlayEnd::Commit), ..StartRescue::default() };
    assert_eq!(refused(&stack, "web1", &wanted).await.0, 400);
    done(&stack, "web1", &StartRescue::default()).await;
    let (code, details) =
        refused(&stack, "web1", &StopRescue { overlay: Some(OverlayEnd::Discard), ..Default::default() }).await;
    assert!(code == 400 && details.contains("rw"), "{details}");
    done(&stack, "web1", &StopRescue::default()).await;
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_of_its_time_a_session_does_what_was_said_at_its_beginning() {
    let stack = Stack::start().await;
    for (name, wanted, expected) in
        [("web1", Some(OverlayEnd::Commit), OverlayEnd::Commit), ("web2", None, OverlayEnd::Discard)]
    {
        stack.server(name, true).await;
        done(&stack, name, &StartRescue { on_expiry: wanted, ..beside() }).await;
        let session = stack.show(name).await.rescue_session_id.unwrap();
        let mut conn = stack.connection().await;
        let sql = "update rescue_sessions set expires_at = now() where ended_at is null";
        diesel::sql_query(sql).execute(&mut conn).await.unwrap();
        let server = eventually("it leaves rescue by itself", async || {
            Some(stack.show(name).await).filter(|server| server.status == GuestStatus::Running && server.task.is_none())
        })
        .await;
        assert_eq!(server.rescue_session_id, None);
        let ended = stack.client.get::<RescueSessions>(&session.to_string()).await.unwrap();
        assert_eq!(ended.overlay, Some(expected), "{name}");
    }
    stack.finish().await;
}
