//! gRPC between region, hosts and baremetal agents: the code generated from `proto/`, [`convert`], which turns messages into
//! the words of `types` and back, and [`version`]: who can work with whom. Region and host never see each other's code; they meet here.

#[allow(clippy::all, clippy::pedantic, reason = "generated")]
pub mod host {
    pub mod v1 {
        tonic::include_proto!("host.v1");
    }
}
#[allow(clippy::all, clippy::pedantic, reason = "generated")]
pub mod region {
    pub mod v1 {
        tonic::include_proto!("region.v1");
    }
}

pub mod convert;
pub mod version;

pub use convert::Malformed;

/// The descriptors of every service here, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
