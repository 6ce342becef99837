//! What TLS is told, and what can be wrong with its files: plain data.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where a pair is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, then those that issued it, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Which file a flaw is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The certificate.
    Certificate,
    /// The private key.
    Key,
    /// Certificates that others are verified by.
    Roots,
}

/// What is wrong with a file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Which file.
    pub about: About,
    /// It can't be used, rather than being doubtful.
    pub fatal: bool,
    /// What is wrong, as a fragment without a full stop.
    pub what: String,
    /// What to do.
    pub cure: String,
}

/// The cure of what should not be.
pub(super) const DEFECT: &str = "this is a defect of autoheal: please report it";

impl Flaw {
    pub(super) fn error(about: About, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            about,
            fatal: true,
            what: what.into(),
            cure: cure.into(),
        }
    }

    pub(super) fn warning(about: About, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            fatal: false,
            ..Self::error(about, what, cure)
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.cure)
    }
}

/// Whether clients show certificates of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    /// Certificates in PEM that theirs must lead to.
    pub roots: PathBuf,
    /// Whether a client without one is refused.
    pub required: bool,
    /// In which fields the worker is told of theirs.
    pub tell: Vec<Told>,
}

/// A field in which the worker is told of a client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// `Client-Cert` (RFC 9440): the certificate.
    Certificate,
    /// `Client-Cert-Chain` (RFC 9440): what the client sent after it.
    Chain,
    /// `X-ARR-ClientCert`, the certificate as Azure App Service tells it.
    Azure,
}

impl Told {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Certificate, Self::Chain, Self::Azure];

    /// The field's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Certificate => "client-cert",
            Self::Chain => "client-cert-chain",
            Self::Azure => "x-arr-clientcert",
        }
    }
}

/// TLS with a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Certificates in PEM that the worker's must lead to; `None`: those that this machine trusts.
    pub roots: Option<PathBuf>,
    /// The name that is asked for and that its certificate must be for.
    pub name: String,
    /// What it is shown if it asks for a certificate.
    pub own: Option<Files>,
    /// Whether its certificate is looked at at all.
    pub verify: bool,
}

/// What a worker on this machine is called, unless it is told.
pub const LOCAL_NAME: &str = "localhost";

impl Default for Behind {
    fn default() -> Self {
        Self {
            roots: None,
            name: LOCAL_NAME.to_owned(),
            own: None,
            verify: true,
        }
    }
}

/// What is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// A certificate and its key.
    Pair(&'a Files),
    /// Certificates that others are verified by.
    Roots(&'a Path),
    /// The same, where this machine keeps them.
    MachineRoots,
}
