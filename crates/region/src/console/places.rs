//! How many consoles are open at this process: each costs memory, a connection of the host, and a look at the rights every few seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use types::UserId;

use crate::config::Console;

#[derive(Debug, Clone, Default)]
pub struct Places(Arc<Mutex<HashMap<UserId, usize>>>);

/// One of them; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    user: UserId,
}

impl Places {
    /// `None`: the user has too many open, or all users have.
    #[must_use]
    pub fn take(&self, user: UserId, limits: &Console) -> Option<Place> {
        let mut open = self.lock();
        let all: usize = open.values().sum();
        let own = open.get(&user).copied().unwrap_or(0);
        if all >= limits.max_open || own >= limits.max_per_user {
            return None;
        }
        open.insert(user, own + 1);
        metrics::gauge!("region_consoles").set((all + 1) as f64);
        Some(Place { places: self.clone(), user })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.lock();
        if let Some(own) = open.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.user);
            }
        }
        metrics::gauge!("region_consoles").set(open.values().sum::<usize>() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_takes_no_more_than_their_share_and_all_no_more_than_there_is() {
        let (ann, bob, eve) = (UserId::generate(), UserId::generate(), UserId::generate());
        let (places, limits) = (Places::default(), Console { max_per_user: 2, max_open: 3, ..Console::default() });
        let first = places.take(ann, &limits).expect("a place");
        let _second = places.take(ann, &limits).expect("a place");
        assert!(places.take(ann, &limits).is_none());
        let third = places.take(bob, &limits).expect("another user's");
        assert!(places.take(eve, &limits).is_none(), "there are no more");
        drop(third);
        assert!(places.take(ann, &limits).is_none());
        drop(first);
        assert!(places.take(ann, &limits).is_some() && places.take(eve, &limits).is_some());
    }
}
