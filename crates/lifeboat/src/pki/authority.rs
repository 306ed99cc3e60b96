//! Makes certificates, and tells whether one is still good.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use types::secret::Secret;

/// Days a part's certificate is good for.
pub const DAYS: u64 = 825;
/// Days an authority is good for.
pub const AUTHORITY_DAYS: u64 = 3650;
/// A certificate that ends sooner is made anew.
pub const SPARE_DAYS: u64 = 30;

/// A certificate and its key, both as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub certificate: String,
    pub key: Secret,
}

impl Pair {
    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self { certificate: certificate.pem(), key: Secret::new(key.serialize_pem()) }
    }

    /// Whether the two belong together, are for `name`, were issued by `authority` (PEM), and still are good in [`SPARE_DAYS`].
    pub fn is_good(&self, name: &str, authority: &str, today: NaiveDate) -> bool {
        self.check(name, authority, today).is_some()
    }

    fn check(&self, name: &str, authority: &str, today: NaiveDate) -> Option<()> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).ok()?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).ok()?).ok()?;
        let verifier = rustls::client::WebPkiServerVerifier::builder(Arc::new(roots)).build().ok()?;
        let at = (today + Days::new(SPARE_DAYS)).and_hms_opt(0, 0, 0)?.and_utc().timestamp();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at).ok()?));
        let name = ServerName::try_from(name).ok()?;
        verifier.verify_server_cert(&certificate, &[], &name, &[], at).ok()?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes()).ok()?;
        let key = rustls::crypto::CryptoProvider::get_default()?.key_provider.load_private_key(key).ok()?;
        CertifiedKey::new(vec![certificate], key).keys_match().ok()
    }
}

/// Whoever signs.
pub struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// A new one, called `name`.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn create(name: &str, today: NaiveDate) -> Result<(Self, Pair)> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        during(&mut params, today, AUTHORITY_DAYS);
        let key = KeyPair::generate()?;
        let pair = Pair::new(&params.self_signed(&key)?, &key);
        Ok((Self(Issuer::new(params, key)), pair))
    }

    /// One that was made before.
    ///
    /// # Errors
    /// One of the two is not PEM, or of another kind.
    pub fn load(certificate: &str, key: &str) -> Result<Self> {
        Ok(Self(Issuer::from_ca_cert_pem(certificate, KeyPair::from_pem(key)?)?))
    }

    /// A certificate for a part. Each part is a server to one and a client to another.
    ///
    /// # Errors
    /// `name` is no DNS name, or the operating system gives no random bytes.
    pub fn issue(&self, name: &str, today: NaiveDate) -> Result<Pair> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        during(&mut params, today, DAYS);
        let key = KeyPair::generate()?;
        Ok(Pair::new(&params.signed_by(&key, &self.0)?, &key))
    }
}

/// The first and the last day of a certificate in PEM form.
///
/// # Errors
/// It is none.
pub fn days(certificate: &str) -> Result<(NaiveDate, NaiveDate)> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).context("not a certificate in PEM form")?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der)?;
    let day = |time: x509_parser::time::ASN1Time| {
        let at = DateTime::<Utc>::from_timestamp(time.timestamp(), 0);
        at.map(|at| at.date_naive()).ok_or_else(|| anyhow!("a certificate's dates are out of range"))
    };
    let validity = parsed.validity();
    Ok((day(validity.not_before)?, day(validity.not_after)?))
}

/// From yesterday on, because clocks differ.
fn during(params: &mut CertificateParams, today: NaiveDate, days: u64) {
    let at = |day: NaiveDate| {
        let small = |n: u32| u8::try_from(n).unwrap_or(1);
        rcgen::date_time_ymd(day.year(), small(day.month()), small(day.day()))
    };
    params.not_before = at(today - Days::new(1));
    params.not_after = at(today + Days::new(days));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::today;

    #[test]
    fn a_pair_is_good_for_its_name_authority_and_time_only() {
        service::install_crypto();
        let (authority, root) = Authority::create("one", today()).unwrap();
        let (_, other) = Authority::create("one", today()).unwrap();
        let again = Authority::load(&root.certificate, root.key.expose()).unwrap();
        for authority in [authority, again] {
            let pair = authority.issue("host1.host.lifeboat", today()).unwrap();
            let good = |name, root: &Pair, day| pair.is_good(name, &root.certificate, day);
            assert!(good("host1.host.lifeboat", &root, today()));
            assert!(good("host1.host.lifeboat", &root, today() + Days::new(DAYS - SPARE_DAYS - 1)));
            assert!(!good("host1.host.lifeboat", &root, today() + Days::new(DAYS - SPARE_DAYS + 1)));
            assert!(!good("host2.host.lifeboat", &root, today()));
            assert!(!good("host1.host.lifeboat", &other, today()));
            let stranger = authority.issue("host1.host.lifeboat", today()).unwrap();
            let mixed = Pair { key: stranger.key, ..pair.clone() };
            assert!(!mixed.is_good("host1.host.lifeboat", &root.certificate, today()));
        }
    }

    #[test]
    fn days_are_read_back() {
        let (_, pair) = Authority::create("one", today()).unwrap();
        assert_eq!(days(&pair.certificate).unwrap(), (today() - Days::new(1), today() + Days::new(AUTHORITY_DAYS)));
        assert!(days("no certificate").is_err());
    }
}
