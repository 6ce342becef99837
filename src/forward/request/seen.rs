//! One look at a request's head: which fields that need care it has.

use http::{HeaderMap, HeaderValue};

use crate::forward::grpc;

/// Which fields that need care the head has.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) hosts: u32,
    /// The first Host.
    pub(super) host: Option<HeaderValue>,
    pub(super) lengths: u32,
    pub(super) codings: u32,
    pub(super) connection: bool,
    pub(super) hop_by_hop: bool,
    pub(super) te: bool,
    pub(super) expect: bool,
    pub(super) upgrade: bool,
    pub(super) forwarded: bool,
    pub(super) via: bool,
    pub(super) request_id: bool,
    pub(super) trace: bool,
    pub(super) certificate: bool,
    pub(super) cookies: u32,
    pub(super) call: bool,
    pub(super) patience: bool,
    /// A value begins or ends with white space.
    pub(super) edged: bool,
    pub(super) bytes: usize,
}

impl Seen {
    pub(super) fn look(headers: &HeaderMap) -> Self {
        let mut seen = Self::default();
        for (name, value) in headers {
            seen.bytes += name.as_str().len() + value.len() + 4;
            let white = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
            seen.edged |= white(value.as_bytes().first()) || white(value.as_bytes().last());
            match name.as_str() {
                "host" => {
                    seen.hosts += 1;
                    seen.host.get_or_insert_with(|| value.clone());
                }
                "content-length" => seen.lengths += 1,
                "transfer-encoding" => seen.codings += 1,
                "connection" => seen.connection = true,
                "te" => seen.te = true,
                "expect" => seen.expect = true,
                "upgrade" => (seen.upgrade, seen.hop_by_hop) = (true, true),
                "via" => seen.via = true,
                "cookie" => seen.cookies += 1,
                "content-type" => seen.call |= grpc::is_kind(value),
                "grpc-timeout" => seen.patience = true,
                "x-request-id" => seen.request_id = true,
                "traceparent" => seen.trace = true,
                "client-cert" | "client-cert-chain" | "x-arr-clientcert" => {
                    seen.certificate = true;
                }
                "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" | "forwarded" => {
                    seen.forwarded = true;
                }
                "keep-alive"
                | "proxy-connection"
                | "http2-settings"
                | "proxy-authorization"
                | "proxy-authenticate" => seen.hop_by_hop = true,
                _ => {}
            }
        }
        seen
    }
}
