//! What holds for every name. Used by the fuzz target and by its short run on stable.

use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use baremetal_agent::http::head::Request;
use baremetal_agent::root::{Root, Way, components};
use baremetal_agent::script;

/// A root whose good files all hold [`GOOD`]; whatever is beside it does not.
pub struct Trapped {
    folder: PathBuf,
    roots: [Root; 2],
}

const GOOD: &str = "good";

impl Drop for Trapped {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Trapped {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("lifeboat-names-{}", std::process::id()));
        let root = folder.join("root");
        std::fs::create_dir_all(root.join("deep/er")).unwrap();
        std::fs::create_dir_all(folder.join("root2")).unwrap();
        for bad in ["secret", "root2/secret"] {
            std::fs::write(folder.join(bad), "bad").unwrap();
        }
        for good in ["kernel", "deep/er/file", "a\\b", "%2e%2e"] {
            std::fs::write(root.join(good), GOOD).unwrap();
        }
        for (name, to) in [("out", "../secret"), ("up", ".."), ("abs", "/etc/passwd"), ("proc", "/proc/self/root")] {
            let link = root.join(name);
            if !link.is_symlink() {
                symlink(to, link).unwrap();
            }
        }
        let with = |way| Root::with_way(&root, way).unwrap();
        Self { roots: [with(Way::Openat2), with(Way::Walk)], folder }
    }

    pub fn name(&self, name: &[u8]) {
        let found = self.roots.each_ref().map(|root| {
            let mut content = String::new();
            root.file(name).ok()?.file.take(100).read_to_string(&mut content).ok()?;
            assert_eq!(content, GOOD, "{}", name.escape_ascii());
            Some(())
        });
        assert_eq!(found[0], found[1], "both ways find the same: {}", name.escape_ascii());
        if let Ok(parts) = components(name) {
            assert!(!parts.is_empty());
            for part in &parts {
                assert!(!part.is_empty() && !part.starts_with(b".") && !part.contains(&b'/') && !part.contains(&0));
            }
            if let Some((kind, mac)) = script::wanted(&parts) {
                assert!(mac.is_some() || kind == script::Kind::Ipxe);
            }
        }
        // The same bytes as a request, and in one: never a panic, and a path that is found begins with a slash.
        let wrapped = [b"GET /tftp/", name, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        for bytes in [name, &wrapped] {
            if let Ok(Some(request)) = Request::parse(bytes) {
                assert!(request.path.starts_with(b"/") && request.length <= bytes.len());
            }
        }
    }

    #[allow(dead_code, reason = "for a person who looks into a finding")]
    pub fn path(&self) -> &Path {
        &self.folder
    }
}
