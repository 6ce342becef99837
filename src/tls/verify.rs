//! Looks at a worker's certificate, and notes what the handshake came to see of it.

use std::{cell::RefCell, fmt, future::poll_fn, mem::take, pin::pin, sync::Arc, time::Duration};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        ResolvesClientCert, VerifierBuilderError, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
    sign::CertifiedKey,
};

use super::{
    provider,
    x509::{self, Facts},
};

/// What a handshake came to see of the worker.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// It asked for a certificate of ours.
    pub(super) asked: bool,
    /// Its own one.
    pub(super) certificate: Option<Facts>,
}

thread_local! {
    /// Of the handshake that is being polled.
    static SEEN: RefCell<Seen> = RefCell::default();
}

/// Polls a handshake to its end, with what it came to see.
pub(super) async fn watched<F: Future>(handshake: F) -> (F::Output, Seen) {
    let (mut handshake, mut seen) = (pin!(handshake), Seen::default());
    poll_fn(|cx| {
        // Others go on beside it on this thread.
        SEEN.set(take(&mut seen));
        let polled = handshake.as_mut().poll(cx);
        seen = SEEN.take();
        polled.map(|output| (output, take(&mut seen)))
    })
    .await
}

/// What the worker is shown when it asks.
#[derive(Debug)]
pub(super) struct Own(pub(super) Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        SEEN.with_borrow_mut(|seen| seen.asked = true);
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// Verifies the worker's certificate.
pub(super) struct Verifier {
    roots: Arc<WebPkiServerVerifier>,
    /// Those that may be the worker's own: who trusts a self-signed certificate means itself,
    /// though most tools mark it as an authority's.
    known: Vec<CertificateDer<'static>>,
}

impl Verifier {
    pub(super) fn new(
        roots: RootCertStore,
        known: Vec<CertificateDer<'static>>,
    ) -> Result<Self, VerifierBuilderError> {
        let roots = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        Ok(Self {
            roots: roots.build()?,
            known,
        })
    }

    /// Whether one that is trusted by itself is valid now, and for this name.
    fn is_in_force(
        certificate: &CertificateDer<'_>,
        facts: &Facts,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let at = |ms: u64| UnixTime::since_unix_epoch(Duration::from_millis(ms));
        let (begin, end) = (at(facts.not_before.0), at(facts.not_after.0));
        if now < begin {
            return Err(CertificateError::NotValidYetContext {
                time: now,
                not_before: begin,
            }
            .into());
        }
        if now > end {
            return Err(CertificateError::ExpiredContext {
                time: now,
                not_after: end,
            }
            .into());
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let facts = x509::read(certificate);
        SEEN.with_borrow_mut(|seen| seen.certificate.clone_from(&facts));
        if let Some(facts) = &facts
            && self.known.contains(certificate)
        {
            Self::is_in_force(certificate, facts, name, now)?;
            return Ok(ServerCertVerified::assertion());
        }
        let verified = (self.roots).verify_server_cert(certificate, between, name, ocsp, now);
        verified.map_err(|error| match (&error, facts) {
            // What it is marked as does not matter: nobody trusts it.
            (Error::InvalidCertificate(CertificateError::Other(other)), Some(facts))
                if facts.is_its_own_issuer() && is_of_an_authority(other) =>
            {
                CertificateError::UnknownIssuer.into()
            }
            // An authority of the same name that has another key is another one.
            (Error::InvalidCertificate(CertificateError::BadSignature), _) => {
                CertificateError::UnknownIssuer.into()
            }
            _ => error,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.roots
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.roots
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.roots.supported_verify_schemes()
    }
}

fn is_of_an_authority(other: &rustls::OtherError) -> bool {
    matches!(
        other.0.downcast_ref(),
        Some(webpki::Error::CaUsedAsEndEntity)
    )
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

/// Takes any certificate: `verify = false`. Whoever shows it must have its key all the same.
#[derive(Debug)]
pub(super) struct Blind(Arc<CryptoProvider>);

impl Blind {
    pub(super) fn new() -> Self {
        Self(provider())
    }
}

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
