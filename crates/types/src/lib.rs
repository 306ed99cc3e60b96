//! The words every part of Lifeboat shares. No behaviour lives here, only names and their shapes.
//!
//! Read in this order:
//! * [`id`]: typed ids; a guest's id can't be passed where a task's is wanted.
//! * [`word`]: how an enum becomes a stored, printed and parsed word.
//! * [`status`]: the lifecycle that region owns, and the power state that hosts observe.
//! * [`desc`]: the description of a guest as its host keeps it.
//! * [`operation`]: what region asks of a host, and how it ended.
//! * [`rescue`]: what host and rescue system say to each other: secrets in, proof out.
//! * [`verb`]: what a host may ask of a rescue system that has proven itself.
//! * [`diagnosis`]: what the rescue system found wrong with a machine, and what a repair did.
//! * [`secret`]: a string that never prints itself.

pub mod desc;
pub mod diagnosis;
pub mod id;
pub mod operation;
pub mod rescue;
pub mod secret;
pub mod status;
pub mod verb;
pub mod word;

pub use id::{AgentId, GuestId, HostId, Id, OperationId, RecordingId, SessionId, TaskId, UserId};
pub use secret::Secret;
pub use status::{DiskMode, GuestStatus, PowerState, SessionState};
