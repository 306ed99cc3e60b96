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

    /// # Errors
    /// 400 for what is neither.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>> {
        match self.one(key) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(text) => Err(Error::input(format!("{key}: '{}' is neither true nor false", short(text)))),
        }
    }

    /// Words of an enum.
    ///
    /// # Errors
    /// 400, naming the allowed ones.
    pub fn words<T>(&self, key: &'static str) -> Result<Vec<T>>
    where
        T: std::str::FromStr<Err = types::word::UnknownWord>,
    {
        self.many(key).into_iter().map(|w| w.parse().map_err(|e| Error::input(format!("{key}: {e}")))).collect()
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

    /// `order_by` as one of the allowed columns, and whether the order is descending. Without either, `None`.
    ///
    /// # Errors
    /// 400, naming the allowed ones.
    pub fn order<T: Copy>(&self, columns: &[(&str, T)]) -> Result<Option<(T, bool)>> {
        let descending = match self.one("order") {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => return Err(Error::input(format!("order: '{}': allowed are asc, desc", short(other)))),
        };
        let Some(column) = self.one("order_by") else { return Ok(None) };
        match columns.iter().find(|(name, _)| *name == column) {
            Some((_, column)) => Ok(Some((*column, descending))),
            None => {
                let allowed: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
                Err(Error::input(format!("order_by: '{}': allowed are {}", short(column), allowed.join(", "))))
            }
        }
    }
}

fn short(text: &str) -> String {
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
        let order = Query::parse("order_by=evil").unwrap();
        assert!(order.order(&[("name", 1)]).unwrap_err().details.contains("allowed are name"));
    }
}
