//! CRC-32 (IEEE 802.3): how a worker's answer says what its body must be, and ours is checked.

/// A checksum that grows with each piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc(u32);

impl Crc {
    /// The checksum of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(u32::MAX)
    }

    /// The checksum of all of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut crc = Self::new();
        crc.add(bytes);
        crc
    }

    /// Goes on with `bytes`.
    pub fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let index = (self.0 ^ u32::from(byte)) & 0xff;
            self.0 = (self.0 >> 8) ^ TABLE[index as usize];
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn value(self) -> u32 {
        !self.0
    }
}

impl Default for Crc {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Display for Crc {
    /// Eight hexadecimal digits, as the `x-body-crc` header has it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.value())
    }
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut index = 0;
    while index < 256 {
        let mut word = index as u32;
        let mut bit = 0;
        while bit < 8 {
            word = if word & 1 == 1 {
                (word >> 1) ^ 0xedb8_8320
            } else {
                word >> 1
            };
            bit += 1;
        }
        table[index] = word;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_everybody_else_computes() {
        assert_eq!(Crc::of(b"123456789").to_string(), "cbf43926");
        assert_eq!(Crc::new().value(), 0);
    }

    #[test]
    fn pieces_make_the_same_checksum_as_the_whole() {
        let mut crc = Crc::new();
        crc.add(b"1234");
        crc.add(b"56789");
        assert_eq!(crc, Crc::of(b"123456789"));
    }
}
