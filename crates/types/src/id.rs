//! Typed ids: a UUID and the kind of thing it names. Printed and stored as a plain UUID.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// A kind of thing that has an id.
pub trait Kind: 'static {
    /// The REST keyword, singular.
    const WORD: &'static str;
}

#[cfg_attr(feature = "diesel", derive(diesel::expression::AsExpression, diesel::deserialize::FromSqlRow))]
#[cfg_attr(feature = "diesel", diesel(sql_type = diesel::sql_types::Uuid))]
pub struct Id<K: Kind>(Uuid, PhantomData<fn() -> K>);

macro_rules! kinds {
    ($($(#[$meta:meta])* $kind:ident, $alias:ident = $word:literal;)+) => {
        $(
            #[derive(Debug)]
            pub enum $kind {}
            impl Kind for $kind { const WORD: &'static str = $word; }
            $(#[$meta])*
            pub type $alias = Id<$kind>;
        )+
    };
}

kinds! {
    Guest, GuestId = "server";
    Host, HostId = "host";
    /// A baremetal agent: the process that serves boot files.
    Agent, AgentId = "baremetalagent";
    Task, TaskId = "task";
    /// One request to a host. Stable over retries of one stage of a task, new at the next.
    Operation, OperationId = "operation";
    /// One stay of one guest in rescue mode.
    Session, SessionId = "rescuesession";
    Disk, DiskId = "disk";
    /// All disks of a guest at one moment.
    Snapshot, SnapshotId = "snapshot";
    User, UserId = "user";
    Image, ImageId = "rescueimage";
    Project, ProjectId = "project";
    /// What users and projects belong to.
    Domain, DomainId = "domain";
    /// What one opened console showed.
    Recording, RecordingId = "consolerecording";
    Role, RoleId = "role";
    Policy, PolicyId = "policy";
}

impl<K: Kind> Id<K> {
    /// A new id, ordered by time of creation (RFC 9562, version 7).
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7(), PhantomData)
    }
    #[must_use]
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id, PhantomData)
    }
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        self.0
    }
}

impl<K: Kind> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Kind> Copy for Id<K> {}
impl<K: Kind> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K: Kind> Eq for Id<K> {}
impl<K: Kind> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K: Kind> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K: Kind> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", K::WORD, self.0)
    }
}
impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text was not an id of the kind that was wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{got}' is not the id of a {kind}: a UUID is wanted")]
pub struct BadId {
    pub kind: &'static str,
    pub got: String,
}

impl<K: Kind> FromStr for Id<K> {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text)
            .map(Self::from_uuid)
            .map_err(|_| BadId { kind: K::WORD, got: text.chars().take(80).collect() })
    }
}
impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}
impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Uuid::deserialize(d).map(Self::from_uuid)
    }
}

#[cfg(feature = "diesel")]
impl<K: Kind> diesel::serialize::ToSql<diesel::sql_types::Uuid, diesel::pg::Pg> for Id<K> {
    fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>) -> diesel::serialize::Result {
        <Uuid as diesel::serialize::ToSql<diesel::sql_types::Uuid, diesel::pg::Pg>>::to_sql(&self.0, out)
    }
}
#[cfg(feature = "diesel")]
impl<K: Kind> diesel::deserialize::FromSql<diesel::sql_types::Uuid, diesel::pg::Pg> for Id<K> {
    fn from_sql(bytes: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
        <Uuid as diesel::deserialize::FromSql<diesel::sql_types::Uuid, diesel::pg::Pg>>::from_sql(bytes)
            .map(Self::from_uuid)
    }
}
#[cfg(feature = "openapi")]
impl<K: Kind> utoipa::PartialSchema for Id<K> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::Custom("uuid".into())))
            .into()
    }
}
#[cfg(feature = "openapi")]
impl<K: Kind> utoipa::ToSchema for Id<K> {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed("Id")
    }
}
