//! Tokens between programs: one file of mode 0600 for each way of asking, in a folder of mode 0700.
//!
//! A token file only ever saves a log-in; that it can't be read or written is no failure of a request.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use chrono::{TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::options::{ClientOptions, Credentials};
use crate::session::Session;

/// Whose token it is. The file's name is a digest of it; it is compared as well.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    auth_url: String,
    user: String,
    domain: String,
    project: Option<String>,
    region_name: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    owner: Owner,
    session: Session,
}

fn place(options: &ClientOptions) -> Option<(PathBuf, Owner)> {
    let Credentials::Password { user, domain, project, .. } = &options.credentials else { return None };
    let owner = Owner {
        auth_url: options.auth_url.as_deref()?.trim_end_matches('/').trim_end_matches("/v3").to_owned(),
        user: user.clone(),
        domain: domain.clone(),
        project: project.clone(),
        region_name: options.region_name.clone(),
    };
    let digest = Sha256::digest(serde_json::to_vec(&owner).ok()?);
    let name = types::rescue::hex(&digest[..16]);
    Some((options.token_folder.as_ref()?.join(format!("token-{name}.json")), owner))
}

/// The kept token, if there is one that has not ended and that only its owner could read.
pub fn load(options: &ClientOptions) -> Option<Session> {
    let (path, owner) = place(options)?;
    if fs::symlink_metadata(&path).ok()?.mode() & 0o170_077 != 0o100_000 {
        return None;
    }
    let kept: Kept = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
    // The last seconds of a token are not worth a 401.
    let over = kept.session.expires_at.is_some_and(|end| end <= Utc::now() + TimeDelta::seconds(30));
    (kept.owner == owner && !over).then_some(kept.session)
}

/// Keeps a token. Other programs see the old file or the new one, never half of it.
pub fn save(options: &ClientOptions, session: &Session) {
    let Some((path, owner)) = place(options) else { return };
    let Some(folder) = path.parent() else { return };
    let temporary = folder.join(format!(".token-{}", uuid::Uuid::new_v4()));
    let write = || -> std::io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let kept = serde_json::to_vec(&Kept { owner, session: session.clone() })?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(&kept)?;
        fs::rename(&temporary, &path)
    };
    if write().is_err() {
        let _ = fs::remove_file(&temporary);
    }
}
