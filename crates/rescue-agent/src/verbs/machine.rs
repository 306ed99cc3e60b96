//! Diagnosis and repair of the machine's own system.

use types::verb::{Verb, VerbFault};

use super::Tell;

/// Carries out the verbs that look at disks.
///
/// # Errors
/// Why the verb was not begun.
pub fn carry_out(verb: Verb, _tell: Tell<'_>) -> Result<String, VerbFault> {
    Err(VerbFault { message: format!("this rescue image can't {} yet", verb.name()) })
}
