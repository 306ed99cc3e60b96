//! What a rule is: data, in a TOML file, and a probe beside it.

use serde::Deserialize;
use types::diagnosis::{Finding, FixOffer, Severity};

use crate::fixes;
use crate::patient::Patient;

/// Looks for one thing. `Ok`: what was seen of it, nothing where all is well. `Err`: why it can't be told.
pub type Probe = fn(&Patient) -> Result<Vec<String>, String>;

/// A rule's data. What people read of a finding stands here, not in code.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleData {
    pub code: String,
    pub severity: Severity,
    pub title: String,
    pub what_to_do: String,
    #[serde(default)]
    pub fixes: Vec<FixData>,
}

/// A fix that mends what the rule finds. Whether it is safe depends on what it mends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixData {
    pub code: String,
    /// An automatic repair may do it unasked.
    pub safe: bool,
    /// Why, or why not.
    pub reason: String,
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub data: RuleData,
    pub probe: Probe,
}

impl Rule {
    /// Reads a rule's data.
    ///
    /// # Panics
    /// When the data is malformed. It is part of the program, and a test reads all of it.
    #[must_use]
    pub fn new(text: &str, probe: Probe) -> Self {
        let data = toml::from_str(text).expect("a rule's data is checked by a test");
        Self { data, probe }
    }

    #[must_use]
    pub fn finding(&self, evidence: Vec<String>) -> Finding {
        let data = &self.data;
        let offer = |fix: &FixData| FixOffer {
            code: fix.code.clone(),
            safe: fix.safe,
            reason: fix.reason.clone(),
            title: fixes::get(&fix.code).map_or_else(String::new, |fix| fix.title.to_owned()),
        };
        Finding {
            code: data.code.clone(),
            severity: data.severity,
            title: data.title.clone(),
            evidence,
            what_to_do: data.what_to_do.clone(),
            fixes: data.fixes.iter().map(offer).collect(),
        }
    }
}
