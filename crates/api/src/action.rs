//! What a resource and a verb are, for every program at once.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::task::TaskBrief;

/// Something with routes of its own.
pub trait Resource {
    /// The key around a single body: `server`.
    const WORD: &'static str;
    /// The path and the key around a list: `servers`.
    const PLURAL: &'static str;
    /// What `GET` answers.
    type View: Serialize + DeserializeOwned + Send + Sync + 'static;
}

/// A verb: `POST /<resources>/{id}/<NAME>` with this type as the body.
pub trait Action: Serialize + DeserializeOwned + Send + Sync + 'static {
    type On: Resource;
    /// In the path, and (with underscores) in policies: `start-rescue`.
    const NAME: &'static str;
    /// What the answer holds beside the resource and its task.
    type Extra: Serialize + DeserializeOwned + Send + Sync + Default + 'static;
    /// One line for help, OpenAPI and the verb table.
    const SUMMARY: &'static str;

    /// Checks what the types can't.
    ///
    /// # Errors
    /// [`Invalid`] names the field, what was wrong and what would be right.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }

    /// What a repeat under the same idempotency key is answered with: the extra without its secrets.
    #[must_use]
    fn forget_secrets(extra: Self::Extra) -> Self::Extra {
        extra
    }
}

/// A verb of many: `POST /<resources>/<NAME>` with this type as the body.
pub trait ClassAction: Serialize + DeserializeOwned + Send + Sync + 'static {
    type On: Resource;
    const NAME: &'static str;
    const SUMMARY: &'static str;

    /// Checks what the types can't.
    ///
    /// # Errors
    /// [`Invalid`].
    fn check(&self) -> Result<(), Invalid>;
}

/// A body has the right shape but not a value that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Invalid {
    pub field: &'static str,
    pub problem: String,
}

impl Invalid {
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}

/// The answer to a verb, status 202. On the wire the resource stands under its own keyword: `{"server": {...}, "task": {...}}`.
pub struct Accepted<A: Action> {
    pub resource: <A::On as Resource>::View,
    /// Absent where the verb had nothing left to do.
    pub task: Option<TaskBrief>,
    pub extra: A::Extra,
    /// Keys of the body that were not understood, and so ignored.
    pub warnings: Vec<String>,
}

impl<A: Action> Accepted<A> {
    /// The body as it goes over the wire.
    ///
    /// # Errors
    /// A view or extra that is not plain data: a fault of this program.
    pub fn to_json(&self) -> serde_json::Result<Value> {
        let mut body = match serde_json::to_value(&self.extra)? {
            Value::Object(extra) => extra,
            _ => Map::new(),
        };
        body.insert(A::On::WORD.into(), serde_json::to_value(&self.resource)?);
        if let Some(task) = &self.task {
            body.insert("task".into(), serde_json::to_value(task)?);
        }
        if !self.warnings.is_empty() {
            body.insert("warnings".into(), serde_json::to_value(&self.warnings)?);
        }
        Ok(Value::Object(body))
    }

    /// Reads such a body.
    ///
    /// # Errors
    /// A body that is not an answer to this verb.
    pub fn from_json(mut body: Value) -> serde_json::Result<Self> {
        let mut take = |key: &str| body.get_mut(key).map(Value::take).unwrap_or_default();
        Ok(Self {
            resource: serde_json::from_value(take(A::On::WORD))?,
            task: serde_json::from_value(take("task"))?,
            warnings: serde_json::from_value::<Option<_>>(take("warnings"))?.unwrap_or_default(),
            extra: serde_json::from_value(body)?,
        })
    }
}

/// For verbs whose answer has nothing beside resource and task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NoExtra {}
