//! The certificates that others are verified by.

use std::path::Path;

use rustls::RootCertStore;

use super::{
    pem,
    spec::{About, Flaw},
};

/// Those of a file, as they were and as they are used.
pub(super) fn of_file(path: &Path) -> Result<(Vec<u8>, RootCertStore), Flaw> {
    let text = pem::file(path, About::Roots)?;
    let mut store = RootCertStore::empty();
    for certificate in pem::certificates(path, &text, About::Roots)? {
        store.add(certificate).map_err(|error| {
            Flaw::error(
                About::Roots,
                format!(
                    "a certificate in {} can't be a root: {error}",
                    path.display()
                ),
                "name the PEM file of the authority that issues the certificates",
            )
        })?;
    }
    Ok((text, store))
}

/// Those that this machine trusts: what its administrator has installed, rather than a list that
/// ages with our release. `SSL_CERT_FILE` and `SSL_CERT_DIR` name another place.
pub(super) fn of_this_machine() -> Result<RootCertStore, Flaw> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // Some of what machines trust is too old to be used; the rest will do.
    let (usable, _) = store.add_parsable_certificates(found.certs);
    if usable == 0 {
        let why = found
            .errors
            .first()
            .map_or_else(String::new, |error| format!(": {error}"));
        return Err(Flaw::error(
            About::Roots,
            format!("this machine has no certificates of authorities{why}"),
            "name the PEM file of the worker's authority: worker.tls.roots = \"ca.pem\"; or \
             install the package ca-certificates",
        ));
    }
    Ok(store)
}
