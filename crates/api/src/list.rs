//! Lists: their parameters and their envelope.

use serde::{Deserialize, Serialize};

/// The answer to a list, in memory; on the wire `{"servers": [...], "total": N, "limit": L, "offset": O}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T> {
    pub data: Vec<T>,
    /// How many match, over all pages.
    pub total: i64,
    pub limit: i64,
    pub offset: i64,
}

/// What every list understands. Unknown keys of a query are ignored, as upstream does; arrays come as `status.0=a&status.1=b` or as
/// the repeated key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct ListQuery {
    /// At most so many rows; 0 is the default of 20
    #[cfg_attr(feature = "clap", arg(long, default_value_t = 20))]
    #[serde(default, skip_serializing_if = "is_zero")]
    pub limit: i64,
    /// Skip so many rows
    #[cfg_attr(feature = "clap", arg(long, default_value_t = 0))]
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: i64,
    /// Rows whose name or id contains this text
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// The row of exactly this name
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Rows in this status; may be repeated
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<String>,
    /// Order by this column
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_by: Option<String>,
    /// asc or desc
    #[cfg_attr(feature = "clap", arg(long, value_parser = ["asc", "desc"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The kind of the object (tasks and events): server
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obj_type: Option<String>,
    /// The object, by id or name (tasks, events, rescue sessions)
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obj_id: Option<String>,
    /// Tasks of this name: StartRescueTask
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
    /// Tasks that have ended (true) or not (false)
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_complete: Option<bool>,
    /// column.op('value'), as vmem_size.ge(1024) or name.startswith('web'); may be repeated
    #[cfg_attr(feature = "clap", arg(long, value_name = "EXPRESSION"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<String>,
    /// Of several --filter, one must hold instead of all
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub filter_any: bool,
    /// Less than you may see: system, domain, project, user
    #[cfg_attr(feature = "clap", arg(long, value_parser = ["system", "domain", "project", "user"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// From this time on: 2026-11-23T10:00:00Z (tasks, events, sessions)
    #[cfg_attr(feature = "clap", arg(long, value_name = "TIME"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Before this time
    #[cfg_attr(feature = "clap", arg(long, value_name = "TIME"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// When a query names no limit, or 0.
pub const DEFAULT_LIMIT: i64 = 20;
/// A higher limit is an error, so that no page is silently short.
pub const MAX_LIMIT: i64 = 2000;
