//! The configuration file of each part, as this stack wants it. Written anew at each start: changes belong on the command line or in
//! the environment (`REGION_LOG__FILTER=debug lifeboat up`).

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::image;
use crate::pki::{Files, files};
use crate::stack::{AGENT_NAME, HOST_NAME, REGION};
use crate::state::State;

/// The first administrator.
pub const ADMIN: &str = "admin";

/// Where region leaves the administrator's password.
pub fn password_file(state: &State) -> PathBuf {
    state.path("region/admin-password")
}

pub fn region(state: &State, http: SocketAddr, grpc: SocketAddr, database: &str) -> String {
    Toml::default()
        .table("http")
        .text("listen", &http.to_string())
        .table("grpc")
        .text("listen", &grpc.to_string())
        .table("database")
        .text("url", database)
        .tls(&files(&state.path("pki"), REGION))
        .table("bootstrap")
        .text("user", ADMIN)
        .path("password_file", &password_file(state))
        .table("secrets")
        .path("key_file", &state.path("region/secrets-key"))
        .table("rescue")
        .paths("trusted_keys", &[&image::trusted_key(state)])
        .finish()
}

pub fn agent(state: &State, region: &str) -> String {
    Toml::default()
        .text("name", AGENT_NAME)
        .path("root", &image::served(state))
        .paths("trusted_keys", &[&image::trusted_key(state)])
        .table("region")
        .text("endpoint", region)
        .tls(&files(&state.path("pki"), AGENT_NAME))
        .finish()
}

pub fn host(state: &State, region: &str, guests: &Path, accel: &str) -> String {
    let mut host = Toml::default()
        .text("name", HOST_NAME)
        .path("workspace", &state.path("host"))
        .path("image_dir", guests)
        .text("listen", "127.0.0.1:0")
        .paths("trusted_keys", &[&image::trusted_key(state)])
        .text("accel", accel);
    // Else the host chooses a short folder outside.
    if state.has_room_for_sockets() {
        host = host.path("runtime_dir", &state.path("host/run"));
    }
    host = host.table("region").text("endpoint", region);
    if let Some(kernel) = image::kernel(state) {
        host = host.table("qemu").path("probe_kernel", &kernel);
    }
    host.tls(&files(&state.path("pki"), HOST_NAME)).finish()
}

/// A TOML document, table by table. Values are written as TOML's basic strings, whose escapes are JSON's.
#[derive(Default)]
pub struct Toml(String);

impl Toml {
    pub fn table(mut self, name: &str) -> Self {
        let _ = writeln!(self.0, "{}[{name}]", if self.0.is_empty() { "" } else { "\n" });
        self
    }
    pub fn text(self, key: &str, value: &str) -> Self {
        let value = serde_json::Value::from(value);
        self.raw(key, &value.to_string())
    }
    pub fn path(self, key: &str, value: &Path) -> Self {
        self.text(key, &value.to_string_lossy())
    }
    pub fn paths(self, key: &str, values: &[&Path]) -> Self {
        let values: Vec<_> = values.iter().map(|v| v.to_string_lossy()).collect();
        self.raw(key, &serde_json::json!(values).to_string())
    }
    /// The three files of mutual TLS, under the keys every part uses for them.
    pub fn tls(self, files: &Files) -> Self {
        self.table("tls").path("ca", &files.ca).path("cert", &files.cert).path("key", &files.key)
    }
    pub fn raw(mut self, key: &str, value: &str) -> Self {
        let _ = writeln!(self.0, "{key} = {value}");
        self
    }
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_as_what_was_meant() {
        let odd = "a \"quoted\"\\path\nwith\tümlaut";
        let text = Toml::default().raw("n", "7").table("x").text("odd", odd).paths("l", &[Path::new("/a b")]).finish();
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();

        #[derive(Default, serde::Serialize, serde::Deserialize)]
        struct Doc {
            n: i64,
            x: Inner,
        }
        #[derive(Default, serde::Serialize, serde::Deserialize)]
        struct Inner {
            odd: String,
            l: Vec<String>,
        }
        let doc: Doc = service::config::load("NOSUCHPREFIX", Some(file.path())).unwrap();
        assert_eq!((doc.n, doc.x.odd.as_str(), doc.x.l.as_slice()), (7, odd, ["/a b".to_owned()].as_slice()));
    }
}
