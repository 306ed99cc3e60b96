//! `POST /tasks/{id}/cancel`: a request that a stage honours where it can.

use api::ErrorClass;
use api::task::Cancel;
use task_engine::TaskRow;

use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};

impl Perform<Cancel> for TaskRow {
    async fn perform(self, _: Cancel, cx: &mut Cx<'_>) -> Result<Done<Cancel>> {
        task_engine::cancel(cx.conn, self.id).await.map_err(|error| match error {
            task_engine::AdminError::Database(error) => error.into(),
            other => Error::new(ErrorClass::InvalidStatus, other.to_string()),
        })?;
        if let (Some(kind), Some(id)) = (self.obj_type.as_deref(), self.obj_id) {
            cx.event(Note {
                obj_type: kind,
                obj_id: id,
                obj_name: &self.name,
                action: "cancel_task",
                success: true,
                notes: format!("asked {} to stop at {}", self.name, self.stage_name),
                status: None,
                task: Some(self.id),
            })
            .await?;
        }
        Ok(Done::nothing())
    }
}
