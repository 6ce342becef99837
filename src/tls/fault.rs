//! How TLS with a worker fails: which way, for programs, and why, for people.

use std::{error::Error, fmt, io, path::Path};

use rustls::{
    AlertDescription, CertificateError, Error as TlsError, ExtendedKeyPurpose, InvalidMessage,
    pki_types::UnixTime,
};

use super::{pair::days, spec::Behind, verify::Seen};
use crate::{explain::code::Code, time::WallTime, words::one_line};

/// Which way it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The worker's certificate is no longer valid.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It does not lead to a certificate that is trusted.
    UnknownIssuer,
    /// It is for other names.
    WrongName,
    /// It can't be used for another reason.
    Unsuitable,
    /// The worker ended the handshake: as a rule it wants a certificate of ours, or another one.
    Refused,
    /// No version of TLS, cipher or signature is known to both.
    NothingInCommon,
    /// What the worker says is not TLS.
    NotTls,
    /// The worker does not agree to the version of HTTP.
    OtherHttp,
    /// The worker does not keep to TLS's own rules.
    Broken,
    /// The handshake was not over in time.
    TimedOut,
}

impl Fault {
    /// Its code.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Expired => Code::WorkerCertificateExpired,
            Self::NotYetValid => Code::WorkerCertificateNotYetValid,
            Self::UnknownIssuer => Code::WorkerCertificateUnknownIssuer,
            Self::WrongName => Code::WorkerCertificateWrongName,
            Self::Unsuitable => Code::WorkerCertificateUnsuitable,
            Self::Refused => Code::WorkerTlsAlert,
            Self::NothingInCommon => Code::WorkerTlsNothingInCommon,
            Self::NotTls => Code::WorkerNotTls,
            Self::OtherHttp => Code::WorkerTlsOtherHttp,
            Self::Broken => Code::WorkerTlsBroken,
            Self::TimedOut => Code::WorkerTlsTimeout,
        }
    }
}

/// A failure and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Which way.
    pub fault: Fault,
    /// Why, and what to do: a fragment without a full stop that begins with "it" or "its".
    pub why: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Failed {
    /// The failure of TLS that an error on a connection comes from, if it does. The end of a
    /// connection is none.
    #[must_use]
    pub fn within(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            let inner = match error.downcast_ref::<io::Error>() {
                Some(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
                None => error.downcast_ref(),
            };
            if let Some(error) = inner {
                // In TLS 1.3 a worker may refuse our certificate after the handshake.
                return Some(judge(error, &Seen::default(), &Behind::default()));
            }
            next = error.source();
        }
        None
    }

    /// Why alone, for one that no setting of the worker's can cure.
    #[must_use]
    pub fn what(&self) -> &str {
        let end = match self.fault {
            Fault::Broken => None,
            _ => self.why.rfind(": "),
        };
        end.map_or(&self.why, |end| &self.why[..end])
    }

    fn new(fault: Fault, why: impl Into<String>) -> Self {
        Self {
            fault,
            why: why.into(),
        }
    }
}

/// What an error of a handshake means.
pub(super) fn judge(error: &TlsError, seen: &Seen, asked: &Behind) -> Failed {
    match error {
        TlsError::InvalidCertificate(error) => certificate(error, seen, asked),
        TlsError::AlertReceived(alert) => refused(*alert, seen, asked),
        TlsError::NoApplicationProtocol => other_http(asked),
        TlsError::PeerIncompatible(_) => nothing_in_common(),
        TlsError::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => Failed::new(
            Fault::NotTls,
            "it does not speak TLS: set worker.protocol = \"http\", or let it serve TLS",
        ),
        TlsError::NoCertificatesPresented => {
            Failed::new(Fault::Broken, "it shows no certificate: give it one")
        }
        other => Failed::new(
            Fault::Broken,
            format!("it does not keep to TLS's own rules: {other}"),
        ),
    }
}

/// What is said when the worker does not agree to the HTTP that it is to speak.
pub(super) fn other_http(_: &Behind) -> Failed {
    Failed::new(
        Fault::OtherHttp,
        "it does not agree to the HTTP of worker.protocol: \"https\" is HTTP/1.1, \"h2\" is HTTP/2",
    )
}

fn nothing_in_common() -> Failed {
    Failed::new(
        Fault::NothingInCommon,
        "it has no version, cipher or signature of TLS that autoheal has: let it speak TLS 1.2 or \
         1.3 with ECDHE and AES-GCM or ChaCha20",
    )
}

fn refused(alert: AlertDescription, seen: &Seen, asked: &Behind) -> Failed {
    use AlertDescription as Alert;
    let shows = asked.own.is_some();
    let wants = || {
        Failed::new(
            Fault::Refused,
            "it wants a certificate of autoheal's: set certificate and key in worker.tls",
        )
    };
    match alert {
        Alert::NoApplicationProtocol => other_http(asked),
        Alert::CertificateRequired => wants(),
        Alert::HandshakeFailure if seen.asked && !shows => wants(),
        Alert::ProtocolVersion | Alert::InsufficientSecurity | Alert::HandshakeFailure => {
            nothing_in_common()
        }
        Alert::UnrecognisedName => Failed::new(
            Fault::Refused,
            format!(
                "it serves no {}: set worker.tls.name to a name that it serves",
                asked.name
            ),
        ),
        Alert::UnknownCA
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::DecryptError
        | Alert::AccessDenied => Failed::new(
            Fault::Refused,
            format!(
                "it does not accept autoheal's certificate ({alert:?}): show it one that it \
                 trusts with certificate and key in worker.tls"
            ),
        ),
        other => Failed::new(
            Fault::Refused,
            format!("it broke TLS off ({other:?}): its log says why"),
        ),
    }
}

fn certificate(error: &CertificateError, seen: &Seen, asked: &Behind) -> Failed {
    match error {
        CertificateError::ExpiredContext { time, not_after } => {
            let (now, end) = (wall(*time), wall(*not_after));
            let why = format!(
                "its certificate expired {} ago, at {end}: renew it, and recycle the worker if it \
                 reads certificates only at its start",
                days(now, end)
            );
            Failed::new(Fault::Expired, why)
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let (now, begin) = (wall(*time), wall(*not_before));
            let why = format!(
                "its certificate is not valid before {begin}, in {}: correct this machine's \
                 clock, or let it use the one before until then",
                days(begin, now)
            );
            Failed::new(Fault::NotYetValid, why)
        }
        CertificateError::UnknownIssuer => Failed::new(Fault::UnknownIssuer, issuer(seen, asked)),
        CertificateError::NotValidForNameContext { presented, .. } => {
            Failed::new(Fault::WrongName, names(presented, &asked.name))
        }
        CertificateError::InvalidPurposeContext {
            required: ExtendedKeyPurpose::ServerAuth,
            ..
        } => Failed::new(
            Fault::Unsuitable,
            "its certificate is not for servers (extendedKeyUsage): issue one with serverAuth",
        ),
        CertificateError::Other(other) => Failed::new(
            Fault::Unsuitable,
            format!("its certificate can't be used ({other}): issue another one"),
        ),
        other => Failed::new(
            Fault::Unsuitable,
            format!("its certificate can't be used ({other}): issue another one"),
        ),
    }
}

fn issuer(seen: &Seen, asked: &Behind) -> String {
    let trusted = match &asked.roots {
        Some(path) => format!("worker.tls.roots ({})", name_of(path)),
        None => "what this machine trusts".to_owned(),
    };
    match &seen.certificate {
        Some(certificate) if certificate.is_its_own_issuer() => format!(
            "its certificate is self-signed and not in {trusted}: set worker.tls.roots to a file \
             of that certificate"
        ),
        Some(certificate) => {
            let by = match certificate.issuer_name() {
                Some(name) => format!(" by \"{}\"", short(&name)),
                None => String::new(),
            };
            format!(
                "its certificate, issued{by}, does not lead to {trusted}: set worker.tls.roots to \
                 the certificate of that authority, and let the worker send those in between"
            )
        }
        None => format!("its certificate does not lead to {trusted}: set worker.tls.roots"),
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    one_line(&name).into_owned()
}

/// So many names of a certificate are told.
const NAMES_TOLD: usize = 3;

fn names(presented: &[String], wanted: &str) -> String {
    let mut names: Vec<_> = presented.iter().filter_map(|one| bare(one)).collect();
    let Some(first) = names.first().cloned() else {
        return format!(
            "its certificate names no host, so it can't be for {wanted}: issue one with a \
             subjectAltName (a common name is not looked at)"
        );
    };
    let more = names.len().saturating_sub(NAMES_TOLD);
    names.truncate(NAMES_TOLD);
    let mut list = names.join(", ");
    if more > 0 {
        list += &format!(" and {more} more");
    }
    let cure = match first.strip_prefix("*.") {
        Some(rest) => format!("set worker.tls.name to a name below {rest}"),
        None => format!("set worker.tls.name = \"{first}\""),
    };
    format!("its certificate is for {list}, not for {wanted}: {cure}")
}

/// A name without the kind around it that is told with it: `DnsName("a.test")`.
fn bare(presented: &str) -> Option<String> {
    let inner = presented
        .strip_prefix("DnsName(\"")
        .and_then(|rest| rest.strip_suffix("\")"))
        .or_else(|| presented.strip_prefix("IpAddress(")?.strip_suffix(')'))?;
    Some(short(inner))
}

/// What a stranger wrote, as a part of a line.
fn short(text: &str) -> String {
    const MOST: usize = 80;
    let line = one_line(text);
    match line.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line.into_owned(),
    }
}

fn wall(time: UnixTime) -> WallTime {
    WallTime(time.as_secs().saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;
    use crate::tls::back::{Back, Made, Unmade};

    /// What comes of a worker that says these bytes and leaves.
    async fn answered(bytes: &[u8]) -> Result<Failed, io::ErrorKind> {
        let asked = Behind {
            verify: false,
            ..Behind::default()
        };
        let made = Made::new(&asked, None, false).unwrap();
        let back = Back::new(asked, false, made).unwrap();
        let (ours, mut theirs) = duplex(64 * 1024);
        theirs.write_all(bytes).await.unwrap();
        theirs.shutdown().await.unwrap();
        match back.handshake(ours).await {
            Ok(_) => panic!("it was agreed on"),
            Err(Unmade::Tls(failed)) => Ok(failed),
            Err(Unmade::Lost(error)) => Err(error.kind()),
        }
    }

    fn alert(description: u8) -> [u8; 7] {
        [0x15, 3, 3, 0, 2, 2, description]
    }

    #[tokio::test]
    async fn what_is_no_handshake_is_told_apart() {
        let cases: [(&[u8], Fault); 8] = [
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", Fault::NotTls),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Fault::NotTls),
            // handshake_failure, protocol_version and insufficient_security.
            (&alert(40), Fault::NothingInCommon),
            (&alert(70), Fault::NothingInCommon),
            (&alert(71), Fault::NothingInCommon),
            // unrecognized_name, internal_error, no_application_protocol.
            (&alert(112), Fault::Refused),
            (&alert(80), Fault::Refused),
            (&alert(120), Fault::OtherHttp),
        ];
        for (bytes, fault) in cases {
            assert_eq!(answered(bytes).await.unwrap().fault, fault, "{bytes:?}");
        }
        let broken = answered(&[0x16, 3, 3, 0, 4, 0xee, 0, 0, 0]).await.unwrap();
        assert_eq!(broken.fault, Fault::Broken, "{broken}");
        assert_eq!(answered(b"").await, Err(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn each_fault_has_a_code_of_its_own() {
        let faults = [
            Fault::Expired,
            Fault::NotYetValid,
            Fault::UnknownIssuer,
            Fault::WrongName,
            Fault::Unsuitable,
            Fault::Refused,
            Fault::NothingInCommon,
            Fault::NotTls,
            Fault::OtherHttp,
            Fault::Broken,
            Fault::TimedOut,
        ];
        let mut codes: Vec<Code> = faults.iter().map(|fault| fault.code()).collect();
        assert!(codes.iter().all(|code| code.is_sent()));
        codes.dedup();
        assert_eq!(codes.len(), faults.len());
    }
}
