//! Which pair a client gets: by the name that it asks for.

use std::{collections::HashMap, sync::Arc};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::pair::Pair;

/// The pairs of one entry of `listen`; at least one.
#[derive(Debug)]
pub(super) struct Certificates {
    pairs: Vec<Arc<CertifiedKey>>,
    names: Names,
}

impl Certificates {
    pub(super) fn new(pairs: &[Pair]) -> Self {
        let names = pairs.iter().map(|pair| pair.names.as_slice());
        Self {
            names: Names::new(names),
            pairs: pairs.iter().map(|pair| pair.certified.clone()).collect(),
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pairs = self.names.find(hello.server_name());
        // Of two pairs for one name, RSA and ECDSA, the client may be able to use only one.
        let usable = |at: &&usize| {
            let key = &self.pairs[**at].key;
            key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let at = pairs.iter().find(usable).or_else(|| pairs.first())?;
        self.pairs.get(*at).cloned()
    }
}

/// Which pairs each name has, by their place in the list.
#[derive(Debug)]
struct Names {
    exact: HashMap<String, Vec<usize>>,
    /// By what follows the `*.`.
    wildcard: HashMap<String, Vec<usize>>,
    /// The first pair, and those for the same names.
    default: Vec<usize>,
}

impl Names {
    fn new<'a>(pairs: impl Iterator<Item = &'a [String]> + Clone) -> Self {
        let (mut exact, mut wildcard) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (at, names) in pairs.clone().enumerate() {
            for name in names {
                let list = match name.strip_prefix("*.") {
                    Some(rest) => wildcard.entry(rest.to_owned()).or_default(),
                    None => exact.entry(name.clone()).or_default(),
                };
                list.push(at);
            }
        }
        let first = pairs.clone().next().unwrap_or_default();
        let same = pairs
            .enumerate()
            .filter(|(at, names)| *at == 0 || *names == first);
        Self {
            exact,
            wildcard,
            default: same.map(|(at, _)| at).collect(),
        }
    }

    /// The exact name, then a wildcard for its first label (RFC 6125 section 6.4.3), then the first
    /// pair, as for a client that asks for no name.
    fn find(&self, asked: Option<&str>) -> &[usize] {
        let name = asked.map(str::to_ascii_lowercase).unwrap_or_default();
        let exact = self.exact.get(&name);
        let wild = || self.wildcard.get(name.split_once('.')?.1);
        exact.or_else(wild).unwrap_or(&self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pairs: &[&[&str]], asked: &str) -> Vec<usize> {
        let pairs: Vec<Vec<String>> = pairs
            .iter()
            .map(|names| names.iter().map(|name| (*name).to_owned()).collect())
            .collect();
        let names = Names::new(pairs.iter().map(Vec::as_slice));
        names
            .find(Some(asked).filter(|name| !name.is_empty()))
            .to_vec()
    }

    #[test]
    fn a_name_is_found_exactly_then_by_wildcard_then_the_first_pair_serves() {
        let pairs: [&[&str]; 4] = [
            &["a.test"],
            &["*.shop.test", "shop.test"],
            &["admin.shop.test"],
            &["b.test"],
        ];
        assert_eq!(find(&pairs, "b.test"), [3]);
        assert_eq!(find(&pairs, "B.Test"), [3]);
        assert_eq!(find(&pairs, "shop.test"), [1]);
        assert_eq!(find(&pairs, "www.shop.test"), [1]);
        assert_eq!(find(&pairs, "admin.shop.test"), [2]);
        assert_eq!(
            find(&pairs, "x.www.shop.test"),
            [0],
            "a wildcard is one label"
        );
        assert_eq!(find(&pairs, "unknown.test"), [0]);
        assert_eq!(find(&pairs, ""), [0]);
    }

    #[test]
    fn two_pairs_of_one_name_are_both_offered() {
        let pairs: [&[&str]; 3] = [&["a.test"], &["b.test"], &["a.test"]];
        assert_eq!(find(&pairs, "a.test"), [0, 2]);
        assert_eq!(find(&pairs, "unknown.test"), [0, 2]);
    }
}
