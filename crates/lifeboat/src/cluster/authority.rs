//! The authority's Secret: `ca.crt` (all that are trusted, the one that signs first) and `ca.key` (its key). Before it ends, its successor
//! is made and trusted everywhere (`next.crt`, `next.key`) for two months before it signs, so that at no moment one part refuses another.

use anyhow::{Context, Result};
use chrono::{Days, NaiveDate};
use types::secret::Secret;

use super::wanted::{Data, text};
use crate::pki::authority::{Authority, Pair, SPARE_DAYS, days};

/// A successor is made and trusted when the authority has no more days than these.
const SUCCESSOR_DAYS: u64 = 90;

/// Who signs, and all that are trusted.
pub struct Authorities {
    pub signs: Authority,
    /// The certificate of the one that signs.
    pub certificate: String,
    pub trusted: String,
}

/// # Errors
/// The Secret holds something else.
pub fn read(data: &Data) -> Result<Authorities> {
    let trusted = text(data, "ca.crt").context("ca.crt is missing")?;
    let certificate = certificates(&trusted).into_iter().next().context("ca.crt holds no certificate")?;
    let key = text(data, "ca.key").context("ca.key is missing")?;
    let signs = Authority::load(&certificate, &key).context("ca.crt and ca.key can't be read")?;
    Ok(Authorities { signs, certificate, trusted })
}

/// What the Secret is to hold today.
///
/// # Errors
/// What is there can't be read: it is left, because a new authority would cut all parts off.
pub fn renew(data: &Data, name: &str, today: NaiveDate) -> Result<Data> {
    if data.is_empty() {
        let (_, pair) = Authority::create(&format!("{name}, {today}"), today)?;
        return Ok(saved(&pair, None, vec![]));
    }
    let current = read(data).context(
        "what is there is no authority of ours; remove it (all certificates are then made anew), or put the right one back",
    )?;
    let key = Secret::new(text(data, "ca.key").unwrap_or_default());
    let current = Pair { certificate: current.certificate, key };
    let next = text(data, "next.crt").zip(text(data, "next.key"));
    let next = next.map(|(certificate, key)| Pair { certificate, key: Secret::new(key) });

    let known = [Some(&current), next.as_ref()].into_iter().flatten().map(|pair| pair.certificate.clone());
    let known: Vec<String> = known.collect();
    let mut others = certificates(&text(data, "ca.crt").unwrap_or_default());
    others.retain(|one| !known.contains(one) && days(one).is_ok_and(|(_, last)| last >= today));

    let left = |ahead: u64| days(&current.certificate).map(|(_, last)| last < today + Days::new(ahead));
    match next {
        None if left(SUCCESSOR_DAYS)? => {
            let (_, next) = Authority::create(&format!("{name}, {today}"), today)?;
            Ok(saved(&current, Some(&next), others))
        }
        // Made yesterday or before (certificates begin a day before they are made): by now every part trusts it.
        Some(next) if left(SPARE_DAYS)? && days(&next.certificate)?.0 < today - Days::new(1) => {
            others.insert(0, current.certificate);
            Ok(saved(&next, None, others))
        }
        next => Ok(saved(&current, next.as_ref(), others)),
    }
}

fn saved(signs: &Pair, next: Option<&Pair>, others: Vec<String>) -> Data {
    let mut trusted = vec![signs.certificate.clone()];
    trusted.extend(next.map(|next| next.certificate.clone()));
    trusted.extend(others);
    let mut data = Data::from([
        ("ca.crt".into(), trusted.concat().into_bytes()),
        ("ca.key".into(), signs.key.expose().as_bytes().to_vec()),
    ]);
    if let Some(next) = next {
        data.insert("next.crt".into(), next.certificate.clone().into_bytes());
        data.insert("next.key".into(), next.key.expose().as_bytes().to_vec());
    }
    data
}

/// The certificates of a bundle, one by one.
fn certificates(bundle: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let parts = bundle.split_inclusive(END).filter(|part| part.contains(END));
    parts.map(|part| format!("{}\n", part.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::authority::AUTHORITY_DAYS;
    use crate::pki::today;

    fn after(days: u64) -> NaiveDate {
        today() + Days::new(days)
    }

    fn trusts(data: &Data, by: &Data, day: NaiveDate) -> bool {
        let pair = read(by).unwrap().signs.issue("region.lifeboat", day).unwrap();
        let trusted = read(data).unwrap().trusted;
        certificates(&trusted).iter().any(|one| pair.is_good("region.lifeboat", one, day))
    }

    #[test]
    fn a_successor_is_trusted_by_all_before_it_signs() {
        service::install_crypto();
        let first = renew(&Data::new(), "test", today()).unwrap();
        assert_eq!(renew(&first, "test", after(AUTHORITY_DAYS - SUCCESSOR_DAYS)).unwrap(), first);

        let soon = after(AUTHORITY_DAYS - SUCCESSOR_DAYS + 1);
        let announced = renew(&first, "test", soon).unwrap();
        assert!(announced.contains_key("next.key"));
        assert_eq!(announced["ca.key"], first["ca.key"], "the first still signs");
        assert_eq!(renew(&announced, "test", soon).unwrap(), announced);

        let day = after(AUTHORITY_DAYS - SPARE_DAYS + 1);
        let second = renew(&announced, "test", day).unwrap();
        assert_eq!(second["ca.key"], announced["next.key"]);
        assert!(trusts(&announced, &second, day), "who has not heard of the change trusts the new one");
        assert_eq!(certificates(&read(&second).unwrap().trusted).len(), 2, "and the old one is trusted to its end");
        assert!(!trusts(&first, &second, day));

        let third = renew(&second, "test", after(AUTHORITY_DAYS + 1)).unwrap();
        assert_eq!(certificates(&read(&third).unwrap().trusted).len(), 1);
        assert_eq!(third["ca.key"], second["ca.key"]);
    }

    #[test]
    fn a_successor_that_was_just_made_waits_a_day() {
        let first = renew(&Data::new(), "test", today()).unwrap();
        let late = after(AUTHORITY_DAYS - 3);
        let announced = renew(&first, "test", late).unwrap();
        assert_eq!(renew(&announced, "test", late).unwrap(), announced);
        let next_day = renew(&announced, "test", late + Days::new(1)).unwrap();
        assert_eq!(next_day["ca.key"], announced["next.key"]);
    }

    #[test]
    fn what_is_no_authority_is_left_alone() {
        let strange = Data::from([("tls.crt".into(), b"x".to_vec())]);
        let error = format!("{:#}", renew(&strange, "test", today()).unwrap_err());
        assert!(error.contains("no authority of ours") && error.contains("ca.crt is missing"), "{error}");
    }
}
