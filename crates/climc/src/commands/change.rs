//! Create, change and delete, for resources that have no task of their own.

use serde::Serialize;

use crate::batch::{self, Cx, Many, Wait};
use crate::exit::Exit;
use crate::lang::say;
use crate::output::Shown;

/// `POST /<resources>`
pub async fn create<R: Shown>(cx: &Cx, name: &str, body: &impl Serialize) -> Result<(), Exit> {
    batch::run::<R>(cx, "create", &[name.to_owned()], 1, &Wait::default(), async |_| {
        Ok(cx.client.create::<R>(body).await?.into())
    })
    .await
}

/// What is to be changed, and whether only as it was seen.
#[derive(Debug, clap::Args)]
pub struct Change<B: clap::Args> {
    /// Id or name
    pub id: String,
    #[command(flatten)]
    pub body: B,
    /// Only if its update_version is still this one
    #[arg(long, value_name = "VERSION")]
    pub if_version: Option<i64>,
}

/// `PUT /<resources>/{id}`. A body without any field is a mistake.
pub async fn update<R: Shown, B: clap::Args + Serialize>(cx: &Cx, change: &Change<B>) -> Result<(), Exit> {
    put::<R>(cx, &change.id, &change.body, change.if_version).await
}

/// The same, of a body that was made otherwise.
pub async fn put<R: Shown>(cx: &Cx, id: &str, body: &impl Serialize, if_version: Option<i64>) -> Result<(), Exit> {
    if serde_json::to_value(body).ok().and_then(|body| body.as_object().map(serde_json::Map::is_empty)) == Some(true) {
        return Err(Exit::usage(say!("nothing is to be changed: give at least one option")));
    }
    batch::run::<R>(cx, "update", &[id.to_owned()], 1, &Wait::default(), async |id| {
        Ok(cx.client.update::<R>(id, body, if_version).await?.into())
    })
    .await
}

/// `DELETE /<resources>/{id}`, of one or many.
pub async fn delete<R: Shown>(cx: &Cx, many: &Many) -> Result<(), Exit> {
    batch::run::<R>(cx, "delete", &many.ids, many.parallel, &Wait::default(), async |id| {
        Ok(cx.client.delete::<R>(id).await?.into())
    })
    .await
}
