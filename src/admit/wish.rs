//! Which worker a request would rather have.

use std::fmt;

use crate::words::Generation;

/// Which worker a request would rather have, and which rather not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The instance that its session is at.
    pub wants: Option<Token>,
    /// The worker that failed it before.
    pub avoids: Option<Generation>,
}

impl Wish {
    /// The instance that a session is at, if there is one.
    #[must_use]
    pub fn to_have(wants: Option<Token>) -> Self {
        Self {
            wants,
            avoids: None,
        }
    }
}

/// Names an instance to clients. It is the same for every generation of the instance, after every
/// restart, and in every replica.
///
/// It is not signed: who makes one up chooses an instance for its own requests, as who keeps one
/// does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(u64);

impl Token {
    /// The instance's.
    #[must_use]
    pub fn of(instance: u32) -> Self {
        // An odd multiplier and a shift are bijections on 64 bits: no two instances share one.
        let mixed = (u64::from(instance) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self((mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9))
    }

    /// What a client says it is. `None`: it is none of ours.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let plain = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.iter().all(plain) {
            return None;
        }
        let text = str::from_utf8(text).ok()?;
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_instance_has_a_token_of_its_own_that_can_be_read_back() {
        let texts: BTreeSet<String> = (0..64).map(|one| Token::of(one).to_string()).collect();
        assert_eq!(texts.len(), 64);
        for instance in 0..64 {
            let token = Token::of(instance);
            assert_eq!(Token::parse(token.to_string().as_bytes()), Some(token));
        }
        for wrong in [
            "",
            "0",
            "+0000000000000ab",
            "00000000000000AB",
            "00000000000000abc",
        ] {
            assert_eq!(Token::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
