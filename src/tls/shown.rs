//! What a client's certificate tells the worker and the access log.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;

use super::{spec::Told, x509};

/// A longer chain, in bytes of its field, is not told with every request.
const CHAIN_MAX: usize = 16 * 1024;

/// What a client that was asked for a certificate has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// What the worker is told; empty: nothing was shown, or nothing is to be told.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// Whose certificate it is (RFC 4514); `None`: none was shown.
    pub subject: Option<String>,
}

impl Shown {
    /// Of a client's certificate, with those that it sent after it, if it showed one. The handshake
    /// has verified it.
    pub(super) fn of(shown: &[CertificateDer<'_>], tell: &[Told]) -> Self {
        let Some((own, others)) = shown.split_first() else {
            return Self::default();
        };
        let value = |told: &Told| match told {
            Told::Certificate => Some(bytes(own)),
            Told::Chain => chain(others),
            Told::Azure => Some(STANDARD.encode(own)),
        };
        let field = |told: &Told| {
            let value = HeaderValue::from_str(&value(told)?).ok()?;
            Some((HeaderName::from_static(told.name()), value))
        };
        Self {
            fields: tell.iter().filter_map(field).collect(),
            subject: x509::read(own).and_then(|facts| x509::written(&facts.subject)),
        }
    }
}

/// RFC 9440 section 2.3: each of them, in the order of the handshake.
fn chain(others: &[CertificateDer<'_>]) -> Option<String> {
    let all: Vec<_> = others.iter().map(|one| bytes(one)).collect();
    let all = all.join(", ");
    (!all.is_empty() && all.len() <= CHAIN_MAX).then_some(all)
}

/// A byte sequence of a structured field (RFC 8941 section 3.3.5).
fn bytes(der: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_told_as_rfc_9440_and_azure_write_them() {
        let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        let own = made.cert.der().clone();
        let junk = |length| CertificateDer::from(vec![7; length]);
        let text = STANDARD.encode(&own);
        let told = |chain: &[CertificateDer<'_>], tell: &[Told]| {
            let shown = Shown::of(chain, tell);
            let fields = shown.fields.into_iter();
            let fields = fields.map(|(name, value)| {
                let value = value.to_str().unwrap().to_owned();
                (name.as_str().to_owned(), value)
            });
            (fields.collect::<Vec<_>>(), shown.subject)
        };
        let (fields, subject) = told(&[own.clone(), junk(1), junk(2)], &Told::ALL);
        let wanted = [
            ("client-cert", format!(":{text}:")),
            ("client-cert-chain", ":Bw==:, :Bwc=:".to_owned()),
            ("x-arr-clientcert", text),
        ];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(fields, wanted);
        assert_eq!(subject.as_deref(), Some("CN=rcgen self signed cert"));
        assert!(
            told(std::slice::from_ref(&own), &[Told::Chain])
                .0
                .is_empty()
        );
        assert!(
            told(&[own.clone(), junk(60_000)], &[Told::Chain])
                .0
                .is_empty()
        );
        assert_eq!(told(&[own], &[]).0, []);
        assert_eq!(told(&[], &Told::ALL), (Vec::new(), None));
        assert_eq!(told(&[junk(9)], &[]), (Vec::new(), None), "no certificate");
    }
}
