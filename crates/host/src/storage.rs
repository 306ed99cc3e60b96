//! Disks as files, by `qemu-img`. A disk appears under its name only when it is whole.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use artifact::Fetcher;
use artifact::evict::Keep;
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard};
use types::desc::{DiskDesc, DiskFormat};
use types::id::{DiskId, SnapshotId};
use types::operation::{Failure, FailureCode};

use crate::base_image::{self, Copies, Copying, Source};

/// Copying an image of many GiB takes its time.
const COPY_LIMIT: Duration = Duration::from_secs(1800);
const INFO_LIMIT: Duration = Duration::from_secs(30);

/// `qemu-img`, and where images are.
#[derive(Clone)]
pub struct Storage {
    pub qemu_img: PathBuf,
    pub images: PathBuf,
    /// Images from elsewhere, and where they may come from.
    pub fetcher: Option<Fetcher>,
    pub sources: Vec<String>,
    /// Images of disks that no guest has, `<id>.<format>`.
    pub detached: PathBuf,
    /// Held while images go from one folder to another, and while it matters that none does.
    pub moves: Arc<Mutex<()>>,
    /// Images from elsewhere that disks are being made from, once for each disk.
    pub copying: Copies,
}

/// The part of `qemu-img info --output=json` that is used.
#[derive(Debug, Deserialize)]
pub struct Info {
    /// Bytes that the guest sees.
    #[serde(rename = "virtual-size")]
    pub virtual_size: u64,
    pub format: String,
    #[serde(rename = "backing-filename")]
    pub backing: Option<String>,
    /// What only this format has.
    #[serde(rename = "format-specific")]
    pub specific: Option<serde_json::Value>,
    #[serde(default)]
    pub snapshots: Vec<qmp::command::Snapshot>,
}

impl Info {
    /// Its content comes from other files as well, which whoever made it chose.
    #[must_use]
    pub fn is_not_alone(&self) -> bool {
        let data = self.specific.as_ref().and_then(|it| it.get("data"));
        let elsewhere = data.is_some_and(|data| data.get("data-file").is_some_and(|it| !it.is_null()));
        self.backing.is_some() || elsewhere || !matches!(&*self.format, "qcow2" | "raw")
    }
}

fn failed(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into(), evidence: Vec::new() }
}

impl Storage {
    /// The file of an image by its name. A name is one component, and names a file, not a link: it comes from outside.
    ///
    /// # Errors
    /// [`FailureCode::Disk`].
    pub fn image(&self, name: &str) -> Result<PathBuf, Failure> {
        let plain = !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && !name.contains(['/', '\0']);
        let path = self.images.join(name);
        let is_file = plain && std::fs::symlink_metadata(&path).is_ok_and(|data| data.is_file());
        if is_file {
            Ok(path)
        } else {
            Err(failed(FailureCode::Disk, format!("there is no image '{name}' on this host")))
        }
    }

    /// The file that a disk is made from, fetched if it is elsewhere; it stays while the guard is held.
    async fn source(&self, name: &str, say: impl Fn(String)) -> Result<(PathBuf, Option<Copying>), Failure> {
        let (url, digest) = match name.parse().map_err(|problem: String| failed(FailureCode::Disk, problem))? {
            Source::Named(name) => return Ok((self.image(&name)?, None)),
            Source::At { url, digest } => (url, digest),
        };
        let Some(fetcher) = self.fetcher.as_ref().filter(|_| base_image::allowed(&url, &self.sources)) else {
            let message = format!(
                "images may not come from {url:?}: write the address in its plain form, without user and '..', and set \
                 image_sources on the host to allow it"
            );
            return Err(failed(FailureCode::Disk, message));
        };
        let copying = self.copying.begin(digest);
        let told = |have, size| say(format!("downloading {url}, {} of {} MiB", have >> 20, size >> 20));
        match fetcher.fetch_at(&url, digest, told).await {
            Ok(fetched) => Ok((fetched.path, Some(copying))),
            Err(error) => Err(failed(FailureCode::Download, error.to_string())),
        }
    }

    /// Makes a disk at `path`, if it is not there: empty, or a copy of its image, as large as the desc says.
    ///
    /// # Errors
    /// [`Failure`] with what `qemu-img` printed.
    pub async fn create(&self, disk: &DiskDesc, path: &Path, say: impl Fn(String)) -> Result<(), Failure> {
        if path.exists() {
            return Ok(());
        }
        let temporary = path.with_extension("new");
        let _ = std::fs::remove_file(&temporary);
        let format = disk.format.as_str();
        match &disk.image {
            None => {
                let size = format!("{}M", disk.size_mib);
                self.run(&["create", "-q", "-f", format], &[&temporary], &[&size], COPY_LIMIT).await?;
            }
            Some(name) => {
                let (image, _copying) = self.source(name, &say).await?;
                let info = self.info(&image, false).await?;
                if info.is_not_alone() {
                    let message = format!("the image '{name}' is an overlay of another file and can't be copied alone");
                    return Err(failed(FailureCode::Disk, message));
                }
                let wanted = disk.size_mib << 20;
                if wanted != 0 && wanted < info.virtual_size {
                    let least = info.virtual_size.div_ceil(1 << 20);
                    let message = format!(
                        "disk {} is to have {} MiB, but its image '{name}' has {least}",
                        disk.index, disk.size_mib
                    );
                    return Err(failed(FailureCode::Disk, message));
                }
                let told = |percent| say(format!("copying image '{name}' to disk {}: {percent} %", disk.index));
                let arguments = ["convert", "-p", "-f", &info.format, "-O", format];
                self.run_told(&arguments, &[&image, &temporary], &[], COPY_LIMIT, told).await?;
                if wanted > info.virtual_size {
                    let size = format!("{}M", disk.size_mib);
                    self.run(&["resize", "-q", "-f", format], &[&temporary], &[&size], INFO_LIMIT).await?;
                }
            }
        }
        finish(&temporary, path).map_err(|error| failed(FailureCode::Resource, format!("{}: {error}", path.display())))
    }

    /// Makes a disk larger.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn resize(&self, path: &Path, format: DiskFormat, size_mib: u64) -> Result<(), Failure> {
        let arguments = ["resize", "-q", "-f", format.as_str()];
        self.run(&arguments, &[path], &[&format!("{size_mib}M")], INFO_LIMIT).await.map(|_| ())
    }

    /// `-c`: makes a snapshot within an image that nobody uses; `-a`: goes back to it; `-d`: forgets it.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn snapshot(&self, what: &str, snapshot: SnapshotId, path: &Path) -> Result<(), Failure> {
        let arguments = ["snapshot", "-q", what, &snapshot.to_string()];
        self.run(&arguments, &[path], &[], COPY_LIMIT).await.map(|_| ())
    }

    /// No image moves until the guard is dropped.
    pub async fn moving(&self) -> MutexGuard<'_, ()> {
        self.moves.lock().await
    }

    /// Brings the image of a detached disk to `path`, if there is one and `path` is free.
    ///
    /// # Errors
    /// As the file system says.
    pub async fn take_detached(&self, disk: DiskId, path: &Path) -> Result<(), Failure> {
        let _still = self.moving().await;
        let Some(name) = path.file_name() else { return Ok(()) };
        let from = self.detached.join(name);
        if path.exists() || !from.exists() {
            return Ok(());
        }
        tracing::info!(%disk, "a detached disk gets a guest");
        rename(&from, path)
    }

    /// Brings an image to where detached disks are.
    ///
    /// # Errors
    /// As the file system says; [`FailureCode::Disk`] where one of that name is.
    pub async fn put_detached(&self, path: &Path) -> Result<(), Failure> {
        let _still = self.moving().await;
        let Some(name) = path.file_name() else { return Ok(()) };
        let to = self.detached.join(name);
        if to.exists() {
            return Err(failed(FailureCode::Disk, format!("{} is there already", to.display())));
        }
        rename(path, &to)
    }

    /// A throw-away overlay that takes what a rescue system writes to a disk it must not change.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn overlay(&self, disk: &Path, format: DiskFormat, overlay: &Path) -> Result<(), Failure> {
        let _ = std::fs::remove_file(overlay);
        let backing = disk.to_string_lossy();
        let arguments = ["create", "-q", "-f", "qcow2", "-F", format.as_str(), "-b", &*backing];
        self.run(&arguments, &[overlay], &[], INFO_LIMIT).await.map(|_| ())
    }

    /// Merges an overlay into the image below it; `told` is told the percentage. The overlay stays as it is, so that it can be repeated.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn commit(&self, overlay: &Path, told: impl Fn(u32)) -> Result<(), Failure> {
        self.run_told(&["commit", "-p", "-d", "-f", "qcow2"], &[overlay], &[], COPY_LIMIT, told).await.map(|_| ())
    }

    /// Removes images from elsewhere that need not stay; one that is being copied does. Blocks.
    pub fn evict(&self, keep: Keep) {
        let Some(fetcher) = &self.fetcher else { return };
        // A copy that begins now finds its image used lately, and so left alone.
        let (files, bytes) = fetcher.store().evict(&self.copying.digests(), keep);
        if files > 0 {
            tracing::info!(files, bytes, "base images that were not used for long are gone");
        }
    }

    /// What is in a disk file. Unless `shared`, it fails if another process has it open for writing.
    ///
    /// # Errors
    /// [`FailureCode::Disk`]: missing, unreadable, in use.
    pub async fn info(&self, path: &Path, shared: bool) -> Result<Info, Failure> {
        let mut arguments = vec!["info", "--output=json"];
        if shared {
            arguments.push("-U");
        }
        let output = self.run(&arguments, &[path], &[], INFO_LIMIT).await?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| failed(FailureCode::Disk, format!("qemu-img's answer about {}: {error}", path.display())))
    }

    /// As [`run`](Self::run), with `-p` among the arguments: `told` is told the percentage, when it changes.
    async fn run_told(
        &self,
        arguments: &[&str],
        paths: &[&Path],
        more: &[&str],
        limit: Duration,
        told: impl Fn(u32),
    ) -> Result<Output, Failure> {
        let (input, mut output) =
            tokio::net::unix::pipe::pipe().map_err(|error| failed(FailureCode::Internal, error.to_string()))?;
        let input = input.into_blocking_fd().map_err(|error| failed(FailureCode::Internal, error.to_string()))?;
        let listening = async {
            let (mut piece, mut line, mut last) = (vec![0; 256], Vec::new(), None);
            while let Ok(count @ 1..) = output.read(&mut piece).await {
                line.extend_from_slice(&piece[..count]);
                if let Some(percent) = percentage(&line).filter(|it| Some(*it) != last) {
                    last = Some(percent);
                    told(percent);
                }
                line.drain(..line.len().saturating_sub(64));
            }
        };
        let running = self.run_into(Some(input.into()), arguments, paths, more, limit);
        let ((), result) = tokio::join!(listening, running);
        result
    }

    /// `qemu-img ARGUMENTS PATHS MORE`. Killed when nobody waits for it any more.
    async fn run(
        &self,
        arguments: &[&str],
        paths: &[&Path],
        more: &[&str],
        limit: Duration,
    ) -> Result<Output, Failure> {
        self.run_into(None, arguments, paths, more, limit).await
    }

    /// Its output is in the answer, or goes to `output`.
    async fn run_into(
        &self,
        output: Option<Stdio>,
        arguments: &[&str],
        paths: &[&Path],
        more: &[&str],
        limit: Duration,
    ) -> Result<Output, Failure> {
        let mut command = Command::new(&self.qemu_img);
        command.args(arguments).args(paths).args(more).stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(output.unwrap_or_else(Stdio::piped)).stderr(Stdio::piped());
        let what = format!(
            "qemu-img {} {}",
            arguments[0],
            paths.last().map(|path| path.display().to_string()).unwrap_or_default()
        );
        let waiting = command.spawn().map(tokio::process::Child::wait_with_output);
        // The command holds the other end of a pipe that somebody may read to its end.
        drop(command);
        let waiting = async { waiting?.await };
        let output = match tokio::time::timeout(limit, waiting).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => {
                return Err(failed(
                    FailureCode::Internal,
                    format!("{}: {error}: install qemu-utils", self.qemu_img.display()),
                ));
            }
            Err(_) => return Err(failed(FailureCode::Disk, format!("{what} took longer than {limit:?}"))),
        };
        if output.status.success() {
            return Ok(output);
        }
        let printed = String::from_utf8_lossy(&output.stderr);
        let evidence: Vec<_> = printed.lines().map(str::to_owned).take(40).collect();
        let (code, hint) = if printed.contains("lock") {
            (FailureCode::Disk, ": another process uses it")
        } else if printed.contains("No space left") {
            (FailureCode::Resource, ": no space left")
        } else {
            (FailureCode::Disk, "")
        };
        Err(Failure { code, message: format!("{what} failed{hint}"), evidence })
    }
}

/// The last of what `qemu-img -p` has printed, `    (12.34/100%)`, in whole percent.
fn percentage(printed: &[u8]) -> Option<u32> {
    let text = String::from_utf8_lossy(printed);
    let (before, _) = text.rsplit_once("/100%)")?;
    let number = before.rsplit_once('(')?.1;
    number.split('.').next()?.trim().parse().ok()
}

/// On disk under its new name when it returns.
fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    let moved = std::fs::rename(from, to).and_then(|()| {
        let folders = [to, from].map(|path| path.parent().unwrap_or(Path::new("/")));
        folders.into_iter().try_for_each(|folder| std::fs::File::open(folder)?.sync_all())
    });
    moved.map_err(|error| failed(FailureCode::Internal, format!("{} to {}: {error}", from.display(), to.display())))
}

fn finish(temporary: &Path, path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let file = std::fs::File::open(temporary)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.sync_all()?;
    std::fs::rename(temporary, path)?;
    std::fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_what_comes_in_pieces() {
        for (printed, expected) in [
            ("    (0.00/100%)\r", Some(0)),
            ("    (0.00/100%)\r    (12.50/100%)\r    (13.", Some(12)),
            ("(100.00/100%)\r\n", Some(100)),
            ("", None),
            ("12.50/100%)", None),
        ] {
            assert_eq!(percentage(printed.as_bytes()), expected, "{printed}");
        }
    }

    #[test]
    fn an_image_that_points_elsewhere_is_not_alone() {
        let info = |json: &str| serde_json::from_str::<Info>(json).unwrap().is_not_alone();
        assert!(!info(r#"{"virtual-size":1,"format":"qcow2","format-specific":{"data":{"compat":"1.1"}}}"#));
        assert!(info(r#"{"virtual-size":1,"format":"qcow2","backing-filename":"/etc/shadow"}"#));
        assert!(info(r#"{"virtual-size":1,"format":"qcow2","format-specific":{"data":{"data-file":"/etc/shadow"}}}"#));
        assert!(info(r#"{"virtual-size":1,"format":"vmdk"}"#), "extents are other files");
    }

    fn storage(store: artifact::Store, sources: Vec<String>) -> Storage {
        Storage {
            qemu_img: PathBuf::new(),
            images: PathBuf::new(),
            fetcher: Some(Fetcher::new(store, artifact::download::Config::default()).unwrap()),
            sources,
            detached: PathBuf::new(),
            moves: Arc::default(),
            copying: Copies::default(),
        }
    }

    #[tokio::test]
    async fn an_address_that_may_be_asked_leads_nowhere_else() {
        use axum::http::{Method, Uri, header};
        use axum::response::{IntoResponse, Redirect};
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let answer = move |method: Method, uri: Uri| {
            seen.lock().unwrap().push(format!("{method} {}", uri.path()));
            std::future::ready(match uri.path() {
                "/images/here" | "/secret" => "secret".into_response(),
                "/images/late" if method == Method::HEAD => [(header::CONTENT_LENGTH, "6")].into_response(),
                _ => Redirect::temporary("/secret").into_response(),
            })
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
        let folder = tempfile::tempdir().unwrap();
        let store = artifact::Store::open(folder.path()).unwrap();
        let storage = storage(store, vec![format!("http://{address}/images")]);
        let digest = artifact::Digest::of(b"secret");
        let fetch = async |path: &str| {
            let name = format!("http://{address}{path}#sha256={digest}");
            let fetched = storage.source(&name, |_| ()).await.map_err(|failure| (failure.code, failure.message));
            (fetched.map(|(path, _)| path), std::mem::take(&mut *asked.lock().unwrap()))
        };
        for (path, requests) in [
            ("/images/moved", ["HEAD /images/moved"].as_slice()),
            ("/images/late", &["HEAD /images/late", "GET /images/late"]),
        ] {
            let (fetched, seen) = fetch(path).await;
            assert!(matches!(&fetched, Err((FailureCode::Download, _))), "{fetched:?}");
            assert_eq!(seen, requests, "the redirect is not followed");
        }
        for path in ["/secret", "/images/../secret", "/images/%2e%2e/secret", "/images/.\t./secret"] {
            let (fetched, seen) = fetch(path).await;
            assert!(
                matches!(&fetched, Err((FailureCode::Disk, text)) if text.contains("image_sources")),
                "{fetched:?}"
            );
            assert!(seen.is_empty(), "{seen:?}");
        }
        let (fetched, seen) = fetch("/images/here").await;
        assert_eq!(std::fs::read(fetched.unwrap()).unwrap(), b"secret");
        assert_eq!(seen, ["HEAD /images/here", "GET /images/here"]);
    }

    #[test]
    fn an_old_image_from_elsewhere_goes_unless_it_is_being_copied() {
        let folder = tempfile::tempdir().unwrap();
        let store = artifact::Store::open(folder.path()).unwrap();
        let digest = store.put(b"an image").unwrap();
        let path = store.path(digest);
        let day = Duration::from_hours(24);
        std::fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::now() - 40 * day).unwrap();
        let storage = storage(store, Vec::new());
        let keep = Keep { age: 30 * day, bytes: u64::MAX };
        let (first, second) = (storage.copying.begin(digest), storage.copying.begin(digest));
        storage.evict(keep);
        drop(first);
        storage.evict(keep);
        assert!(path.exists(), "the second copy goes on");
        drop(second);
        storage.evict(Keep { age: 50 * day, ..keep });
        assert!(path.exists(), "it is not that old");
        storage.evict(keep);
        assert!(!path.exists());
    }
}
