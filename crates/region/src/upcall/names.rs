//! The names of hosts, by which their certificates are checked. A host's id and name never part, so what was read once stays true.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use types::HostId;

#[derive(Default)]
pub struct Names(RwLock<HashMap<HostId, Arc<str>>>);

impl Names {
    pub fn get(&self, id: HostId) -> Option<Arc<str>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    pub fn keep(&self, id: HostId, name: String) -> Arc<str> {
        let name: Arc<str> = name.into();
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id, name.clone());
        name
    }
}
