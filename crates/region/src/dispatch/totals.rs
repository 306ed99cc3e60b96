//! How many rows a list has in all is counted row by row, which grows with the table. So a large total is remembered for a moment: a page costs
//! the same whether it is one of five or of five thousand. Small totals are always counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use db::filter::Page;

/// Totals up to this are exact.
const SMALL: i64 = 2000;
/// So old may a larger one be.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Different lists.
const MOST: usize = 1000;

#[derive(Default)]
pub struct Totals(Mutex<HashMap<String, (Instant, i64)>>);

impl Totals {
    #[must_use]
    pub fn recall(&self, resource: &str, page: &Page) -> Option<i64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&key(resource, page)).filter(|(at, _)| at.elapsed() < REMEMBERED).map(|(_, total)| *total)
    }

    /// After a list. A total that was recalled keeps its age.
    pub fn remember(&self, resource: &str, page: &Page, total: i64) {
        if total <= SMALL || page.known_total.is_some() {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
        }
        if known.len() < MOST {
            known.insert(key(resource, page), (Instant::now(), total));
        }
    }
}

/// The conditions say what is counted; order and page do not matter.
fn key(resource: &str, page: &Page) -> String {
    format!("{resource} {:?} {:?}", page.base, page.filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use db::filter::{After, Where};

    fn page(limit: i64) -> Page {
        let (base, filter) = (Where::default(), Where::default());
        Page { base, filter, after: After(None), known_total: None, order: Vec::new(), limit, offset: 0 }
    }

    #[test]
    fn only_large_totals_are_remembered() {
        let totals = Totals::default();
        totals.remember("servers", &page(20), SMALL);
        assert_eq!(totals.recall("servers", &page(20)), None);
        totals.remember("servers", &page(20), SMALL + 1);
        assert_eq!(totals.recall("servers", &page(50)), Some(SMALL + 1));
        assert_eq!(totals.recall("events", &page(50)), None);
        let any = Page { filter: Where { any: true, ..Where::default() }, ..page(20) };
        assert_eq!(totals.recall("servers", &any), None);
    }
}
