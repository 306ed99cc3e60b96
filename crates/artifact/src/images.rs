//! From the name of an image to verified files: manifest, signature, expiry, revocation, serial, then kernel and initramfs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use chrono::Utc;
use types::desc::BootFile;
use types::operation::FailureCode;

use crate::attempt::{Problem, small, url};
use crate::download::{self, FetchError, Fetcher, jitter};
use crate::manifest::{MAX_MANIFEST, MAX_SIGNATURE, Manifest, is_name};
use crate::remembered::{Remembered, Signed};
use crate::serials::{SerialError, Serials};
use crate::store::{Store, StoreError};
use crate::trust::{Rejected, Trust};

/// What was asked for, to the byte: the manifest must say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub version: String,
    pub serial: u64,
    pub kernel: BootFile,
    pub initramfs: BootFile,
    pub cmdline: String,
    pub min_memory_mib: u32,
}

impl From<&Manifest> for Wanted {
    fn from(manifest: &Manifest) -> Self {
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            serial: manifest.serial,
            kernel: (&manifest.kernel).into(),
            initramfs: (&manifest.initramfs).into(),
            cmdline: manifest.cmdline.clone(),
            min_memory_mib: manifest.min_memory_mib,
        }
    }
}

/// An image whose files are in the store, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub manifest: Manifest,
    /// Absolute paths in the store.
    pub kernel: PathBuf,
    pub initramfs: PathBuf,
    /// Bytes that came over the network.
    pub downloaded: u64,
    /// The endpoint that the last of them came from.
    pub from: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error("'{0}' does not name an image")]
    Name(String),
    #[error("no baremetal agent offers the image {name}: {tries}")]
    Manifest { name: String, tries: ManifestTries },
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the stored {what} has {got} bytes, the manifest says {want}")]
    Size { what: &'static str, got: u64, want: u64 },
}

impl PrepareError {
    /// The word for it in an operation's outcome.
    #[must_use]
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Name(_) => FailureCode::Internal,
            Self::Manifest { tries, .. } => {
                let reached = |p: &ManifestProblem| !matches!(p, ManifestProblem::Http(p) if !p.is_corruption());
                let local = |p: &ManifestProblem| matches!(p, ManifestProblem::Serial(e) if matches!(**e, SerialError::File { .. }));
                if tries.0.iter().any(|(_, p)| local(p)) {
                    FailureCode::Internal
                } else if tries.0.iter().any(|(_, p)| reached(p)) {
                    FailureCode::Verification
                } else {
                    FailureCode::Download
                }
            }
            Self::Fetch(FetchError::Endpoints { tries, .. } | FetchError::Deadline { tries, .. }) => {
                let corrupted = tries.0.iter().any(|(_, problem)| problem.is_corruption());
                if corrupted { FailureCode::Verification } else { FailureCode::Download }
            }
            Self::Fetch(FetchError::NoEndpoints(_)) => FailureCode::Download,
            Self::Fetch(FetchError::TooLarge { .. } | FetchError::Local { .. }) => FailureCode::Resource,
            Self::Fetch(FetchError::Client(_)) => FailureCode::Internal,
            Self::Store(StoreError::Io { .. }) => FailureCode::Resource,
            Self::Store(_) | Self::Size { .. } => FailureCode::Verification,
        }
    }
}

/// Why a manifest of one endpoint does not count.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ManifestProblem {
    #[error(transparent)]
    Http(#[from] Problem),
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Serial(Arc<SerialError>),
    #[error("it offers another image: {0}")]
    Other(String),
}

/// What was wrong at each endpoint, at the last try.
#[derive(Debug, Clone, Default)]
pub struct ManifestTries(pub Vec<(String, ManifestProblem)>);

impl fmt::Display for ManifestTries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no agent was named");
        }
        for (index, (endpoint, problem)) in self.0.iter().enumerate() {
            write!(f, "{}{endpoint}: {problem}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// Prepares images. Cheap to clone.
#[derive(Clone)]
pub struct Images {
    fetcher: Fetcher,
    trust: Arc<Trust>,
    serials: Arc<Serials>,
    remembered: Arc<Remembered>,
}

/// A manifest that counts.
struct Counting {
    manifest: Manifest,
    signed: Signed,
    /// Who gave it. None: it was remembered, and all of the image is here.
    source: Option<String>,
}

impl Images {
    /// `folder` holds the store, `serials.json` and `manifests`; made if need be.
    ///
    /// # Errors
    /// The folder can't be used, or the serials seen can't be read.
    pub fn open(folder: &Path, trust: Trust, config: download::Config) -> Result<Self, OpenError> {
        let fetcher = Fetcher::new(Store::open(folder)?, config)?;
        let serials = Serials::open(&folder.join("serials.json"))?;
        let remembered = Remembered::new(fetcher.store().root());
        Ok(Self { fetcher, trust: trust.into(), serials: serials.into(), remembered: remembered.into() })
    }

    #[must_use]
    pub fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Brings everything that `wanted` needs into the store. May be repeated: what is there is checked, not fetched, and where nothing is
    /// missing no endpoint is asked. `progress` is told bytes that are there and bytes in all, of both files together.
    ///
    /// # Errors
    /// [`PrepareError`]; nothing unverified is ever under a digest's name.
    pub async fn prepare(
        &self,
        endpoints: &[String],
        wanted: &Wanted,
        progress: impl Fn(u64, u64),
    ) -> Result<Prepared, PrepareError> {
        if !is_name(&wanted.name) {
            return Err(PrepareError::Name(wanted.name.chars().take(80).collect()));
        }
        let counting = match self.remembered(wanted).await {
            Some(counting) => counting,
            None => self.manifest(endpoints, wanted).await?,
        };
        let Counting { manifest, signed, source } = counting;
        // Where the manifest came from, the files most likely are.
        let mut order: Vec<String> = source.iter().cloned().collect();
        order.extend(endpoints.iter().filter(|e| Some(*e) != source.as_ref()).cloned());
        let total = manifest.kernel.size + manifest.initramfs.size;
        let (kernel, initramfs) = (&manifest.kernel, &manifest.initramfs);
        let first = self.fetcher.fetch(&order, kernel.sha256, kernel.size, |bytes, _| progress(bytes, total)).await?;
        let told = |bytes, _| progress(kernel.size + bytes, total);
        let second = self.fetcher.fetch(&order, initramfs.sha256, initramfs.size, told).await?;
        progress(total, total);
        [kernel, initramfs].into_iter().for_each(|file| self.fetcher.store().used(file.sha256));
        if source.is_some() {
            let (remembered, name) = (Arc::clone(&self.remembered), manifest.name.clone());
            let kept = download::blocking(move || remembered.keep(&name, &signed)).await;
            if let Err(error) = kept {
                tracing::warn!(image = manifest.name, %error, "a manifest can't be kept, and will be asked for again");
            }
        }
        Ok(Prepared {
            kernel: first.path,
            initramfs: second.path,
            downloaded: first.downloaded + second.downloaded,
            from: second.from.or(first.from),
            manifest,
        })
    }

    /// Reads both stored files once more, at the same time, and compares them with what is wanted. Blocks; needs no network.
    ///
    /// # Errors
    /// [`PrepareError::Store`], [`PrepareError::Size`].
    pub fn recheck(&self, kernel: &BootFile, initramfs: &BootFile) -> Result<(PathBuf, PathBuf), PrepareError> {
        let check = |what: &'static str, file: &BootFile| {
            let digest = file.sha256.parse().map_err(|_| PrepareError::Name(file.sha256.chars().take(80).collect()))?;
            let (path, got) = self.fetcher.store().verified(digest)?;
            self.fetcher.store().used(digest);
            if got == file.size { Ok(path) } else { Err(PrepareError::Size { what, got, want: file.size }) }
        };
        std::thread::scope(|scope| {
            let beside = scope.spawn(|| check("initramfs", initramfs));
            let kernel = check("kernel", kernel);
            let initramfs = beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((kernel?, initramfs?))
        })
    }

    /// The manifest of before, if it still counts and both files are here.
    async fn remembered(&self, wanted: &Wanted) -> Option<Counting> {
        let (remembered, name) = (Arc::clone(&self.remembered), wanted.name.clone());
        let signed = download::blocking(move || Ok(remembered.read(&name))).await.ok()??;
        let checked = self.check(signed.manifest.as_bytes(), signed.signature.as_bytes(), wanted).await;
        let manifest = checked
            .inspect_err(
                |problem| tracing::debug!(image = wanted.name, %problem, "a remembered manifest does not count"),
            )
            .ok()?;
        let here = [&manifest.kernel, &manifest.initramfs].iter().all(|file| self.fetcher.store().has(file.sha256));
        here.then_some(Counting { manifest, signed, source: None })
    }

    /// The manifest, from one of the endpoints.
    async fn manifest(&self, endpoints: &[String], wanted: &Wanted) -> Result<Counting, PrepareError> {
        let (_, config) = self.fetcher.client();
        let mut tries = ManifestTries::default();
        let mut pause = config.pause;
        for round in 0..config.rounds {
            let mut hope = false;
            for endpoint in endpoints {
                let known = tries.0.iter().position(|(known, _)| known == endpoint);
                if known.is_some_and(|at| !worth_asking_again(&tries.0[at].1, round)) {
                    continue;
                }
                match self.ask(endpoint, wanted).await {
                    Ok((manifest, signed)) => {
                        return Ok(Counting { manifest, signed, source: Some(endpoint.clone()) });
                    }
                    Err(problem) => {
                        tracing::warn!(image = wanted.name, endpoint, error = %problem, "an agent's manifest does not count");
                        hope |= worth_asking_again(&problem, round + 1);
                        match known {
                            Some(at) => tries.0[at].1 = problem,
                            None => tries.0.push((endpoint.clone(), problem)),
                        }
                    }
                }
            }
            if !hope || round + 1 == config.rounds {
                break;
            }
            tokio::time::sleep(jitter(pause)).await;
            pause = (pause * 2).min(config.max_pause);
        }
        Err(PrepareError::Manifest { name: wanted.name.clone(), tries })
    }

    async fn ask(&self, endpoint: &str, wanted: &Wanted) -> Result<(Manifest, Signed), ManifestProblem> {
        // Several versions may stand side by side there; an agent with one of them may know it by its name alone.
        let exact = format!("{}.{}", wanted.name, wanted.serial);
        let (json, signature) = match self.download(endpoint, &exact).await {
            Err(Problem::Status(404)) => self.download(endpoint, &wanted.name).await?,
            other => other?,
        };
        let manifest = self.check(&json, &signature, wanted).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((manifest, Signed { manifest: text(&json), signature: text(&signature) }))
    }

    /// Everything that a manifest has to pass, wherever it came from.
    async fn check(&self, json: &[u8], signature: &[u8], wanted: &Wanted) -> Result<Manifest, ManifestProblem> {
        let manifest = self.trust.verify(json, signature, Utc::now())?;
        let serials = self.serials.clone();
        if manifest.name != wanted.name {
            return Err(ManifestProblem::Other(format!("its name is {}", manifest.name)));
        }
        let admitted = manifest.clone();
        let noted = tokio::task::spawn_blocking(move || serials.admit(&admitted)).await;
        noted
            .unwrap_or_else(|panic| {
                let source = std::io::Error::other(panic);
                Err(SerialError::File { path: "serials.json".into(), source })
            })
            .map_err(|e| ManifestProblem::Serial(Arc::new(e)))?;
        match difference(&Wanted::from(&manifest), wanted) {
            Some(difference) => Err(ManifestProblem::Other(difference)),
            None => Ok(manifest),
        }
    }

    async fn download(&self, endpoint: &str, name: &str) -> Result<(Bytes, Bytes), Problem> {
        let (client, config) = self.fetcher.client();
        let manifest = url(endpoint, &format!("images/{name}/manifest.json"))?;
        let json = small(client, &manifest, MAX_MANIFEST, config.idle_timeout).await?;
        let signature = small(client, &format!("{manifest}.minisig"), MAX_SIGNATURE, config.idle_timeout).await?;
        Ok((json, signature))
    }
}

/// The stored folder of images can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Serials(#[from] SerialError),
    #[error(transparent)]
    Client(#[from] FetchError),
}

/// A signature that does not fit gets one more chance: the manifest may have been replaced between the two requests.
fn worth_asking_again(problem: &ManifestProblem, round: u32) -> bool {
    match problem {
        ManifestProblem::Http(problem) => problem.is_transient(),
        ManifestProblem::Rejected(Rejected::Signature) => round <= 1,
        ManifestProblem::Rejected(_) | ManifestProblem::Serial(_) | ManifestProblem::Other(_) => false,
    }
}

/// The first field in which what is offered differs from what is wanted.
fn difference(offered: &Wanted, wanted: &Wanted) -> Option<String> {
    let file = |file: &BootFile| format!("{} ({} bytes)", file.sha256, file.size);
    [
        ("version", offered.version.clone(), wanted.version.clone()),
        ("serial", offered.serial.to_string(), wanted.serial.to_string()),
        ("kernel", file(&offered.kernel), file(&wanted.kernel)),
        ("initramfs", file(&offered.initramfs), file(&wanted.initramfs)),
        ("cmdline", offered.cmdline.clone(), wanted.cmdline.clone()),
        ("min_memory_mib", offered.min_memory_mib.to_string(), wanted.min_memory_mib.to_string()),
    ]
    .into_iter()
    .find(|(_, offered, wanted)| offered != wanted)
    .map(|(field, offered, wanted)| format!("its {field} is {offered}, {wanted} was asked for"))
}
