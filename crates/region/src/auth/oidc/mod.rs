//! Bearer tokens of other identity servers (OpenID Connect): signed by a key that the issuer publishes, for this service, not expired; its
//! claims say who it is, and by configuration in which project and with which roles.
//!
//! * [`Issuers`]: all that are configured; finds the one that a token names;
//! * [`keys`]: an issuer's published keys: kept, renewed, and kept on while it is away;
//! * [`claims`]: from claims to project and roles; pure;
//! * [`crypto`]: signatures, by the library that TLS uses too.

mod claims;
mod crypto;
mod keys;

use chrono::DateTime;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::{Map, Value};
use types::{Secret, UserId};
use uuid::Uuid;

use crate::auth::{Caller, Proof, unauthorized};
use crate::config::Issuer as Config;
use crate::error::{Error, Result};
use keys::Keys;

/// A token longer than this is none.
const LONGEST: usize = 16 * 1024;

/// Why an issuer's configuration can't be used.
#[derive(Debug, thiserror::Error)]
#[error("auth.oidc, issuer '{issuer}': {problem}")]
pub struct ConfigError {
    issuer: String,
    problem: String,
}

pub struct Issuers(Vec<Issuer>);

struct Issuer {
    config: Config,
    algorithms: Vec<Algorithm>,
    keys: Keys,
}

impl Issuers {
    /// Nothing is fetched yet: an issuer that is away does not keep the service from starting.
    ///
    /// # Errors
    /// [`ConfigError`] says what to mend.
    pub fn new(configs: &[Config]) -> Result<Self, ConfigError> {
        crypto::install();
        let mut issuers: Vec<Issuer> = Vec::new();
        for config in configs {
            let wrong = |problem: String| ConfigError { issuer: config.issuer.clone(), problem };
            if config.issuer.is_empty() || config.audience.is_empty() || config.name.is_empty() {
                return Err(wrong("name, issuer and audience are wanted".into()));
            }
            if issuers.iter().any(|i| i.config.issuer == config.issuer || i.config.name == config.name) {
                return Err(wrong("another one has the same issuer or name".into()));
            }
            let algorithms = config.algorithms.iter().map(|name| match name.parse::<Algorithm>() {
                Ok(Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) => {
                    Err(wrong(format!("algorithm {name} needs a shared secret: allowed are RS*, PS*, ES* and EdDSA")))
                }
                Ok(algorithm) => Ok(algorithm),
                Err(_) => Err(wrong(format!("unknown algorithm '{name}': allowed are RS*, PS*, ES* and EdDSA"))),
            });
            let algorithms = algorithms.collect::<Result<Vec<_>, _>>()?;
            let keys = Keys::new(config).map_err(wrong)?;
            issuers.push(Issuer { config: config.clone(), algorithms, keys });
        }
        Ok(Self(issuers))
    }

    /// Whether this is a token for us to look at: three parts, where ours have one.
    #[must_use]
    pub fn take(&self, token: &Secret) -> bool {
        !self.0.is_empty() && token.expose().bytes().filter(|b| *b == b'.').count() == 2
    }

    /// Who the token speaks for; `wanted`: the project, by key, where the claims give several.
    ///
    /// # Errors
    /// 401 with the reason; 503 while the issuer's keys can't be had.
    pub async fn verify(&self, token: &Secret, wanted: Option<&str>) -> Result<Verified> {
        let text = token.expose();
        let garbage = || unauthorized("the bearer token is not a signed JWT");
        if text.len() > LONGEST {
            return Err(garbage());
        }
        let header = jsonwebtoken::decode_header(text).map_err(|_| garbage())?;
        // Not believed yet: it says only whose keys to try.
        let claimed: Map<String, Value> =
            jsonwebtoken::dangerous::insecure_decode::<Map<String, Value>>(text).map_err(|_| garbage())?.claims;
        let issuer = claimed.get("iss").and_then(Value::as_str).unwrap_or_default();
        let issuer = self.0.iter().find(|i| i.config.issuer == issuer);
        let issuer = issuer.ok_or_else(|| unauthorized("the bearer token's issuer is not one this service trusts"))?;
        issuer.verify(text, &header, wanted).await
    }
}

impl Issuer {
    async fn verify(&self, text: &str, header: &jsonwebtoken::Header, wanted: Option<&str>) -> Result<Verified> {
        if !self.algorithms.contains(&header.alg) {
            return Err(unauthorized("the bearer token is signed in a way that is not allowed for its issuer"));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await?;
        let key =
            key.ok_or_else(|| unauthorized("the bearer token is signed with a key that its issuer does not publish"))?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = self.config.leeway_s.into();
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&self.config.audience);
        let data = jsonwebtoken::decode::<Map<String, Value>>(text, &key, &validation).map_err(|e| refused(&e))?;
        claims::read(&self.config, &data.claims, wanted)
    }
}

/// Nothing of the token is repeated.
fn refused(error: &jsonwebtoken::errors::Error) -> Error {
    unauthorized(match error.kind() {
        ErrorKind::ExpiredSignature => "the bearer token has expired: get a new one from its issuer",
        ErrorKind::ImmatureSignature => "the bearer token is not valid yet: compare the clocks",
        ErrorKind::InvalidAudience => "the bearer token is for another service (aud)",
        ErrorKind::InvalidIssuer => "the bearer token is of another issuer (iss)",
        ErrorKind::MissingRequiredClaim(_) => "the bearer token lacks one of exp, iss, aud",
        _ => "the bearer token's signature does not fit",
    })
}

/// What a token's claims say, of a token that has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// `issuer's name:user`; no user of our own has a colon in the name.
    pub user: String,
    pub subject: String,
    /// By key.
    pub project: Option<String>,
    pub roles: Vec<String>,
    /// Seconds since 1970.
    pub expires_at: i64,
}

impl Verified {
    /// The same for the same user at any time.
    #[must_use]
    pub fn id(&self) -> UserId {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(format!("oidc\0{}\0{}", self.user, self.subject));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        UserId::from_uuid(uuid_of(bytes))
    }

    /// As a caller. The project must be there, and its domain be enabled; else the token is as good as unscoped.
    ///
    /// # Errors
    /// As the database reports them.
    pub async fn caller(self, conn: &mut db::Conn, source: Option<String>, request_id: String) -> Result<Caller> {
        let user_id = self.id();
        let project = match &self.project {
            Some(key) => db::identity::project_of_key(conn, key).await?,
            None => None,
        };
        let project = match project {
            Some(project) if db::domain::find(conn, &project.domain).await?.is_some_and(|d| d.enabled) => Some(project),
            _ => None,
        };
        Ok(Caller {
            user_id,
            user: self.user,
            domain: project.as_ref().map(|p| p.domain.clone()),
            roles: if project.is_some() { self.roles } else { Vec::new() },
            project: project.map(|p| p.key()),
            source,
            request_id,
            proof: Proof::Foreign { until: DateTime::from_timestamp(self.expires_at, 0).unwrap_or_default() },
        })
    }
}

/// RFC 9562, version 8: bits of our own making.
fn uuid_of(mut bytes: [u8; 16]) -> Uuid {
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}
