//! `POST /tasks/{id}/cancel`: a request that a stage honours where it can. It reaches the children too.

use api::task::Cancel;
use task_engine::TaskRow;

use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;

impl Perform<Cancel> for TaskRow {
    async fn perform(self, _: Cancel, cx: &mut Cx<'_>) -> Result<Done<Cancel>> {
        task_engine::cancel(cx.conn, self.id).await.map_err(super::refused)?;
        super::note(&self, "cancel_task", format!("asked {} to stop at {}", self.name, self.stage_name), cx).await?;
        Ok(Done::nothing())
    }
}
