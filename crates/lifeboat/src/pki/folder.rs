//! Certificates in a folder, for parts that one machine runs.
//!
//! `<folder>/ca.pem`, `ca.key`, and `<part>.pem`, `<part>.key` for each part; keys have mode 0600. What is there and still good is kept:
//! parts that run go on trusting each other over a restart. `issued.json` remembers names and last days, so that nothing has to be read
//! back out of a certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};
use service::files::{read_secret, write_atomic};
use service::tls;

use super::authority::{AUTHORITY_DAYS, Authority, DAYS, Pair, SPARE_DAYS};

const AUTHORITY: &str = "ca";

/// Who gets a certificate: the name of its files, and the DNS name in it.
pub struct Holder {
    pub file: String,
    pub name: String,
}

/// Region, an operator who looks around, and hosts and agents under their own names.
///
/// # Errors
/// Two of one name, or a name that is no DNS label.
pub fn holders(hosts: &[String], agents: &[String]) -> Result<Vec<Holder>> {
    let fixed = [("region", tls::REGION), ("operator", tls::OPERATOR)];
    let fixed = fixed.map(|(file, name)| Holder { file: file.to_owned(), name: name.to_owned() });
    let host = |name: &String| Holder { file: name.clone(), name: tls::host_name(name) };
    let agent = |name: &String| Holder { file: name.clone(), name: tls::agent_name(name) };
    let holders: Vec<Holder> =
        fixed.into_iter().chain(hosts.iter().map(host)).chain(agents.iter().map(agent)).collect();
    let mut seen = BTreeSet::from([AUTHORITY]);
    for Holder { file, .. } in &holders {
        let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if file.is_empty() || file.len() > 63 || !file.chars().all(label) {
            bail!("'{file}' can't be the name of a host or agent: 1 to 63 of a-z, 0-9 and '-' are wanted");
        }
        if !seen.insert(file) {
            bail!("two are called '{file}': hosts, agents, region, operator and ca need names of their own here");
        }
    }
    Ok(holders)
}

/// Names and last days of what was issued, by file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Issued(BTreeMap<String, Entry>);

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    name: String,
    until: NaiveDate,
}

/// The paths of one part's three files, as they stand in its configuration.
pub struct Files {
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
}

pub fn files(folder: &Path, file: &str) -> Files {
    Files {
        ca: folder.join("ca.pem"),
        cert: folder.join(format!("{file}.pem")),
        key: folder.join(format!("{file}.key")),
    }
}

/// Makes what is missing or about to end. A new authority means new certificates for everybody.
///
/// # Errors
/// The folder can't be written, or a key there can be read by others.
pub fn ensure(folder: &Path, holders: &[Holder], today: NaiveDate) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    let book = folder.join("issued.json");
    let mut issued: Issued =
        std::fs::read(&book).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let good = |issued: &Issued, file: &str, name: &str| {
        let files = files(folder, file);
        let entry = issued.0.get(file);
        entry.is_some_and(|e| e.name == name && e.until >= today + Days::new(SPARE_DAYS))
            && files.cert.exists()
            && files.key.exists()
    };

    let authority = if good(&issued, AUTHORITY, AUTHORITY) {
        let files = files(folder, AUTHORITY);
        let certificate = std::fs::read_to_string(&files.ca)?;
        Authority::load(&certificate, &read_secret(&files.key)?)
            .context("the development authority is unreadable; remove the folder and start again")?
    } else {
        issued.0.clear();
        let (authority, pair) = Authority::create("Lifeboat development authority", today)?;
        save(folder, AUTHORITY, &pair)?;
        note(&mut issued, AUTHORITY, AUTHORITY, today + Days::new(AUTHORITY_DAYS));
        authority
    };
    for holder in holders {
        if good(&issued, &holder.file, &holder.name) {
            continue;
        }
        save(folder, &holder.file, &authority.issue(&holder.name, today)?)?;
        note(&mut issued, &holder.file, &holder.name, today + Days::new(DAYS));
    }
    write_atomic(&book, &serde_json::to_vec_pretty(&issued)?, 0o644)?;
    Ok(())
}

/// The key first: a certificate without its key would count as there.
fn save(folder: &Path, file: &str, pair: &Pair) -> Result<()> {
    let files = files(folder, file);
    write_atomic(&files.key, pair.key.expose().as_bytes(), 0o600)
        .and_then(|()| write_atomic(&files.cert, pair.certificate.as_bytes(), 0o644))
        .with_context(|| format!("can't write {}", files.cert.display()))
}

fn note(issued: &mut Issued, file: &str, name: &str, until: NaiveDate) {
    issued.0.insert(file.to_owned(), Entry { name: name.to_owned(), until });
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;
    use crate::pki::today;

    fn holders() -> Vec<Holder> {
        ["region.lifeboat", "host1.host.lifeboat"]
            .map(|name| Holder { file: name.replace('.', "-"), name: name.into() })
            .into()
    }

    fn read(folder: &Path, file: &str) -> Vec<u8> {
        std::fs::read(folder.join(file)).unwrap()
    }

    #[test]
    fn what_is_good_is_kept_and_what_ends_soon_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let day = today();
        ensure(folder.path(), &holders(), day).unwrap();
        let (authority, region) = (read(folder.path(), "ca.pem"), read(folder.path(), "region-lifeboat.pem"));
        ensure(folder.path(), &holders(), day).unwrap();
        assert_eq!(read(folder.path(), "region-lifeboat.pem"), region);

        ensure(folder.path(), &holders(), day + Days::new(DAYS - SPARE_DAYS + 1)).unwrap();
        assert_ne!(read(folder.path(), "region-lifeboat.pem"), region);
        assert_eq!(read(folder.path(), "ca.pem"), authority, "the authority lives longer");

        ensure(folder.path(), &holders(), day + Days::new(AUTHORITY_DAYS)).unwrap();
        assert_ne!(read(folder.path(), "ca.pem"), authority);
    }

    #[test]
    fn names_that_would_share_a_file_are_refused() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(super::holders(&names(&["host1"]), &names(&["agent1"])).unwrap().len(), 4);
        for (hosts, agents) in
            [(&["a"][..], &["a"][..]), (&["ca"], &[]), (&["region"], &[]), (&["../x"], &[]), (&[""], &[])]
        {
            assert!(super::holders(&names(hosts), &names(agents)).is_err(), "{hosts:?} {agents:?}");
        }
    }

    #[test]
    fn keys_are_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        ensure(folder.path(), &holders(), today()).unwrap();
        for key in ["ca.key", "region-lifeboat.key", "host1-host-lifeboat.key"] {
            let mode = std::fs::metadata(folder.path().join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
    }

    #[test]
    fn a_certificate_made_later_by_the_kept_authority_is_trusted_under_its_own_name_only() {
        service::install_crypto();
        let folder = tempfile::tempdir().unwrap();
        ensure(folder.path(), &holders()[..1], today()).unwrap();
        ensure(folder.path(), &holders(), today()).unwrap();

        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&read(folder.path(), "ca.pem")).unwrap()).unwrap();
        let verifier = rustls::client::WebPkiServerVerifier::builder(Arc::new(roots)).build().unwrap();
        let host = CertificateDer::from_pem_slice(&read(folder.path(), "host1-host-lifeboat.pem")).unwrap();
        let check = |name: &'static str| {
            use rustls::client::danger::ServerCertVerifier;
            let name = ServerName::try_from(name).unwrap();
            verifier.verify_server_cert(&host, &[], &name, &[], UnixTime::now()).is_ok()
        };
        assert!(check("host1.host.lifeboat"));
        assert!(!check("region.lifeboat"));
    }
}
