//! Rescue sessions and rescue images: shown. `start-rescue` opens sessions, `stop-rescue` closes them; images are what agents offer.

mod diagnosis;
mod explain;
mod extend;
mod image;
mod session;

use crate::dispatch::Registry;

pub fn register(registry: &mut Registry) {
    session::register(registry);
    image::register(registry);
}
