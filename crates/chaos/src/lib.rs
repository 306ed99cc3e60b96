//! Breaks a whole Lifeboat at random, again and again, and looks after each time whether its promises hold.
//!
//! Read in this order:
//! * [`options`]: what a campaign is; [`chance`]: all that is left to chance comes from one seed.
//! * [`site`]: what is broken: two regions, two baremetal agents, a Postgres, a host with real QEMU, a host with a simulated one, and
//!   simulated hosts with hundreds of servers; networks, disks and clocks of their own, so that each can fail alone.
//! * [`fleet`]: the servers; [`load`]: what is asked of them meanwhile.
//! * [`fault`]: what can happen, and [`inject`]: how it is done and undone.
//! * [`watch`]: never two QEMU on a disk, looked at all the time.
//! * [`promise`]: what must hold once everything is healed, and [`leave`]: that each failed status can be left; [`sown`]: that the looks
//!   find what is wrong.
//! * [`campaign`]: rounds of faults, calm, and looks; [`report`]: what came of it.

pub mod campaign;
pub mod chance;
pub mod fault;
pub mod fleet;
pub mod inject;
pub mod leave;
pub mod load;
pub mod options;
pub mod promise;
pub mod report;
pub mod site;
pub mod sown;
pub mod sql;
pub mod watch;
