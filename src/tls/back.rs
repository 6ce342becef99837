//! TLS with the worker: what handshakes follow, replaced as a whole, and the connection that comes
//! of one.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use rustls::{ClientConfig, client::danger::ServerCertVerifier, pki_types::ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    fault::{Failed, Fault, judge, other_http},
    pair::Pair,
    pass::Pass,
    pem, provider, roots,
    spec::{About, Behind, DEFECT, Flaw},
    stream::BUFFER_MAX,
    verify::{Blind, Own, Verifier, watched},
};
use crate::{time::MonoTime, words::Protocol};

/// How a worker is spoken to.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// What is spoken.
    pub protocol: Protocol,
    /// TLS, if the protocol is spoken in TLS.
    pub tls: Option<Arc<Back>>,
}

impl Manner {
    /// Without TLS.
    #[must_use]
    pub fn plain(protocol: Protocol) -> Self {
        Self {
            protocol,
            tls: None,
        }
    }
}

/// What handshakes follow, complete and checked.
pub struct Made(Arc<ClientConfig>);

impl Made {
    /// As it is asked for; `own` is the pair that the worker is shown.
    ///
    /// # Errors
    /// When roots can't be used.
    pub fn new(asked: &Behind, own: Option<&Pair>, http2: bool) -> Result<Self, Flaw> {
        let verifier: Arc<dyn ServerCertVerifier> = match (asked.verify, &asked.roots) {
            (false, _) => Arc::new(Blind::new()),
            (true, None) => verifier(roots::of_this_machine()?, Vec::new())?,
            (true, Some(path)) => {
                let (text, store) = roots::of_file(path)?;
                verifier(store, pem::certificates(path, &text, About::Roots)?)?
            }
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Flaw::error(About::Certificate, error.to_string(), DEFECT))?;
        let own = Own(own.map(|pair| pair.certified.clone()));
        // Sessions are resumed: a store of them comes with it.
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(own));
        config.alpn_protocols = vec![alpn(http2).to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

fn verifier(
    store: rustls::RootCertStore,
    known: Vec<rustls::pki_types::CertificateDer<'static>>,
) -> Result<Arc<dyn ServerCertVerifier>, Flaw> {
    let verifier = Verifier::new(store, known);
    let flaw = |error: rustls::client::VerifierBuilderError| {
        Flaw::error(About::Roots, error.to_string(), DEFECT)
    };
    Ok(Arc::new(verifier.map_err(flaw)?))
}

fn alpn(http2: bool) -> &'static [u8] {
    match http2 {
        true => b"h2",
        false => b"http/1.1",
    }
}

/// TLS with a worker.
pub struct Back {
    asked: Behind,
    name: ServerName<'static>,
    http2: bool,
    config: RwLock<Arc<ClientConfig>>,
    /// What was said last of its failures, and when.
    said: Mutex<Option<(Fault, MonoTime)>>,
}

/// For so long the same failure is no news.
const QUIET: Duration = Duration::from_secs(60);

/// How a handshake failed.
#[derive(Debug)]
pub enum Unmade {
    /// The connection under it failed or ended.
    Lost(io::Error),
    /// TLS did.
    Tls(Failed),
}

impl Back {
    /// With what its first handshakes follow.
    ///
    /// # Errors
    /// When the name is none.
    pub fn new(asked: Behind, http2: bool, made: Made) -> Result<Self, Flaw> {
        let name = ServerName::try_from(asked.name.clone()).map_err(|error| {
            Flaw::error(
                About::Roots,
                format!("\"{}\" can't be the name of a host: {error}", asked.name),
                "set worker.tls.name to a DNS name or an IP address",
            )
        })?;
        Ok(Self {
            asked,
            name,
            http2,
            config: RwLock::new(made.0),
            said: Mutex::default(),
        })
    }

    /// What it was made of.
    #[must_use]
    pub fn asked(&self) -> &Behind {
        &self.asked
    }

    /// Whether it is for HTTP/2.
    #[must_use]
    pub fn is_http2(&self) -> bool {
        self.http2
    }

    /// Replaces what handshakes follow from now on. Live connections go on as they are.
    pub fn set(&self, made: Made) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = made.0;
    }

    /// Whether a failure that happens now should be said, since it has not been for a while.
    pub fn is_news(&self, fault: Fault, now: MonoTime) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = said.is_none_or(|(last, at)| last != fault || now.since(at) >= QUIET);
        if is_news {
            *said = Some((fault, now));
        }
        is_news
    }

    /// Shakes hands with a worker. The caller bounds the time.
    ///
    /// # Errors
    /// When the worker leaves, or TLS can't be agreed on with it.
    pub async fn handshake<S>(&self, stream: S) -> Result<Secured<S>, Unmade>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let connector = TlsConnector::from(self.config());
        let limit = |session: &mut rustls::ClientConnection| {
            session.set_buffer_limit(Some(BUFFER_MAX));
        };
        let shaking = connector.connect_with(self.name.clone(), stream, limit);
        // Large, and gone after the handshake.
        let (shaken, seen) = watched(Box::pin(shaking)).await;
        let stream = shaken.map_err(|error| {
            let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
            match tls {
                Some(tls) => Unmade::Tls(judge(tls, &seen, &self.asked)),
                None => Unmade::Lost(error),
            }
        })?;
        // Who speaks HTTP/1.1 may agree on nothing.
        let agreed = stream.get_ref().1.alpn_protocol();
        if self.http2 && agreed != Some(alpn(true)) {
            return Err(Unmade::Tls(other_http(&self.asked)));
        }
        Ok(Pass(stream))
    }

    fn config(&self) -> Arc<ClientConfig> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        config.clone()
    }
}

impl fmt::Debug for Back {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLS with {}", self.asked.name)
    }
}

/// A worker's TLS connection.
pub type Secured<S> = Pass<TlsStream<S>>;

impl<S> Secured<S> {
    /// The connection under it.
    pub fn get_ref(&self) -> &S {
        self.0.get_ref().0
    }
}

#[cfg(test)]
mod tests;
