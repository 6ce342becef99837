//! Where one WebSocket frame ends and the next begins (RFC 6455 section 5.2).
//!
//! Pure. Nothing of a frame is looked at but its length and whether it is a Close: payloads may be
//! compressed, and are not ours.

/// The longest head of a frame: two bytes, a length of eight, a mask of four.
const HEAD_MAX: usize = 14;
/// The opcode of a Close frame.
const CLOSE: u8 = 8;

/// A Close frame of a server that is going away: status 1001, no reason.
pub(super) const GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xe9];

/// A place in a stream of frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    head: [u8; HEAD_MAX],
    have: usize,
    /// Bytes of the payload that are still to come.
    left: u64,
    closed: bool,
    lost: bool,
}

impl Frames {
    /// Whether a frame of our own could stand here: between two frames, and before a Close.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0 && self.left == 0 && !self.closed && !self.lost
    }

    /// These bytes follow.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = &bytes[self.step(bytes)..];
        }
    }

    /// These bytes follow, up to where a frame of our own could stand: so many of them. `None`: all
    /// of them follow, and there is no such place.
    pub(super) fn pass_to_between(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while !self.is_between() {
            if at == bytes.len() {
                return None;
            }
            at += self.step(&bytes[at..]);
        }
        Some(at)
    }

    /// Passes a piece that is not empty: at most to the end of a frame.
    fn step(&mut self, bytes: &[u8]) -> usize {
        if self.left > 0 {
            let length = bytes.len() as u64;
            let passed = self.left.min(length);
            self.left -= passed;
            return usize::try_from(passed).unwrap_or(bytes.len());
        }
        self.head[self.have] = bytes[0];
        self.have += 1;
        if self.have >= 2 && self.have == self.head_length() {
            self.begin();
        }
        1
    }

    fn head_length(&self) -> usize {
        let length = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if self.head[1] & 0x80 == 0 { 0 } else { 4 }
    }

    /// A frame's head is complete.
    fn begin(&mut self) {
        let wide = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        self.left = match self.head[1] & 0x7f {
            126 => wide(&self.head[2..4]),
            127 => wide(&self.head[2..10]),
            short => u64::from(short),
        };
        self.have = 0;
        // No frame is that long: these are not frames.
        self.lost |= self.left > i64::MAX as u64;
        self.closed |= self.head[0] & 0x0f == CLOSE;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, mask: bool, payload: usize) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        let bit = if mask { 0x80 } else { 0 };
        match payload {
            0..126 => frame.push(bit | u8::try_from(payload).unwrap()),
            126..65536 => {
                frame.push(bit | 126);
                frame.extend(u16::try_from(payload).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(bit | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        // A payload that looks like frames must not be taken for any.
        frame.resize(frame.len() + payload + if mask { 4 } else { 0 }, 0x81);
        frame
    }

    #[test]
    fn nothing_may_stand_behind_a_close_or_in_a_frame() {
        let mut frames = Frames::default();
        assert!(frames.is_between());
        frames.pass(&frame(1, false, 3)[..4]);
        assert!(!frames.is_between());
        frames.pass(&[0x81]);
        assert!(frames.is_between());
        frames.pass(&GOING_AWAY);
        assert!(!frames.is_between());
        assert_eq!(frames.pass_to_between(&frame(1, false, 0)), None);
    }

    #[test]
    fn the_end_of_a_frame_is_found_within_what_follows() {
        let mut frames = Frames::default();
        let (first, second) = (frame(2, false, 300), frame(1, false, 9));
        frames.pass(&first[..100]);
        let rest = [&first[100..], &second].concat();
        assert_eq!(frames.pass_to_between(&rest), Some(first.len() - 100));
        assert!(frames.is_between());
    }

    #[test]
    fn a_length_that_no_frame_has_is_the_end_of_looking() {
        let mut frames = Frames::default();
        frames.pass(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert!(!frames.is_between());
        frames.pass(&[0; 64]);
        assert_eq!(frames.pass_to_between(&[0x81, 0]), None);
    }

    proptest! {
        #[test]
        fn frames_are_counted_however_they_are_cut(
            sizes in proptest::collection::vec(
                (prop_oneof![0_usize..3, 124_usize..128, 65_530_usize..65_540], any::<bool>()),
                1..5,
            ),
            cuts in proptest::collection::vec(1_usize..5000, 1..40),
        ) {
            let mut stream = Vec::new();
            let mut ends = vec![0];
            for (size, mask) in sizes {
                stream.extend(frame(2, mask, size));
                ends.push(stream.len());
            }
            let (mut frames, mut at) = (Frames::default(), 0);
            for cut in cuts.iter().cycle() {
                let to = (at + cut).min(stream.len());
                frames.pass(&stream[at..to]);
                at = to;
                prop_assert_eq!(frames.is_between(), ends.contains(&at));
                if at == stream.len() {
                    break;
                }
            }
        }
    }
}
