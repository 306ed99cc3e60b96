//! Boot files that can be trusted: from a signed manifest on an agent to a verified file on this machine.
//!
//! Read in this order:
//! * [`digest`]: the name of a file, by what is in it.
//! * [`manifest`]: what an image is made of, and which names and values are allowed. Pure.
//! * [`trust`]: whose signature counts, what was revoked, what has expired. Pure.
//! * [`serials`]: the highest serial seen of each image and version, on disk: an older manifest can't be slipped in.
//! * [`store`]: files under their digests; they appear whole or not at all.
//! * [`download`]: one file from several endpoints into the store: resumed, checked, shared among those who want it.
//! * `attempt`, `partial`: one request of a download, and the part that is there already.
//! * `remembered`: manifests that have counted, so that what is here is prepared again without an agent.
//! * [`evict`]: what leaves the store.
//! * [`images`]: all of it together: [`images::Images::prepare`].
//!
//! Where things are, below an endpoint: `artifacts/sha256/<digest>` (its entity tag is the digest in quotes),
//! `images/<name>/manifest.json`, and `images/<name>/manifest.json.minisig`.

mod attempt;
pub mod digest;
pub mod download;
pub mod evict;
pub mod images;
pub mod manifest;
mod partial;
mod remembered;
pub mod serials;
pub mod store;
pub mod trust;

pub use digest::Digest;
pub use download::{FetchError, Fetched, Fetcher};
pub use images::{Images, PrepareError, Prepared, Wanted};
pub use manifest::{Manifest, ManifestFile};
pub use serials::Serials;
pub use store::Store;
pub use trust::{Rejected, Trust};
