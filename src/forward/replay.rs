//! When a request may be sent once more (RFC 9110 section 9.2.2), and what is kept for it.

use std::{rc::Rc, time::Duration};

use http::{HeaderMap, Method, Request, Uri, request::Parts};

use super::{
    failure::Failure,
    request::Noted,
    upload::{Outgoing, Upload},
};
use crate::{
    admit::wish::Token,
    explain::code::Code,
    observe::in_flight::{InFlight, Key},
};

/// How often a request may be tried at a worker without a byte of it being sent.
const UNSENT_MAX: u32 = 4;
/// And if that refuses connections, as one does that is about to end: for so long, by how long each
/// refusal waits for news of it.
const REFUSED_MAX: Duration = Duration::from_secs(10);
/// The news that a worker is dead follows a refused connection within this time.
pub const REFUSAL_NEWS: Duration = Duration::from_millis(250);

/// A request that can be sent, and perhaps sent again.
#[derive(Debug)]
pub struct Plan {
    /// Its method.
    pub method: Method,
    /// Its target in origin form.
    pub uri: Uri,
    /// Whether it asks for a WebSocket.
    pub websocket: bool,
    /// It asks for it on a stream of HTTP/2.
    pub connect: bool,
    /// It is a call of gRPC.
    pub call: bool,
    /// The instance that its session is at.
    pub wants: Option<Token>,
    headers: HeaderMap,
    upload: Option<Rc<Upload>>,
    tried: Tried,
}

/// What was tried with a request so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Attempts of which bytes reached a worker.
    pub sent: u32,
    /// Attempts of which none did.
    pub unsent: u32,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Why.
    pub failure: Failure,
    /// Whether bytes of the request may have reached the worker.
    pub sent: bool,
}

impl Failed {
    /// The code of the answer to the client, if it is not sent again. `poison`: it ends its
    /// workers.
    #[must_use]
    pub fn code(self, poison: bool) -> Code {
        match self.failure {
            Failure::Closed if poison && self.sent => Code::PoisonRequest,
            failure => failure.code(),
        }
    }
}

impl Plan {
    /// A prepared head and, if it has one, its body.
    #[must_use]
    pub fn new(head: Parts, upload: Option<Rc<Upload>>, noted: Noted) -> Self {
        let Parts {
            method,
            uri,
            headers,
            ..
        } = head;
        Self {
            method,
            uri,
            websocket: noted.websocket,
            connect: noted.connect,
            call: noted.call,
            wants: noted.wants,
            headers,
            upload,
            tried: Tried::default(),
        }
    }

    /// The body for one more attempt; `None`: it is gone.
    #[must_use]
    pub fn body(&self, key: Key) -> Option<Outgoing> {
        match &self.upload {
            None => Some(Outgoing::Empty),
            Some(upload) => upload.again(key),
        }
    }

    /// A request of its own, with this body.
    #[must_use]
    pub fn request(&self, body: Outgoing) -> Request<Outgoing> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Its fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Its body, if it has one.
    #[must_use]
    pub fn upload(&self) -> Option<&Rc<Upload>> {
        self.upload.as_ref()
    }

    /// Whether sending it twice has the effect of sending it once (RFC 9110 section 9.2.2).
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        matches!(
            self.method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
        )
    }

    /// Whether an attempt that is cut now could be made again elsewhere.
    #[must_use]
    pub fn is_replayable(&self) -> bool {
        self.is_idempotent()
            && self.tried.sent == 0
            && self
                .upload
                .as_ref()
                .is_none_or(|upload| upload.can_go_again())
    }

    /// Whether it is of a kind that ends its workers, which is not sent to a second one.
    #[must_use]
    pub fn is_poison(&self, in_flight: &InFlight) -> bool {
        in_flight.is_poison(&self.method, &self.uri)
    }

    /// Notes a failed attempt; whether there may be another. `patience`: how long a request may
    /// wait for a worker.
    pub fn may_go_again(&mut self, failed: Failed, patience: Duration) -> bool {
        if failed.sent {
            self.tried.sent += 1;
        } else {
            self.tried.unsent += 1;
        }
        let body = self
            .upload
            .as_ref()
            .is_none_or(|upload| upload.can_go_again());
        body && may_go_again(self.is_idempotent(), self.tried, failed, patience)
    }

    /// Whether so many attempts came to nothing that another one must wait.
    #[must_use]
    pub fn must_wait(&self) -> bool {
        self.tried.unsent >= UNSENT_MAX
    }

    /// How often bytes of it reached a worker.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.tried.sent
    }
}

/// The matrix: by what is known of the failure and of what was sent before. `tried` includes the
/// failed attempt.
#[must_use]
pub fn may_go_again(idempotent: bool, tried: Tried, failed: Failed, patience: Duration) -> bool {
    match failed.failure {
        // Its time is over, or its client's word can't be relied on.
        Failure::TimedOut | Failure::ClientBody => false,
        // The worker answered, if badly: a second time may do the same again.
        Failure::BadResponse | Failure::NeedsHttp2 | Failure::NotSwitched => false,
        Failure::Refused
        | Failure::Declined
        | Failure::LocalExhaustion
        | Failure::ConnectTimeout
        | Failure::Unreachable
        | Failure::Tls(_)
        | Failure::Closed
        | Failure::Stuck
        | Failure::DrainOver => {
            if failed.sent {
                idempotent && tried.sent <= 1
            } else {
                // Not one byte left, so it is as if it had never been tried.
                let most = match failed.failure {
                    Failure::Refused => refusals(patience),
                    _ => UNSENT_MAX,
                };
                tried.unsent < most && (idempotent || tried.sent == 0)
            }
        }
    }
}

/// So many refusals fit into the time that a request may wait.
fn refusals(patience: Duration) -> u32 {
    let most = patience.min(REFUSED_MAX).as_millis() / REFUSAL_NEWS.as_millis();
    u32::try_from(most).unwrap_or(u32::MAX).max(UNSENT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::fault::Fault;

    fn again(idempotent: bool, sent: u32, failure: Failure, now_sent: bool) -> bool {
        let tried = Tried {
            sent: sent + u32::from(now_sent),
            unsent: u32::from(!now_sent),
        };
        may_go_again(
            idempotent,
            tried,
            Failed {
                failure,
                sent: now_sent,
            },
            SECOND,
        )
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_post_reaches_a_worker_at_most_once() {
        for failure in [Failure::Closed, Failure::DrainOver, Failure::Stuck] {
            assert!(!again(false, 0, failure, true), "{failure:?}");
        }
        assert!(again(false, 0, Failure::Refused, false));
        assert!(again(false, 0, Failure::LocalExhaustion, false));
        assert!(again(false, 0, Failure::Closed, false), "not one byte left");
        assert!(again(false, 0, Failure::Tls(Fault::Expired), false));
        assert!(!again(false, 0, Failure::Tls(Fault::Refused), true));
        assert!(
            !again(false, 1, Failure::Refused, false),
            "it was sent before"
        );
    }

    #[test]
    fn a_get_is_replayed_once() {
        assert!(again(true, 0, Failure::Closed, true));
        assert!(!again(true, 1, Failure::Closed, true));
        assert!(
            again(true, 1, Failure::Refused, false),
            "still to be sent the second time"
        );
    }

    #[test]
    fn what_would_only_fail_again_is_not_replayed() {
        for failure in [Failure::TimedOut, Failure::BadResponse] {
            assert!(!again(true, 0, failure, true), "{failure:?}");
            assert!(!again(true, 0, failure, false), "{failure:?}");
        }
    }

    #[test]
    fn trying_ends() {
        let tried = Tried {
            sent: 0,
            unsent: UNSENT_MAX,
        };
        let failed = Failed {
            failure: Failure::Refused,
            sent: false,
        };
        assert!(!may_go_again(true, tried, failed, SECOND));
    }

    #[test]
    fn a_worker_that_refuses_is_waited_for_as_long_as_a_request_may_wait_but_not_forever() {
        let again = |unsent, patience| {
            let tried = Tried { sent: 0, unsent };
            let refused = Failed {
                failure: Failure::Refused,
                sent: false,
            };
            may_go_again(false, tried, refused, patience)
        };
        assert!(again(19, SECOND * 5) && !again(20, SECOND * 5));
        assert!(again(39, SECOND * 60) && !again(40, SECOND * 60));
        assert!(again(3, Duration::ZERO) && !again(4, Duration::ZERO));
    }
}
