//! TLS of one entry of `listen`: what handshakes follow, replaced as a whole.

use std::{
    fmt, io,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{
    certificates::Certificates,
    pair::Pair,
    pass::Pass,
    provider, roots,
    shown::Shown,
    spec::{About, Clients, DEFECT, Flaw, Told},
    stream::{BUFFER_MAX, Stream},
};

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 or older.
    Http1,
    /// HTTP/2, as was agreed in a handshake or its client knew before (RFC 9113 section 3).
    Http2,
}

/// By what names a handshake agrees on it (RFC 7301), the best first. Who agrees on nothing speaks
/// HTTP/1.1.
const ALPN: [(Protocol, &[u8]); 2] = [(Protocol::Http2, b"h2"), (Protocol::Http1, b"http/1.1")];

impl Protocol {
    pub(super) fn agreed(name: Option<&[u8]>) -> Self {
        let known = ALPN.iter().find(|(_, alpn)| Some(*alpn) == name);
        known.map_or(Self::Http1, |(protocol, _)| *protocol)
    }
}

/// What handshakes follow, complete and checked.
pub struct Made {
    config: Arc<ServerConfig>,
    /// The client certificates' roots, as they were read, and whether one is required.
    clients: Option<(Vec<u8>, bool)>,
    /// In which fields the worker is told of them.
    tell: Vec<Told>,
}

impl Made {
    /// Of pairs, at least one, of which the first serves clients that ask for no known name.
    ///
    /// # Errors
    /// When the certificates of `clients` can't be used.
    pub fn new(pairs: &[Pair], clients: Option<&Clients>) -> Result<Self, Flaw> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Flaw::error(About::Certificate, error.to_string(), DEFECT))?;
        let tell = clients.map_or_else(Vec::new, |clients| clients.tell.clone());
        let (builder, clients) = match clients {
            None => (builder.with_no_client_auth(), None),
            Some(clients) => {
                let (text, store) = roots::of_file(&clients.roots)?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider());
                let verifier = match clients.required {
                    true => verifier,
                    false => verifier.allow_unauthenticated(),
                };
                let verifier = verifier
                    .build()
                    .map_err(|error| Flaw::error(About::Roots, error.to_string(), DEFECT))?;
                let builder = builder.with_client_cert_verifier(verifier);
                (builder, Some((text, clients.required)))
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(Certificates::new(pairs)));
        config.alpn_protocols = ALPN.iter().map(|(_, name)| name.to_vec()).collect();
        // Tickets resume sessions on every data thread; nothing is kept for clients that left. Keys
        // of tickets are replaced every six hours.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer =
            Ticketer::new().map_err(|error| Flaw::error(About::Key, error.to_string(), DEFECT))?;
        config.ignore_client_order = true;
        Ok(Self {
            config: Arc::new(config),
            clients,
            tell,
        })
    }
}

/// TLS of one entry of `listen`.
pub struct Front(RwLock<Made>);

impl Front {
    /// With what its first handshakes follow.
    #[must_use]
    pub fn new(made: Made) -> Self {
        Self(RwLock::new(made))
    }

    /// Replaces what handshakes follow from now on. Live connections go on as they are; sessions
    /// can be resumed, unless other clients are let in than before.
    pub fn set(&self, mut made: Made) {
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if now.clients == made.clients {
            Arc::make_mut(&mut made.config).ticketer = now.config.ticketer.clone();
        }
        *now = made;
    }

    /// Shakes hands with a client. The caller bounds the time.
    ///
    /// # Errors
    /// When the client leaves, does not speak TLS, or can't agree with us.
    pub async fn handshake(&self, stream: TcpStream) -> io::Result<Stream> {
        let acceptor = TlsAcceptor::from(self.config());
        let accepting =
            acceptor.accept_with(stream, |session| session.set_buffer_limit(Some(BUFFER_MAX)));
        // Large, and gone after the handshake.
        Ok(Pass(Box::pin(accepting).await?))
    }

    /// What a client that has shaken hands has shown; `None`: clients are not asked.
    #[must_use]
    pub fn shown(&self, stream: &Stream) -> Option<Shown> {
        let made = self.0.read().unwrap_or_else(PoisonError::into_inner);
        made.clients.as_ref()?;
        let shown = stream.0.get_ref().1.peer_certificates();
        Some(Shown::of(shown.unwrap_or_default(), &made.tell))
    }

    fn config(&self) -> Arc<ServerConfig> {
        let made = self.0.read().unwrap_or_else(PoisonError::into_inner);
        made.config.clone()
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Front")
    }
}
