//! Configuration: defaults from the struct, over them the file, over it the environment.
//!
//! A variable is named `<PREFIX>_<KEY>`, levels separated by two underscores: `REGION_HTTP__LISTEN=127.0.0.1:8080`.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[derive(Debug, thiserror::Error)]
#[error("configuration{from}: {problem}")]
pub struct ConfigError {
    from: String,
    problem: String,
}

/// Reads the configuration of one program. `prefix` begins its environment variables, in capitals.
///
/// # Errors
/// A file that can't be read, an unknown key, a value of the wrong type: the message names file and key.
pub fn load<T>(prefix: &str, file: Option<&Path>) -> Result<T, ConfigError>
where
    T: Default + Serialize + DeserializeOwned,
{
    let from = file.map(|f| format!(" file {}", f.display())).unwrap_or_default();
    let error = |e: config::ConfigError| ConfigError { from: from.clone(), problem: e.to_string() };
    let defaults = config::Config::try_from(&T::default()).map_err(error)?;
    let mut builder = config::Config::builder().add_source(defaults);
    if let Some(file) = file {
        builder = builder.add_source(config::File::from(file).required(true));
    }
    builder
        .add_source(config::Environment::with_prefix(prefix).prefix_separator("_").separator("__").try_parsing(true))
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        name: String,
        http: Http,
    }
    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Http {
        listen: String,
        limit: u32,
    }
    impl Default for Http {
        fn default() -> Self {
            Self { listen: "127.0.0.1:1".into(), limit: 7 }
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_file_goes_over_the_defaults() {
        let file = file("[http]\nlimit = 9\n");
        let sample: Sample = load("NOSUCHPREFIX", Some(file.path())).unwrap();
        assert_eq!(sample.http, Http { listen: "127.0.0.1:1".into(), limit: 9 });
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let file = file("[http]\nlimmit = 9\n");
        let error = load::<Sample>("NOSUCHPREFIX", Some(file.path())).unwrap_err().to_string();
        assert!(error.contains("limmit") && error.contains("limit"), "{error}");
    }
}
