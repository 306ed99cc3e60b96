//! What each Secret is to hold, given what it holds. No call here speaks with anybody.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use chrono::NaiveDate;
use types::rescue::hex;
use types::secret::Secret;

use super::authority::Authorities;
use crate::pki::authority::Pair;

/// A Secret's entries.
pub type Data = BTreeMap<String, Vec<u8>>;

/// The most that a Secret may hold, in bytes: a limit of Kubernetes.
const MOST: usize = 1024 * 1024;

/// With whom certificates are made, and when.
pub struct Place<'a> {
    pub authorities: &'a Authorities,
    pub today: NaiveDate,
}

impl Place<'_> {
    /// `ca.crt`, `tls.crt`, `tls.key`.
    ///
    /// # Errors
    /// No certificate can be made.
    pub fn single(&self, data: &Data, name: &str) -> Result<Data> {
        self.pairs(data, [("tls", name.to_owned())])
    }

    /// `ca.crt`, and `NAME.crt`, `NAME.key` for each; others go.
    ///
    /// # Errors
    /// No certificate can be made.
    pub fn many(&self, data: &Data, names: &[String], full: impl Fn(&str) -> String) -> Result<Data> {
        self.pairs(data, names.iter().map(|name| (name.as_str(), full(name))))
    }

    fn pairs<'n>(&self, data: &Data, wanted: impl IntoIterator<Item = (&'n str, String)>) -> Result<Data> {
        let mut after = Data::from([("ca.crt".to_owned(), self.authorities.trusted.clone().into_bytes())]);
        for (file, name) in wanted {
            let (cert, key) = (format!("{file}.crt"), format!("{file}.key"));
            let there = text(data, &cert).zip(text(data, &key));
            let there = there.map(|(certificate, key)| Pair { certificate, key: Secret::new(key) });
            let there = there.filter(|pair| pair.is_good(&name, &self.authorities.certificate, self.today));
            let pair = match there {
                Some(pair) => pair,
                None => self.authorities.signs.issue(&name, self.today)?,
            };
            after.insert(cert, pair.certificate.into_bytes());
            after.insert(key, pair.key.expose().as_bytes().to_vec());
        }
        Ok(after)
    }
}

/// The administrator's first password, and the key of what is encrypted in the database.
///
/// # Errors
/// The operating system gives no random bytes.
pub fn region(data: &Data) -> Result<Data> {
    let mut data = data.clone();
    fill(&mut data, "admin-password", || Ok(service::random::password()?))?;
    fill(&mut data, "region-key", || Ok(hex(&service::random::bytes::<32>()?)))?;
    Ok(data)
}

/// `password`, and `url` of the database `lifeboat` on `host`, with that password.
///
/// # Errors
/// The operating system gives no random bytes.
pub fn database(data: &Data, host: &str) -> Result<Data> {
    let mut data = data.clone();
    fill(&mut data, "password", || Ok(service::random::password()?))?;
    let password = text(&data, "password").unwrap_or_default();
    fill(&mut data, "url", || Ok(format!("postgres://postgres:{password}@{host}/lifeboat")))?;
    Ok(data)
}

/// What is there stays, whatever it is.
fn fill(data: &mut Data, key: &str, make: impl Fn() -> Result<String>) -> Result<()> {
    if data.get(key).is_none_or(Vec::is_empty) {
        data.insert(key.to_owned(), make()?.into_bytes());
    }
    Ok(())
}

/// # Errors
/// A name that is no DNS name, or too long for a certificate's.
pub fn check_name(name: &str) -> Result<()> {
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // 253 is the most for a DNS name, and `.agent.lifeboat` follows.
    if name.len() > 230 || !name.split('.').all(label) || ["ca", "tls"].contains(&name) {
        bail!(
            "'{name}' can't be the name of a host or agent: a DNS name in lower case, other than 'ca' and 'tls', is wanted"
        );
    }
    Ok(())
}

/// # Errors
/// More than a Secret can hold.
pub fn check_size(data: &Data) -> Result<()> {
    let size: usize = data.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > MOST {
        bail!(
            "{} entries are more than one Secret can hold; with so many hosts use cert-manager, one Secret each",
            data.len()
        );
    }
    Ok(())
}

pub fn text(data: &Data, key: &str) -> Option<String> {
    String::from_utf8(data.get(key)?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_keys_are_never_replaced() {
        let first = database(&region(&Data::new()).unwrap(), "db.example").unwrap();
        assert_eq!(text(&first, "region-key").unwrap().len(), 64);
        let url = format!("postgres://postgres:{}@db.example/lifeboat", text(&first, "password").unwrap());
        assert_eq!(text(&first, "url").unwrap(), url);
        assert_eq!(database(&region(&first).unwrap(), "another.example").unwrap(), first);

        let mut half = first.clone();
        half.remove("region-key");
        let filled = region(&half).unwrap();
        assert_eq!(filled["admin-password"], first["admin-password"]);
        assert_ne!(filled["region-key"], first["region-key"]);
    }

    #[test]
    fn names_are_dns_names() {
        for good in ["node1", "n", "ip-10-0-0-1.example.com", "ab.".repeat(70).trim_end_matches('.')] {
            check_name(good).unwrap();
        }
        for bad in ["", "Node1", "a..b", "-a", "a-", "a/b", "../x", "ca", "tls", &"a".repeat(64), &"a.".repeat(150)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
