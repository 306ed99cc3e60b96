//! The host agent: it owns the QEMU guests of one machine, and does with them what region asks.
//!
//! Read in this order:
//! * [`config`], [`app`]: what it is told, and how it starts and ends; [`check`]: whether it could;
//! * [`grpc`]: requests from region; [`upcall`]: what region is told;
//! * [`guest`]: one loop per guest, and what it can do; [`autostart`]: what becomes of them when the machine has started anew;
//! * [`qemu`]: QEMU as a program and as a process; [`storage`], [`base_image`]: disks; [`lease`]: who has them; [`network`]: taps; [`system`]: what the machine has.
//!
//! What holds for all of it: an operation is in the ledger before it is begun, and its outcome before anybody is told; each step may
//! be repeated, also after the agent was killed in the middle; a guest's process outlives the agent.

pub mod app;
pub mod autostart;
pub mod base_image;
pub mod check;
mod check_network;
pub mod config;
pub mod env;
pub mod grpc;
pub mod guest;
pub mod lease;
pub mod network;
pub mod qemu;
pub mod storage;
pub mod system;
pub mod upcall;
