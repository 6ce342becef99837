//! A certificate and its key, read from PEM files and checked against each other.

use std::{os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use rustls::{
    Error, InconsistentKeys,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};
use webpki::EndEntityCert;

use super::{
    pem, provider,
    spec::{About, Files, Flaw},
    x509,
};
use crate::{time::WallTime, units::format_duration};

/// A certificate and a key that match.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The DNS names that it is for, in lower case; some may begin with `*.`.
    pub names: Vec<String>,
    /// It is valid from then on.
    pub not_before: WallTime,
    /// It is valid until then.
    pub not_after: WallTime,
    pub(super) certified: Arc<CertifiedKey>,
}

impl Pair {
    /// Reads a pair, with what is doubtful about it.
    ///
    /// # Errors
    /// Why it can't be served: at least one fatal flaw.
    pub fn read(files: &Files, now: WallTime) -> Result<(Self, Vec<Flaw>), Vec<Flaw>> {
        let mut flaws = Vec::new();
        let mut keep = |flaw| flaws.push(flaw);
        let chain = pem::file(&files.certificate, About::Certificate)
            .and_then(|text| pem::certificates(&files.certificate, &text, About::Certificate))
            .map_err(&mut keep);
        let key = pem::file(&files.key, About::Key)
            .and_then(|text| pem::key(&files.key, &text))
            .map_err(&mut keep);
        let (Ok(chain), Ok(key)) = (chain, key) else {
            return Err(flaws);
        };
        let pair = Self::of(files, chain, key).map_err(|flaw| vec![flaw])?;
        let doubts = pair.doubts(files, now);
        Ok((pair, doubts))
    }

    fn of(
        files: &Files,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Flaw> {
        let path = files.certificate.display();
        let unreadable = || {
            Flaw::error(
                About::Certificate,
                format!("the first certificate in {path} can't be read"),
                format!("see what is wrong with it: openssl x509 -in {path} -noout -text"),
            )
        };
        let facts = x509::read(&chain[0]).ok_or_else(unreadable)?;
        let parsed = EndEntityCert::try_from(&chain[0]).map_err(|_| unreadable())?;
        let names = parsed
            .valid_dns_names()
            .map(str::to_ascii_lowercase)
            .collect();
        let key = provider().key_provider.load_private_key(key).map_err(|_| {
            let path = files.key.display();
            Flaw::error(
                About::Key,
                format!("the key {path} is of a kind that can't be used"),
                "use RSA of at least 2048 bits, ECDSA on P-256 or P-384, or Ed25519",
            )
        })?;
        let certified = CertifiedKey::new(chain, key);
        if let Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) = certified.keys_match()
        {
            return Err(mismatch(files, &certified));
        }
        Ok(Self {
            names,
            not_before: facts.not_before,
            not_after: facts.not_after,
            certified: Arc::new(certified),
        })
    }

    /// What does not keep it from being served.
    fn doubts(&self, files: &Files, now: WallTime) -> Vec<Flaw> {
        let path = files.certificate.display();
        let mut flaws = Vec::new();
        if self.not_after < now {
            flaws.push(Flaw::warning(
                About::Certificate,
                format!(
                    "the certificate {path} expired {} ago, at {}: it is refused",
                    days(now, self.not_after),
                    self.not_after
                ),
                "renew it; it is used until then",
            ));
        }
        if self.not_before > now {
            flaws.push(Flaw::warning(
                About::Certificate,
                format!(
                    "the certificate {path} is not valid before {}: it is refused",
                    self.not_before
                ),
                "use the one before it until then, or correct this machine's clock",
            ));
        }
        if let Some(at) = misplaced(&self.certified.cert) {
            flaws.push(Flaw::warning(
                About::Certificate,
                format!(
                    "certificate {at} in {path} did not issue the one before it: some clients \
                     can't follow the chain"
                ),
                "put the server's own certificate first, then its issuer, then the issuer's",
            ));
        }
        let mode = std::fs::metadata(&files.key).map_or(0, |file| file.permissions().mode());
        if mode & 0o004 != 0 {
            let path = files.key.display();
            flaws.push(Flaw::warning(
                About::Key,
                format!("everyone on this machine may read the key {path}"),
                format!("chmod 600 {path}, or 640 with a group of its own"),
            ));
        }
        flaws
    }
}

/// How far `later` is from `earlier`, to the day where that is enough.
pub(super) fn days(later: WallTime, earlier: WallTime) -> String {
    const DAY_MS: u64 = 24 * 3_600_000;
    match later.0.saturating_sub(earlier.0) {
        short @ 0..DAY_MS => format_duration(Duration::from_secs(short / 1000)),
        long if long < 2 * DAY_MS => "1 day".to_owned(),
        long => format!("{} days", long / DAY_MS),
    }
}

/// The place, from 1, of the first certificate that did not issue the one before it.
fn misplaced(chain: &[CertificateDer<'_>]) -> Option<usize> {
    let facts: Vec<_> = chain.iter().map(|der| x509::read(der)).collect();
    let fits = |two: &[Option<x509::Facts>]| match two {
        [Some(one), Some(next)] => one.issuer == next.subject,
        _ => false,
    };
    facts.windows(2).position(|two| !fits(two)).map(|at| at + 2)
}

fn mismatch(files: &Files, certified: &CertifiedKey) -> Flaw {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let owns = |der: &CertificateDer<'static>| {
        CertifiedKey::new(vec![der.clone()], certified.key.clone())
            .keys_match()
            .is_ok()
    };
    match certified.cert.iter().position(owns) {
        Some(at) => Flaw::error(
            About::Certificate,
            format!(
                "the key {key} belongs to certificate {} in {certificate}",
                at + 1
            ),
            "put the server's own certificate first, then its issuer, then the issuer's",
        ),
        None => Flaw::error(
            About::Key,
            format!("the key {key} does not match the certificate {certificate}"),
            "name the key that the certificate was requested with; renewing may have replaced only \
             one of the two files",
        ),
    }
}

#[cfg(test)]
mod tests;
