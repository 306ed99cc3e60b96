//! Everything of Lifeboat on one machine, as one command.
//!
//! * `up`, `down`, `status`, `logs`: a private stack. [`stack`] starts its parts in order, [`part`] keeps one alive, [`board`] is what
//!   runs now, [`state`] where it all lives. Before them go [`pki`] (certificates), [`image`] (the signed rescue image), [`database`]
//!   and [`settings`] (configuration files).
//! * [`cluster`]: the Secrets of a Kubernetes cluster, by `secrets`.
//! * [`background`]: how `up` returns while the stack stays.
//! * [`demo`]: the story of a server that no longer boots, told with the real parts.
//!
//! Data goes to stdout, the rest to stderr. Exit codes: 0 it is done, 1 it failed, 2 wrong usage, 3 (`status`) not everything runs.

pub mod background;
pub mod board;
pub mod clock;
pub mod cluster;
pub mod database;
pub mod demo;
pub mod image;
pub mod part;
pub mod pki;
pub mod process;
pub mod rc;
pub mod registered;
pub mod screen;
pub mod settings;
pub mod ssh;
pub mod stack;
pub mod state;
pub mod status;
