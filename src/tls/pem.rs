//! Reads certificates and keys out of PEM text, and says what is there instead.

use std::{io, path::Path};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error, PemObject},
};

use super::spec::{About, Flaw};

/// No file of certificates or keys is as long.
const LONGEST: u64 = 1024 * 1024;

/// Reads a file as it is.
pub(super) fn file(path: &Path, about: About) -> Result<Vec<u8>, Flaw> {
    let read = || match std::fs::metadata(path)?.len() {
        0..=LONGEST => std::fs::read(path),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    };
    read().map_err(|error| {
        let path = path.display();
        let (what, cure) = match error.kind() {
            io::ErrorKind::NotFound => (
                format!("there is no file {path}"),
                "correct the path; relative ones start at the folder of the configuration",
            ),
            io::ErrorKind::PermissionDenied => (
                format!("{path} may not be read"),
                "let autoheal's user read it, and nobody else: chown and chmod 600",
            ),
            io::ErrorKind::FileTooLarge => (
                format!("{path} is larger than 1 MiB"),
                "name the PEM file of this certificate or key alone",
            ),
            _ => (
                format!("{path} can't be read: {error}"),
                "name a PEM file that can be read",
            ),
        };
        Flaw::error(about, what, cure)
    })
}

/// Every certificate of a file, in its order; at least one.
pub(super) fn certificates(
    path: &Path,
    text: &[u8],
    about: About,
) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(missing(path, text, about, "certificate", "x509")),
        Err(error) => Err(damaged(path, &error, about)),
    }
}

/// The private key of a file, in PKCS#8, PKCS#1 or SEC1.
pub(super) fn key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, Flaw> {
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) if !has(text, "Proc-Type: 4,ENCRYPTED") => Ok(key),
        Ok(_) | Err(Error::NoItemsFound | Error::Base64Decode(_)) if has(text, "ENCRYPTED") => {
            let path = path.display();
            Err(Flaw::error(
                About::Key,
                format!("the key {path} is encrypted, and nobody is there to type its passphrase"),
                format!("decrypt it: openssl pkey -in {path} -out NEW; chmod 600 NEW"),
            ))
        }
        Err(Error::NoItemsFound) => Err(missing(path, text, About::Key, "private key", "pkey")),
        Ok(_) => Err(missing(path, text, About::Key, "private key", "pkey")),
        Err(error) => Err(damaged(path, &error, About::Key)),
    }
}

fn missing(path: &Path, text: &[u8], about: About, wanted: &str, tool: &str) -> Flaw {
    let path = path.display();
    let there = [
        ("BEGIN CERTIFICATE REQUEST", "a certificate request"),
        ("BEGIN CERTIFICATE", "a certificate"),
        ("PRIVATE KEY", "a private key"),
        ("PUBLIC KEY", "a public key"),
    ];
    let there = there.iter().find(|(marker, _)| has(text, marker));
    match there {
        Some((_, there)) => Flaw::error(
            about,
            format!("{path} has {there}, but no {wanted}"),
            format!("name the PEM file of the {wanted}"),
        ),
        // Every DER structure begins so.
        None if text.first() == Some(&0x30) => Flaw::error(
            about,
            format!("{path} is DER, not PEM"),
            format!("convert it: openssl {tool} -inform der -in {path} -out NEW"),
        ),
        None => Flaw::error(
            about,
            format!("{path} is not PEM"),
            format!("name a file in which a {wanted} stands between -----BEGIN and -----END lines"),
        ),
    }
}

fn damaged(path: &Path, error: &Error, about: About) -> Flaw {
    let why = match error {
        Error::MissingSectionEnd { .. } => "a -----BEGIN line has no -----END line",
        Error::IllegalSectionStart { .. } => "a -----BEGIN line is broken",
        Error::Base64Decode(_) => "what stands between its lines is not Base64",
        _ => "it is broken",
    };
    Flaw::error(
        about,
        format!("{} is damaged: {why}", path.display()),
        "get the file again from where it came",
    )
}

fn has(text: &[u8], marker: &str) -> bool {
    text.windows(marker.len())
        .any(|part| part == marker.as_bytes())
}
