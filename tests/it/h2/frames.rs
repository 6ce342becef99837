//! A client that writes HTTP/2 frames by hand, for what no library would send.

use crate::http::{
    proxy::Proxy,
    wire::{End, PATIENCE, Wire},
};

pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const GOAWAY: u8 = 7;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;

/// The first byte of an answer whose status is 400: RFC 7541 appendix A.
pub(super) const STATUS_400: u8 = 0x80 | 12;

pub(super) struct Frames(pub(super) Wire);

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// What a reset or the end of the connection says.
    pub(super) fn reason(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

impl Frames {
    pub(super) fn to(proxy: &Proxy) -> Self {
        let mut frames = Self(proxy.client());
        frames.0.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    /// The worker's end of a connection on which its client has begun.
    pub(super) fn worker(mut wire: Wire) -> Self {
        wire.until("SM\r\n\r\n");
        let mut frames = Self(wire);
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    pub(super) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        self.0.send(bytes);
    }

    /// A request without a body, every field a literal without indexing.
    pub(super) fn request(&mut self, stream: u32, fields: &[(&str, &str)]) {
        let flags = END_STREAM | END_HEADERS;
        self.send(HEADERS, flags, stream, &literals(fields));
    }

    /// The next frame that is not about settings or windows; `None`: the connection ended.
    pub(super) fn next(&mut self) -> Option<Frame> {
        loop {
            let head = self.0.bytes(9).ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let frame = Frame {
                kind: head[3],
                flags: head[4],
                stream: u32::from_be_bytes(head[5..9].try_into().unwrap()),
                payload: self.0.bytes(length as usize).ok()?,
            };
            match (frame.kind, frame.flags) {
                (SETTINGS, ACK) | (WINDOW_UPDATE, _) => {}
                (SETTINGS, _) => self.send(SETTINGS, ACK, 0, &[]),
                _ => return Some(frame),
            }
        }
    }

    pub(super) fn is_closed(&mut self) {
        assert_ne!(self.0.rest(PATIENCE).1, End::Open);
    }
}

/// RFC 7541 section 6.2.2; no name or value here is longer than 126 bytes.
pub(super) fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}
