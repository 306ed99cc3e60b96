//! The credentials file: `KEY=VALUE` lines, as a shell would read them: `export` before, quotes around, `#` at the beginning.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Layer, layer_of};
use crate::exit::Exit;
use crate::lang::say;

/// Reads a file; warns when others could read it too.
pub fn read(path: &Path) -> Result<Layer, Exit> {
    let unusable = |why: String| Exit {
        code: crate::exit::USAGE,
        message: say!("credentials file {path}: {why}", path = path.display(), why = why),
        next: Some(say!("name another with --rc FILE or LIFEBOAT_RC")),
    };
    let text = std::fs::read_to_string(path).map_err(|e| unusable(e.to_string()))?;
    let layer = parse(&text).map_err(unusable)?;
    let secret = layer.contains_key("OS_PASSWORD") || layer.contains_key("LIFEBOAT_TOKEN");
    warn_if_open(path, secret);
    Ok(layer)
}

/// Says so when others can read a file that holds a secret.
pub fn warn_if_open(path: &Path, secret: bool) {
    if secret && std::fs::metadata(path).is_ok_and(|m| m.mode() & 0o077 != 0) {
        eprintln!(
            "climc: {}",
            say!("others can read {path}, which holds a secret: chmod 600 {path}", path = path.display())
        );
    }
}

/// Variables that this program does not know are left alone: the file may serve others as well.
fn parse(text: &str) -> Result<Layer, String> {
    let mut said = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line may hold a secret: it is not repeated.
        let (key, value) =
            line.split_once('=').ok_or_else(|| say!("line {line}: KEY=VALUE is wanted", line = number + 1))?;
        said.insert(key.trim_end(), unquote(value.trim()));
    }
    Ok(layer_of(|name| said.get(name).map(|value| (*value).to_owned())))
}

fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_shells_read() {
        let text = "# lifeboat\n\nOS_AUTH_URL=http://127.0.0.1:1/v3\nexport OS_PASSWORD='a=b #c'\nPATH=/bin\n OS_USERNAME=\"ad\"\r\nOS_CACERT=\n";
        let layer = parse(text).unwrap();
        let expected = [("OS_AUTH_URL", "http://127.0.0.1:1/v3"), ("OS_PASSWORD", "a=b #c"), ("OS_USERNAME", "ad")];
        assert_eq!(layer, expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    }

    #[test]
    fn other_tools_names_count_where_ours_are_not_set() {
        let layer =
            parse("OS_TENANT_NAME=other\nOS_PROJECT_NAME=ours\nOS_AUTH_TOKEN=t\nOS_USER_DOMAIN_NAME=d\n").unwrap();
        let expected = [("LIFEBOAT_TOKEN", "t"), ("OS_DOMAIN_NAME", "d"), ("OS_PROJECT_NAME", "ours")];
        assert_eq!(layer, expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    }

    #[test]
    fn a_bad_line_is_named_but_not_repeated() {
        assert_eq!(parse("A=1\nhunter2").unwrap_err(), "line 2: KEY=VALUE is wanted");
    }
}
