//! The configuration file, looked at while the program runs.
//!
//! A ConfigMap of Kubernetes is swapped by a symbolic link, so what the path leads to is compared, and by polling: a watch would stay with
//! the file of before.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::{LogConfig, Telemetry, parse};

/// Between two looks at the file.
const LOOK: Duration = Duration::from_secs(2);

impl Telemetry {
    /// Looks at `file` every two seconds for as long as the runtime lives, and takes over `log.filter` when it has changed. `load` reads the
    /// whole configuration as the start did, `in_effect` is what the start read; changes of other keys are named in the log and wait for the
    /// next start. A file that can't be used is a warning, and everything stays as it is.
    ///
    /// Without a file nothing is followed.
    pub fn follow<C, E>(
        &self,
        file: Option<&Path>,
        in_effect: &C,
        log: impl Fn(&C) -> &LogConfig + Send + 'static,
        load: impl Fn() -> Result<C, E> + Send + 'static,
    ) where
        C: Serialize,
        E: std::fmt::Display,
    {
        let Some(file) = file.map(Path::to_owned) else { return };
        let mut followed = Followed {
            telemetry: self.clone(),
            sign: sign(&file),
            filter: log(in_effect).filter.clone(),
            started: flat(in_effect),
            waiting: Vec::new(),
            file,
        };
        tokio::spawn(async move {
            // Not at once: the sign was taken now, after the start had read the file, and what changed in between is seen by its content.
            let mut first = true;
            loop {
                tokio::time::sleep(LOOK).await;
                let found = sign(&followed.file);
                if found == followed.sign && !first {
                    continue;
                }
                first = false;
                followed.sign = found;
                match load() {
                    Ok(config) => followed.take(&log(&config).filter, &flat(&config)),
                    Err(error) => {
                        tracing::warn!(%error, "the changed configuration can't be used; what was read before stays in effect");
                    }
                }
            }
        });
    }
}

struct Followed {
    telemetry: Telemetry,
    file: PathBuf,
    sign: Option<Sign>,
    /// As the file had it when it was read last.
    filter: String,
    /// The values in effect since the start.
    started: Vec<(String, Value)>,
    /// Keys that differ from them, as they were named last.
    waiting: Vec<String>,
}

impl Followed {
    fn take(&mut self, filter: &str, now: &[(String, Value)]) {
        if filter != self.filter {
            self.filter = filter.to_owned();
            self.change(filter);
        }
        let keys = changed(&self.started, now);
        if keys != self.waiting {
            if keys.is_empty() {
                tracing::info!(file = %self.file.display(), "the configuration file says what is in effect again");
            } else {
                let keys = keys.join(", ");
                tracing::warn!(file = %self.file.display(), keys, "changed keys of the configuration take effect at the next start");
            }
            self.waiting = keys;
        }
    }

    fn change(&self, filter: &str) {
        if let Some(fixed) = &self.telemetry.fixed {
            tracing::warn!(filter, RUST_LOG = fixed, "log.filter has changed, but RUST_LOG goes over it");
            return;
        }
        match parse(filter) {
            Ok(new) => match self.telemetry.filter.reload(new) {
                Ok(()) => tracing::info!(filter, "log.filter has changed and is in effect"),
                Err(error) => tracing::warn!(%error, "log.filter can't be changed"),
            },
            Err(problem) => {
                tracing::warn!(filter, problem, "the changed log.filter can't be used; the one before stays in effect");
            }
        }
    }
}

/// Device, inode, length and time of change of what the path leads to.
type Sign = (u64, u64, u64, i64, i64);

fn sign(path: &Path) -> Option<Sign> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

/// Every value by its key, `http.listen`; lists are one value.
fn flat(config: &impl Serialize) -> Vec<(String, Value)> {
    fn walk(key: String, value: Value, found: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    walk(if key.is_empty() { name } else { format!("{key}.{name}") }, value, found);
                }
            }
            value => found.push((key, value)),
        }
    }
    let mut found = Vec::new();
    walk(String::new(), serde_json::to_value(config).unwrap_or_default(), &mut found);
    found
}

/// Keys, but for the filter, whose values are not the same; also those that only one of them has.
fn changed(before: &[(String, Value)], now: &[(String, Value)]) -> Vec<String> {
    let differs = |(key, value): &&(String, Value), other: &[(String, Value)]| {
        key != "log.filter" && !other.iter().any(|(known, at)| known == key && at == value)
    };
    let gone = before.iter().filter(|entry| differs(entry, now));
    let mut keys: Vec<String> =
        gone.chain(now.iter().filter(|entry| differs(entry, before))).map(|(key, _)| key.clone()).collect();
    keys.sort();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changed_keys_are_named_and_the_filter_is_none_of_them() {
        let before = flat(&json!({"a": 1, "tls": null, "log": {"filter": "info", "format": "text"}, "list": [1, 2]}));
        for (now, want) in [
            (json!({"a": 1, "tls": null, "log": {"filter": "debug", "format": "text"}, "list": [1, 2]}), ""),
            (
                json!({"a": 2, "tls": null, "log": {"filter": "info", "format": "json"}, "list": [2]}),
                "a list log.format",
            ),
            (
                json!({"a": 1, "tls": {"ca": "x"}, "log": {"filter": "info", "format": "text"}, "list": [1, 2]}),
                "tls tls.ca",
            ),
        ] {
            assert_eq!(changed(&before, &flat(&now)).join(" "), want);
        }
    }

    #[test]
    fn a_swapped_link_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (path, data) = (folder.path().join("a.toml"), folder.path().join("data"));
        for version in ["1", "2"] {
            std::fs::create_dir(folder.path().join(version)).unwrap();
            std::fs::write(folder.path().join(version).join("a.toml"), "same length").unwrap();
        }
        std::os::unix::fs::symlink("1", &data).unwrap();
        std::os::unix::fs::symlink("data/a.toml", &path).unwrap();
        let before = sign(&path);
        assert!(before.is_some() && before == sign(&path));
        std::os::unix::fs::symlink("2", folder.path().join("new")).unwrap();
        std::fs::rename(folder.path().join("new"), &data).unwrap();
        assert!(sign(&path) != before);
        std::fs::remove_dir_all(folder.path().join("2")).unwrap();
        assert_eq!(sign(&path), None);
    }
}
