//! What people read, in English or in Chinese.
//!
//! A text stands in the source in English, and that is also its key: [`text`] looks its Chinese up in [`zh`], [`say!`] fills its places. Which
//! language it is, [`Lang::of`] decides once. [`help`] translates what clap shows. Data on stdout is the same in every language: names of
//! fields, statuses, and whatever the service says. Tests at the end: nothing is without its Chinese, and no Chinese is without a use.

pub mod help;
mod zh;

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::OnceLock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    English,
    Chinese,
}

/// In the order of their weight; the first that is set counts (POSIX, section 8.2), before all of them our own.
const VARIABLES: [&str; 4] = ["LIFEBOAT_LANG", "LC_ALL", "LC_MESSAGES", "LANG"];

impl Lang {
    /// From the environment.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = VARIABLES.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
        match set.map(|value| value.to_ascii_lowercase()) {
            Some(value) if value.starts_with("zh") => Self::Chinese,
            _ => Self::English,
        }
    }

    /// Of this process.
    pub fn current() -> Self {
        static LANG: OnceLock<Lang> = OnceLock::new();
        *LANG.get_or_init(|| Self::of(|name| std::env::var(name).ok()))
    }
}

/// The Chinese of an English text.
pub fn chinese(english: &str) -> Option<&'static str> {
    static TABLE: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    TABLE.get_or_init(|| zh::TABLES.iter().flat_map(|table| table.iter().copied()).collect()).get(english).copied()
}

/// A text in the language of this process.
pub fn text(english: &'static str) -> &'static str {
    match Lang::current() {
        Lang::English => english,
        Lang::Chinese => chinese(english).unwrap_or(english),
    }
}

/// Puts values into `{name}` places. What stands in a value is not looked at again.
pub fn fill(text: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut filled = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match after.split_once('}').and_then(|(name, tail)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((value, tail))
        }) {
            Some((value, tail)) => {
                filled.push_str(&value.to_string());
                rest = tail;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// A message in the language of this process: `say!("task {id} failed", id = task.id)`.
macro_rules! say {
    ($text:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::lang::fill($crate::lang::text($text), &[$((stringify!($name), &$value as &dyn ::std::fmt::Display)),*])
    };
}
pub(crate) use say;

#[cfg(test)]
mod tests;
