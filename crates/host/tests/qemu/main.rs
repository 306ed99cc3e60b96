//! The agent as its own process with real QEMU guests under TCG, and everything real around it: gRPC over mutual TLS, boot files
//! over HTTP, a region that writes down what it hears.
//!
//! * `agent`: starts, kills and asks the agent. * `region`, `files`: its peers.
//! * `lifecycle`, `many`, `by_hand`, `images`, `change`, `network`, `rescue`, `killed`, `reboot`, `container`, `versions`, `overlay`, `uefi`, `failures`: the stories. Each takes one to two minutes; they run side by side.
//!
//! `grpcurl`: what the README has an operator type.
//!
//! `LIFEBOAT_TEST_QEMU=/path/of/qemu-system-x86_64` runs them with another QEMU than the path's.

mod agent;
mod by_hand;
mod change;
mod container;
mod failures;
mod files;
mod grpcurl;
mod images;
mod killed;
mod lifecycle;
mod many;
mod network;
mod overlay;
mod reboot;
mod region;
mod rescue;
mod uefi;
mod versions;
