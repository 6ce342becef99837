//! Sets of IP networks as people write them: `10.0.0.0/8`, `::1`, `private`.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use super::UnitError;

/// One IP network. A single address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` lies in it. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => same_prefix(
                u128::from(ours.to_bits()),
                u128::from(theirs.to_bits()),
                32,
                self.prefix,
            ),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                same_prefix(ours.to_bits(), theirs.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = |what: String| {
            UnitError::new(
                what,
                "write an address or a network, like \"10.1.2.3\", \"10.0.0.0/8\" or \"fd00::/8\"",
            )
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address
            .trim()
            .parse()
            .map_err(|_| error(format!("\"{text}\" is not a network")))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(digits) => match digits.trim().parse::<u8>() {
                Ok(prefix) if prefix <= most => prefix,
                _ => return Err(error(format!("\"/{digits}\" is not from /0 to /{most}"))),
            },
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A set of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// The set of these networks.
    #[must_use]
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// No address at all.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Addresses that the Internet can't come from: loopback, RFC 1918, shared (100.64/10),
    /// link-local and unique local.
    #[must_use]
    pub fn private() -> Self {
        let four = |a, b, prefix| Network {
            address: IpAddr::from([a, b, 0, 0]),
            prefix,
        };
        let six = |first, prefix| Network {
            address: IpAddr::from([first, 0, 0, 0, 0, 0, 0, 0u16]),
            prefix,
        };
        Self(vec![
            four(127, 0, 8),
            four(10, 0, 8),
            four(172, 16, 12),
            four(192, 168, 16),
            four(100, 64, 10),
            four(169, 254, 16),
            Network {
                address: IpAddr::V6(Ipv6Addr::LOCALHOST),
                prefix: 128,
            },
            six(0xfe80, 10),
            six(0xfc00, 7),
        ])
    }

    /// Whether `address` lies in one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether no address does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        if *self == Self::private() {
            return f.write_str("private");
        }
        for (i, network) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            network.fmt(f)?;
        }
        Ok(())
    }
}

fn same_prefix(a: u128, b: u128, bits: u32, prefix: u8) -> bool {
    (a ^ b)
        .checked_shr(bits - u32::from(prefix))
        .is_none_or(|differing| differing == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_ends_where_its_prefix_says() {
        let network: Network = "172.16.0.0/12".parse().unwrap();
        assert!(network.contains(address("172.31.255.255")));
        assert!(!network.contains(address("172.32.0.0")));
        assert!(network.contains(address("::ffff:172.16.0.1")));
        let everything: Network = "::/0".parse().unwrap();
        assert!(everything.contains(address("2001:db8::1")));
        assert!(!everything.contains(address("10.0.0.1")));
        let one: Network = "10.1.2.3".parse().unwrap();
        assert!(one.contains(address("10.1.2.3")) && !one.contains(address("10.1.2.2")));
    }

    #[test]
    fn what_is_no_network_is_refused_with_a_cure() {
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "shop", "10.0.0.0/"] {
            let error = wrong.parse::<Network>().unwrap_err();
            assert!(error.cure.contains("10.0.0.0/8"), "{wrong}");
        }
    }

    #[test]
    fn private_means_what_the_internet_can_not_come_from() {
        let private = Networks::private();
        for inside in [
            "127.0.0.1",
            "10.9.8.7",
            "192.168.1.1",
            "100.127.0.1",
            "169.254.1.1",
        ] {
            assert!(private.contains(address(inside)), "{inside}");
        }
        for inside in ["::1", "fe80::1", "fdab::1", "::ffff:10.0.0.1"] {
            assert!(private.contains(address(inside)), "{inside}");
        }
        for outside in [
            "8.8.8.8",
            "100.128.0.1",
            "2001:db8::1",
            "::2",
            "192.169.0.1",
        ] {
            assert!(!private.contains(address(outside)), "{outside}");
        }
        assert!(!Networks::none().contains(address("127.0.0.1")));
    }
}
