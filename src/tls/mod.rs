//! TLS with clients: pairs of certificate and key, chosen by name and replaced while connections
//! go on. TLS with the worker: its certificate verified, and each way to fail told by its name. The
//! only folder that names a rustls type.
//!
//! Invariants: a pair that does not match is never served; no early data is taken or sent.

pub mod back;
pub mod certificates;
pub mod fault;
pub mod front;
pub mod pair;
pub mod pass;
mod pem;
pub mod renewal;
mod roots;
pub mod shown;
pub mod spec;
pub mod stream;
#[cfg(test)]
mod testing;
mod verify;
mod x509;

use std::sync::{Arc, OnceLock};

use rustls::{
    CipherSuite,
    crypto::{CryptoProvider, aws_lc_rs},
};

use self::{
    pair::Pair,
    spec::{Asked, Flaw},
};
use crate::time::WallTime;

/// AES-128 first: as safe as AES-256 for all that is known, and cheaper.
const CIPHERS: [CipherSuite; 2] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
];

/// What is wrong with files. They are read.
#[must_use]
pub fn flaws(asked: Asked<'_>, now: WallTime) -> Vec<Flaw> {
    match asked {
        Asked::Pair(files) => {
            Pair::read(files, now).map_or_else(|fatal| fatal, |(_, doubts)| doubts)
        }
        Asked::Roots(path) => roots::of_file(path).err().into_iter().collect(),
        Asked::MachineRoots => roots::of_this_machine().err().into_iter().collect(),
    }
}

/// The cryptography in use. aws-lc rather than ring: 16 KiB records cost 3.5 us instead of 5.5,
/// small ones 0.4 us instead of 0.65, and it has the key exchange that quantum computers don't
/// break; it takes longer to compile.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let make = || {
        let mut provider = aws_lc_rs::default_provider();
        let rank = |suite| CIPHERS.iter().position(|cipher| *cipher == suite);
        provider
            .cipher_suites
            .sort_by_key(|suite| rank(suite.suite()).unwrap_or(CIPHERS.len()));
        Arc::new(provider)
    };
    PROVIDER.get_or_init(make).clone()
}
