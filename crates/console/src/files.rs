//! Where the console's files come from: embedded when the program was compiled, or a folder that is read at each request, for whoever works
//! on the console itself.
//!
//! A file `x.js` may have `x.js.br` and `x.js.gz` beside it, made when the console was built. Without the latter it is compressed here, an
//! embedded one only once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

/// The page that a browser begins with.
pub const INDEX: &str = "index.html";

/// Smaller ones fit into one packet as they are.
const WORTH_IT: usize = 1024;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

/// The console's files.
pub struct Files(Source);

enum Source {
    Embedded(BTreeMap<String, Arc<File>>),
    Folder(PathBuf),
}

/// A folder that is no console.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}: name the folder that `make web` fills, crates/console/web/dist", path.display())]
pub struct NoConsole {
    path: PathBuf,
    why: String,
}

/// A file, and its other forms as they are needed.
pub struct File {
    pub kind: &'static str,
    pub plain: Bytes,
    /// Brotli, if it was built.
    pub br: Option<Bytes>,
    gz: OnceLock<Option<Bytes>>,
    /// Names this very content.
    pub tag: String,
}

impl File {
    fn new(path: &str, plain: Bytes, gz: Option<Bytes>, br: Option<Bytes>) -> Self {
        let digest = Sha256::digest(&plain);
        let tag = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let built = OnceLock::new();
        if gz.is_some() {
            let _ = built.set(gz);
        }
        Self { kind: kind(path).unwrap_or("application/octet-stream"), plain, br, gz: built, tag }
    }

    /// Gzipped, where that helps. The first call may take some milliseconds of work.
    pub fn gz(&self) -> Option<&Bytes> {
        let made = self.gz.get_or_init(|| {
            let is_text =
                !matches!(self.kind.split_once('/'), Some(("image" | "font", rest)) if !rest.starts_with("svg"));
            if !is_text || self.plain.len() < WORTH_IT {
                return None;
            }
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&self.plain).ok()?;
            let gz = encoder.finish().ok()?;
            (gz.len() < self.plain.len()).then(|| gz.into())
        });
        made.as_ref()
    }
}

impl Files {
    /// Those that were built before the program was compiled; none, where nothing was.
    #[must_use]
    pub fn embedded() -> Self {
        let read = |path: &str| {
            Dist::get(path).map(|file| match file.data {
                Cow::Borrowed(data) => Bytes::from_static(data),
                Cow::Owned(data) => data.into(),
            })
        };
        let names = Dist::iter().filter(|path| kind(path).is_some());
        let files = names.filter_map(|path| {
            let file = File::new(&path, read(&path)?, read(&format!("{path}.gz")), read(&format!("{path}.br")));
            Some((path.into_owned(), Arc::new(file)))
        });
        Self(Source::Embedded(files.collect()))
    }

    /// Those in a folder, as they are at each request.
    ///
    /// # Errors
    /// [`NoConsole`]: no `index.html` is there.
    pub fn folder(path: &Path) -> Result<Self, NoConsole> {
        let refused = |why: String| NoConsole { path: path.to_owned(), why };
        let root = path.canonicalize().map_err(|e| refused(e.to_string()))?;
        if !root.join(INDEX).is_file() {
            return Err(refused(format!("no {INDEX} is there")));
        }
        Ok(Self(Source::Folder(root)))
    }

    /// Whether there is a console to show.
    #[must_use]
    pub fn are_built(&self) -> bool {
        match &self.0 {
            Source::Embedded(files) => files.contains_key(INDEX),
            Source::Folder(root) => root.join(INDEX).is_file(),
        }
    }

    /// The file of this path, without a slash before it.
    pub(crate) async fn get(&self, path: &str) -> Option<Arc<File>> {
        let root = match &self.0 {
            Source::Embedded(files) => return files.get(path).cloned(),
            Source::Folder(root) => root,
        };
        kind(path)?;
        let plain = read_beneath(root, path).await?;
        let (gz, br) =
            (read_beneath(root, &format!("{path}.gz")).await, read_beneath(root, &format!("{path}.br")).await);
        Some(Arc::new(File::new(path, plain, gz, br)))
    }
}

/// What lies beneath the folder, whatever the name says and wherever links lead.
async fn read_beneath(root: &Path, path: &str) -> Option<Bytes> {
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0']);
    if !path.split('/').all(is_plain) {
        return None;
    }
    let found = tokio::fs::canonicalize(root.join(path)).await.ok()?;
    if !found.starts_with(root) {
        return None;
    }
    tokio::fs::read(found).await.ok().map(Bytes::from)
}

/// The media type, by the name's end; `None`: no file of a console ends so.
pub fn kind(path: &str) -> Option<&'static str> {
    let (_, name) = path.rsplit_once('/').unwrap_or(("", path));
    let (stem, end) = name.rsplit_once('.')?;
    if stem.is_empty() {
        return None;
    }
    Some(match end {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "ttf" => "font/ttf",
        "wasm" => "application/wasm",
        _ => return None,
    })
}
