//! Dependencies as an autoheal.toml has them.

use std::path::Path;

use super::value::{duration, path as in_file, quoted};
use crate::{
    config::defaults,
    decide::policy::{Dependency, DependencyAddress},
};

/// The keys of a dependency's table and their values, those at their defaults left out.
pub(super) fn dependency(one: &Dependency, home: &Path) -> Vec<(&'static str, String)> {
    let Dependency {
        name,
        address,
        path,
        interval,
        timeout,
        failures,
        successes,
    } = one;
    let usual = defaults::dependency();
    let address = match address {
        DependencyAddress::Host(..) => quoted(&address.to_string()),
        DependencyAddress::Unix(socket) => quoted(&format!("unix:{}", in_file(socket, home))),
    };
    let mut lines = vec![("name", quoted(name)), ("address", address)];
    lines.extend(path.as_ref().map(|path| ("path", quoted(path))));
    let mut unusual = |key, is_usual: bool, value: String| {
        if !is_usual {
            lines.push((key, value));
        }
    };
    unusual("interval", *interval == usual.interval, duration(*interval));
    unusual("timeout", *timeout == usual.timeout, duration(*timeout));
    unusual(
        "failures",
        *failures == usual.failures,
        failures.to_string(),
    );
    unusual(
        "successes",
        *successes == usual.successes,
        successes.to_string(),
    );
    lines
}
