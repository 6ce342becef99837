//! The statuses of gRPC: small numbers with names (`grpc/grpc`, doc/statuscodes.md).

/// The names, each at its number.
const NAMES: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid-argument",
    "deadline-exceeded",
    "not-found",
    "already-exists",
    "permission-denied",
    "resource-exhausted",
    "failed-precondition",
    "aborted",
    "out-of-range",
    "unimplemented",
    "internal",
    "unavailable",
    "data-loss",
    "unauthenticated",
];

/// A status of gRPC, 0 to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrpcStatus(u8);

impl GrpcStatus {
    /// All is well.
    pub const OK: Self = Self(0);
    /// The caller took the call back.
    pub const CANCELLED: Self = Self(1);
    /// What has no better status, or none at all.
    pub const UNKNOWN: Self = Self(2);
    /// Something is more than its limit.
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    /// What was asked for is not there to be asked for.
    pub const UNIMPLEMENTED: Self = Self(12);
    /// Somebody broke a rule that callers can't know.
    pub const INTERNAL: Self = Self(13);
    /// Trying again may help.
    pub const UNAVAILABLE: Self = Self(14);

    /// As it stands in a `grpc-status` field. What has no name is unknown.
    #[must_use]
    pub fn of_field(digits: &[u8]) -> Self {
        let number = str::from_utf8(digits).ok().and_then(|d| d.parse().ok());
        number.and_then(Self::of_number).unwrap_or(Self::UNKNOWN)
    }

    fn of_number(number: u8) -> Option<Self> {
        (usize::from(number) < NAMES.len()).then_some(Self(number))
    }

    /// By its number or its name, in any case and with `_` or `-`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse() {
            return Self::of_number(number);
        }
        let name = text.to_ascii_lowercase().replace('_', "-");
        let place = NAMES.iter().position(|known| *known == name)?;
        u8::try_from(place).ok().map(Self)
    }

    /// Its name: `unavailable`.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_found_by_number_and_by_name() {
        for number in 0..17 {
            let status = GrpcStatus::of_number(number).unwrap();
            assert_eq!(GrpcStatus::parse(status.name()), Some(status));
            assert_eq!(GrpcStatus::parse(&number.to_string()), Some(status));
        }
        assert_eq!(
            GrpcStatus::parse("DEADLINE_EXCEEDED"),
            GrpcStatus::parse("4")
        );
        assert_eq!(GrpcStatus::parse("17"), None);
        assert_eq!(GrpcStatus::parse("sick"), None);
        assert_eq!(GrpcStatus::of_field(b"14"), GrpcStatus::UNAVAILABLE);
        assert_eq!(GrpcStatus::of_field(b"99"), GrpcStatus::UNKNOWN);
    }
}
