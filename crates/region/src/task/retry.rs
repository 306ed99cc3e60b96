//! `POST /tasks/{id}/retry`: a blocked task goes on from where it stands.

use api::Action;
use api::task::Retry;
use task_engine::TaskRow;

use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;

impl Perform<Retry> for TaskRow {
    async fn perform(self, _: Retry, cx: &mut Cx<'_>) -> Result<Done<Retry>> {
        super::operator(Retry::NAME, cx).await?;
        task_engine::retry(cx.conn, self.id).await.map_err(super::refused)?;
        super::note(&self, "retry_task", format!("{} goes on at {}", self.name, self.stage_name), cx).await?;
        Ok(Done::nothing())
    }
}
