//! Names of databases, in the form that tokio-postgres, libpq and psql all read:
//! `postgres:///DATABASE?host=FOLDER&user=USER`, percent-encoded.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// The superuser of a private cluster.
pub(crate) const USER: &str = "postgres";

pub(crate) fn of_socket(folder: &Path, database: &str) -> String {
    let host = encode(folder.as_os_str().as_encoded_bytes());
    format!("postgres:///{}?host={host}&user={USER}", encode(database.as_bytes()))
}

/// The same server, another database. `server` is a URL or a socket folder.
pub(crate) fn with_database(server: &str, database: &str) -> Result<String, Error> {
    if server.starts_with('/') {
        return Ok(of_socket(Path::new(server), database));
    }
    let bad = || Error::BadUrl { value: server.to_owned() };
    let (scheme, rest) = server.split_once("://").ok_or_else(bad)?;
    if !matches!(scheme, "postgres" | "postgresql") {
        return Err(bad());
    }
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let authority = place.split_once('/').map_or(place, |(authority, _)| authority);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("{scheme}://{authority}/{}{query}", encode(database.as_bytes())))
}

/// The folder that a URL names as its host, if it names one.
pub(crate) fn socket_folder(url: &str) -> Option<PathBuf> {
    let (_, query) = url.split_once('?')?;
    let host = query.split('&').find_map(|part| part.strip_prefix("host="))?;
    let mut folder = Vec::new();
    let mut bytes = host.bytes();
    while let Some(byte) = bytes.next() {
        folder.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    let folder = PathBuf::from(OsString::from_vec(folder));
    folder.is_absolute().then_some(folder)
}

fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(*byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_socket_is_found_again() {
        for folder in ["/run/x y", "/tmp/ä%&?="] {
            assert_eq!(socket_folder(&of_socket(Path::new(folder), "db")), Some(PathBuf::from(folder)));
        }
        for other in ["postgres://h/db", "postgres:///db?host=localhost", "postgres:///db?host=%2"] {
            assert_eq!(socket_folder(other), None);
        }
    }

    #[test]
    fn the_database_is_replaced_and_nothing_else() {
        let cases = [
            ("/run/x y", "postgres:///db?host=%2Frun%2Fx%20y&user=postgres"),
            ("postgres:///postgres?host=%2Frun&user=a", "postgres:///db?host=%2Frun&user=a"),
            ("postgresql://u:p@h:5433/other?sslmode=require", "postgresql://u:p@h:5433/db?sslmode=require"),
            ("postgres://h", "postgres://h/db"),
        ];
        for (server, wanted) in cases {
            assert_eq!(with_database(server, "db").unwrap(), wanted);
        }
        for bad in ["", "mysql://h/db", "localhost"] {
            assert!(matches!(with_database(bad, "db"), Err(Error::BadUrl { .. })), "{bad:?}");
        }
    }
}
