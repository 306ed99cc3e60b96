//! Parameters of lists. Arrays come as `status.0=a&status.1=b`, or as the repeated key; unknown keys are ignored.

use api::list::{DEFAULT_LIMIT, MAX_LIMIT};

use crate::error::{Error, Result};

#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// # Errors
    /// 400 for a query that is not percent-encoded UTF-8, or holds U+0000.
    pub fn parse(raw: &str) -> Result<Self> {
        let pairs: Vec<(String, String)> = form_urlencoded(raw)?;
        if pairs.iter().any(|(k, v)| k.contains('\0') || v.contains('\0')) {
            return Err(Error::input("the query holds the character U+0000"));
        }
        Ok(Self(pairs))
    }

    /// The value of a key, the last if it is repeated; an empty one counts as absent.
    #[must_use]
    pub fn one(&self, key: &str) -> Option<&str> {
        self.many(key).last().copied()
    }

    /// All values of a key.
    #[must_use]
    pub fn many(&self, key: &str) -> Vec<&str> {
        let is = |k: &str| {
            k == key || k.strip_prefix(key).and_then(|r| r.strip_prefix('.')).is_some_and(|n| n.parse::<u16>().is_ok())
        };
        self.0.iter().filter(|(k, v)| is(k) && !v.is_empty()).map(|(_, v)| v.as_str()).collect()
    }

    /// True or false.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.one(key) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(text) => Err(Error::input(format!("{key}: '{}': allowed are true, false", short(text)))),
        }
    }

    /// The same query with all values of a key under another key too.
    #[must_use]
    pub fn renamed(mut self, key: &str, to: &str) -> Self {
        let values: Vec<String> = self.many(key).into_iter().map(str::to_owned).collect();
        self.0.extend(values.into_iter().map(|value| (to.to_owned(), value)));
        self
    }

    /// A number.
    ///
    /// # Errors
    /// 400 for what is none, or negative.
    pub fn number(&self, key: &str) -> Result<Option<i64>> {
        let Some(text) = self.one(key) else { return Ok(None) };
        match text.parse::<i64>() {
            Ok(n) if n >= 0 => Ok(Some(n)),
            _ => Err(Error::input(format!("{key}: '{}' is not a number from 0 upwards", short(text)))),
        }
    }

    /// The same query with another value for a key.
    #[must_use]
    pub fn with(self, key: &str, value: String) -> Self {
        self.with_all(key, vec![value])
    }

    /// The same query with other values for a key.
    #[must_use]
    pub fn with_all(mut self, key: &str, values: Vec<String>) -> Self {
        let is = |k: &str| k == key || k.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
        self.0.retain(|(k, _)| !is(k));
        self.0.extend(values.into_iter().map(|value| (key.to_owned(), value)));
        self
    }

    /// `limit` and `offset`.
    ///
    /// # Errors
    /// 400 for what is out of range.
    pub fn page(&self) -> Result<(i64, i64)> {
        let limit = match self.number("limit")? {
            None | Some(0) => DEFAULT_LIMIT,
            Some(n) if n > MAX_LIMIT => {
                return Err(Error::input(format!("limit: {n} is too many: at most {MAX_LIMIT} are allowed")));
            }
            Some(n) => n,
        };
        Ok((limit, self.number("offset")?.unwrap_or(0)))
    }
}

pub(crate) fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

fn form_urlencoded(raw: &str) -> Result<Vec<(String, String)>> {
    raw.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((percent_decode(key)?, percent_decode(value)?))
        })
        .collect()
}

fn percent_decode(text: &str) -> Result<String> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'+' => plain.push(b' '),
            b'%' => {
                let hex = text.get(at + 1..at + 3).and_then(types::rescue::unhex);
                plain.extend(hex.ok_or_else(|| Error::input("the query has a % that two hex digits do not follow"))?);
                at += 2;
            }
            byte => plain.push(byte),
        }
        at += 1;
    }
    String::from_utf8(plain).map_err(|_| Error::input("the query is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_in_two_forms() {
        let query = Query::parse("status.0=a&status.1=b%20c&status=d&statusx=e&status.x=f").unwrap();
        assert_eq!(query.many("status"), ["a", "b c", "d"]);
    }

    #[test]
    fn what_can_not_be_used_is_an_error() {
        for bad in ["limit=-1", "limit=x", "limit=2001", "offset=-5"] {
            assert!(Query::parse(bad).unwrap().page().is_err(), "{bad}");
        }
        assert_eq!(Query::parse("limit=0").unwrap().page().unwrap(), (20, 0));
        for bad in ["a=%", "a=%zz", "a=%ff", "a=%00"] {
            assert!(Query::parse(bad).is_err(), "{bad}");
        }
    }
}
