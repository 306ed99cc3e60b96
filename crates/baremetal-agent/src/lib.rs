//! The baremetal agent: serves boot files over HTTP and TFTP, and tells region that it does.
//!
//! Read in this order:
//! * [`config`]: what can be set.
//! * [`root`]: opens files beneath one folder, whatever their names say.
//! * [`catalogue`]: which images have passed their check, and which have not and why. Scanned at the start, on SIGHUP, and periodically.
//! * [`tree`]: what a name leads to: a file beneath the root, but below `images/` only what the catalogue vouches for. Both protocols go
//!   through here.
//! * [`script`]: boot scripts that are made when they are asked for.
//! * [`http`], [`range`]: the HTTP side. [`boot`]: the TFTP side.
//! * [`upcall`]: registration with region and heartbeats.
//! * [`app`]: all of it, started and ended in order.
//! * [`image`]: the commands `image keygen`, `sign`, `verify` and `list`; [`publish`]: `image add` and `gc`.

pub mod app;
pub mod boot;
pub mod catalogue;
pub mod config;
pub mod http;
pub mod image;
pub mod publish;
pub mod range;
pub mod root;
pub mod script;
pub mod tree;
pub mod upcall;
