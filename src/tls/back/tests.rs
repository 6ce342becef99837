//! Handshakes with workers of every kind, over a pipe.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::{
    HandshakeKind, RootCertStore, ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::tls::{spec::Files, testing::World};

const LONG: (i32, i32) = (2020, 2090);
const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const OLDER: &[&SupportedProtocolVersion] = &[&TLS12];
const NEWER: &[&SupportedProtocolVersion] = &[&TLS13];

/// What a worker has, and does.
struct Worker {
    certificate: String,
    key: String,
    alpn: &'static [&'static [u8]],
    /// Whose certificates it wants to see.
    wants: Option<RootCertStore>,
    versions: &'static [&'static SupportedProtocolVersion],
}

impl Worker {
    fn with((certificate, key): (String, String)) -> Self {
        Self {
            certificate,
            key,
            alpn: &[],
            wants: None,
            versions: BOTH,
        }
    }

    fn config(&self) -> Arc<ServerConfig> {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes());
        let chain = chain.map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(self.versions)
            .unwrap();
        let builder = match &self.wants {
            None => builder.with_no_client_auth(),
            Some(roots) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider())
                    .build()
                    .unwrap(),
            ),
        };
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

/// That trusts the world's authority.
fn trusting(world: &World) -> Behind {
    let path = world.at("ca.pem");
    fs::write(&path, world.issuer.pem()).unwrap();
    Behind {
        roots: Some(path),
        ..Behind::default()
    }
}

fn back(asked: Behind, http2: bool) -> Back {
    let own = asked.own.as_ref();
    let own = own.map(|files| Pair::read(files, crate::tls::testing::NOW).unwrap().0);
    let made = Made::new(&asked, own.as_ref(), http2).unwrap();
    Back::new(asked, http2, made).unwrap()
}

/// Shakes hands; then the worker says "hi", if it still may.
async fn meet(back: &Back, config: Arc<ServerConfig>) -> Result<Secured<DuplexStream>, Unmade> {
    let (ours, theirs) = duplex(64 * 1024);
    let serving = async {
        let mut stream = TlsAcceptor::from(config).accept(theirs).await?;
        stream.write_all(b"hi").await?;
        stream.shutdown().await
    };
    let (shaken, served) = tokio::join!(back.handshake(ours), serving);
    drop(served);
    shaken
}

async fn failed(back: &Back, worker: &Worker) -> Failed {
    match meet(back, worker.config()).await {
        Ok(_) => panic!("it was agreed on"),
        Err(Unmade::Tls(failed)) => failed,
        Err(Unmade::Lost(error)) => panic!("it ended: {error}"),
    }
}

async fn said(secured: &mut Secured<DuplexStream>) -> io::Result<String> {
    let mut text = String::new();
    secured.read_to_string(&mut text).await.map(|_| text)
}

/// A certificate made by hand, for localhost, and its key.
fn made(world: &World, shape: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    shape(&mut params);
    let made = params.signed_by(&key, &world.issuer).unwrap();
    (made.pem(), key.serialize_pem())
}

/// As `openssl req -x509` makes one.
fn self_signed(names: &[&str], years: (i32, i32)) -> (String, String) {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let key = KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    (made.pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_worker_whose_certificate_is_right_is_spoken_to_in_both_versions() {
    let world = World::new();
    let mut worker = Worker::with(world.issue("localhost", LONG));
    let back = back(trusting(&world), false);
    for versions in [OLDER, NEWER] {
        worker.versions = versions;
        let mut secured = meet(&back, worker.config()).await.unwrap();
        assert_eq!(said(&mut secured).await.unwrap(), "hi");
    }
}

#[tokio::test]
async fn sessions_are_resumed_and_forgotten_with_what_they_followed() {
    let world = World::new();
    let worker = Worker::with(world.issue("localhost", LONG)).config();
    let asked = trusting(&world);
    let back = back(asked.clone(), false);
    let kind = async |back: &Back| {
        let mut secured = meet(back, worker.clone()).await.unwrap();
        said(&mut secured).await.unwrap();
        secured.0.get_ref().1.handshake_kind().unwrap()
    };
    assert_eq!(kind(&back).await, HandshakeKind::Full);
    assert_eq!(kind(&back).await, HandshakeKind::Resumed);
    back.set(Made::new(&asked, None, false).unwrap());
    assert_eq!(kind(&back).await, HandshakeKind::Full);
}

#[tokio::test]
async fn each_flaw_of_a_certificate_has_its_own_name_and_a_cure() {
    let world = World::new();
    let back = back(trusting(&world), false);
    let issued = |name, years| Worker::with(world.issue(name, years));
    let only_for_clients = made(&world, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let an_authority = made(&world, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let other = World::new();
    let cases = [
        (
            issued("localhost", (2020, 2021)),
            Fault::Expired,
            "its certificate expired ",
        ),
        (
            issued("localhost", (2090, 2095)),
            Fault::NotYetValid,
            "its certificate is not valid before 2090-01-01",
        ),
        (
            Worker::with(other.issue("localhost", LONG)),
            Fault::UnknownIssuer,
            "its certificate, issued by \"Authority\", does not lead to worker.tls.roots (ca.pem): \
             set worker.tls.roots",
        ),
        (
            Worker::with(self_signed(&["localhost"], LONG)),
            Fault::UnknownIssuer,
            "its certificate is self-signed and not in worker.tls.roots (ca.pem): set \
             worker.tls.roots to a file of that certificate",
        ),
        (
            issued("shop.local", LONG),
            Fault::WrongName,
            "its certificate is for shop.local, not for localhost: set worker.tls.name = \
             \"shop.local\"",
        ),
        (
            issued("*.shop.local", LONG),
            Fault::WrongName,
            "its certificate is for *.shop.local, not for localhost: set worker.tls.name to a name \
             below shop.local",
        ),
        (
            issued("127.0.0.1", LONG),
            Fault::WrongName,
            "its certificate is for 127.0.0.1, not for localhost",
        ),
        (
            Worker::with(only_for_clients),
            Fault::Unsuitable,
            "its certificate is not for servers",
        ),
        (
            Worker::with(an_authority),
            Fault::Unsuitable,
            "its certificate can't be used (",
        ),
    ];
    for (worker, fault, why) in cases {
        let failed = failed(&back, &worker).await;
        assert_eq!(failed.fault, fault, "{failed}");
        assert!(failed.why.starts_with(why), "{failed}");
    }
}

#[tokio::test]
async fn a_certificate_is_for_the_name_that_was_told() {
    let world = World::new();
    for name in ["shop.local", "127.0.0.1"] {
        let worker = Worker::with(world.issue(name, LONG));
        let asked = Behind {
            name: name.to_owned(),
            ..trusting(&world)
        };
        meet(&back(asked, false), worker.config()).await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_is_itself_trusted_needs_no_authority_but_its_time_and_name() {
    let world = World::new();
    let trusting = |worker: &Worker| {
        let path = world.at("own.pem");
        fs::write(&path, &worker.certificate).unwrap();
        let asked = Behind {
            roots: Some(path),
            ..Behind::default()
        };
        back(asked, false)
    };
    let worker = Worker::with(self_signed(&["localhost"], LONG));
    meet(&trusting(&worker), worker.config()).await.unwrap();
    let cases = [
        (self_signed(&["localhost"], (2020, 2021)), Fault::Expired),
        (
            self_signed(&["localhost"], (2090, 2095)),
            Fault::NotYetValid,
        ),
        (self_signed(&["shop.local"], LONG), Fault::WrongName),
    ];
    for (pair, fault) in cases {
        let worker = Worker::with(pair);
        let failed = failed(&trusting(&worker), &worker).await;
        assert_eq!(failed.fault, fault, "{failed}");
    }
    // The same name with another key is another certificate.
    let impostor = Worker::with(self_signed(&["localhost"], LONG));
    let failed = failed(&trusting(&worker), &impostor).await;
    assert_eq!(failed.fault, Fault::UnknownIssuer, "{failed}");
}

#[tokio::test]
async fn who_is_not_to_be_verified_is_taken_as_it_comes() {
    let asked = Behind {
        verify: false,
        ..Behind::default()
    };
    let worker = Worker::with(self_signed(&["shop.local"], (2020, 2021)));
    meet(&back(asked, false), worker.config()).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_wants_our_certificate_gets_it_or_says_why_not() {
    let world = World::new();
    let mut roots = RootCertStore::empty();
    roots.add(world.issuer.der().clone()).unwrap();
    let mut worker = Worker::with(world.issue("localhost", LONG));
    worker.wants = Some(roots);
    let (certificate, key) = world.issue("client", LONG);
    let own = world.write(&certificate, &key);
    let asked = Behind {
        own: Some(own),
        ..trusting(&world)
    };
    let mut secured = meet(&back(asked, false), worker.config()).await.unwrap();
    assert_eq!(said(&mut secured).await.unwrap(), "hi");
    // In TLS 1.3 it is told after the handshake, in 1.2 within it.
    let none = back(trusting(&world), false);
    let mut secured = meet(&none, worker.config()).await.unwrap();
    let late = Failed::within(&said(&mut secured).await.unwrap_err()).unwrap();
    worker.versions = OLDER;
    let early = failed(&none, &worker).await;
    for failed in [late, early] {
        assert_eq!(failed.fault, Fault::Refused);
        assert!(
            failed
                .why
                .starts_with("it wants a certificate of autoheal's"),
            "{failed}"
        );
    }
    let other = World::new();
    let (certificate, key) = other.issue("client", LONG);
    let asked = Behind {
        own: Some(other.write(&certificate, &key)),
        ..trusting(&world)
    };
    let failed = failed(&back(asked, false), &worker).await;
    assert_eq!(failed.fault, Fault::Refused, "{failed}");
    assert!(failed.why.contains("does not accept"), "{failed}");
}

#[tokio::test]
async fn the_version_of_http_is_agreed_on() {
    let world = World::new();
    let mut worker = Worker::with(world.issue("localhost", LONG));
    let cases: [(&'static [&'static [u8]], bool, bool); 6] = [
        (&[b"h2", b"http/1.1"], true, true),
        (&[b"h2", b"http/1.1"], false, true),
        (&[b"http/1.1"], true, false),
        (&[b"h2"], false, false),
        // Who knows nothing of it speaks HTTP/1.1.
        (&[], false, true),
        (&[], true, false),
    ];
    for (alpn, http2, agrees) in cases {
        worker.alpn = alpn;
        let back = back(trusting(&world), http2);
        match meet(&back, worker.config()).await {
            Ok(_) => assert!(agrees, "{alpn:?} {http2}"),
            Err(Unmade::Tls(failed)) => {
                assert_eq!(
                    (failed.fault, agrees),
                    (Fault::OtherHttp, false),
                    "{failed}"
                );
            }
            Err(Unmade::Lost(error)) => panic!("it ended: {error}"),
        }
    }
}

#[test]
fn a_failure_is_news_once_a_minute() {
    let asked = Behind {
        verify: false,
        ..Behind::default()
    };
    let back = back(asked, false);
    let at = |seconds| MonoTime::ZERO + Duration::from_secs(seconds);
    assert!(back.is_news(Fault::Expired, at(1)));
    assert!(!back.is_news(Fault::Expired, at(60)));
    assert!(back.is_news(Fault::WrongName, at(60)));
    assert!(back.is_news(Fault::Expired, at(61)));
    assert!(back.is_news(Fault::Expired, at(121)));
}

#[test]
fn a_name_that_is_none_is_refused() {
    let asked = Behind {
        name: "shop local".to_owned(),
        verify: false,
        ..Behind::default()
    };
    let made = Made::new(&asked, None, false).unwrap();
    assert!(Back::new(asked, false, made).is_err());
}

#[test]
fn roots_that_are_not_there_are_told() {
    let asked = Behind {
        roots: Some("/nowhere.pem".into()),
        own: Some(Files {
            certificate: "/nowhere".into(),
            key: "/nowhere".into(),
        }),
        ..Behind::default()
    };
    let flaw = Made::new(&asked, None, false).err().unwrap();
    assert!(
        flaw.fatal && flaw.what.contains("no file /nowhere.pem"),
        "{flaw}"
    );
}
