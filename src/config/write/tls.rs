//! TLS, with clients and with the worker, as one value each.

use std::path::{Path, PathBuf};

use super::{
    super::tls::Tls,
    value::{Inline, one_or_list, path, quoted},
};
use crate::tls::spec::{Behind, LOCAL_NAME, Told};

/// TLS with clients.
pub(super) fn tls(tls: &Tls, home: &Path) -> String {
    let file = |file: &Path| quoted(&path(file, home));
    let client = tls.client.as_ref().map(|client| {
        Inline::default()
            .with("roots", file(&client.roots))
            .maybe("required", (!client.required).then(|| "false".to_owned()))
            .maybe("tell", told(&client.tell))
            .written()
    });
    // It stands in one of them and holds for all.
    let mut client = client.into_iter();
    let pairs = tls.pairs.iter().map(|pair| {
        Inline::default()
            .with("certificate", file(&pair.certificate))
            .with("key", file(&pair.key))
            .maybe("client", client.next())
            .written()
    });
    one_or_list(pairs.collect())
}

/// In which fields the worker is told of a client's certificate, unless it is as usual.
fn told(tell: &[Told]) -> Option<String> {
    let names = tell.iter().map(|told| quoted(told.name()));
    match tell {
        [Told::Certificate] => None,
        [] => Some(quoted("none")),
        _ => Some(one_or_list(names.collect())),
    }
}

/// TLS with the worker.
pub(super) fn behind(tls: &Behind, home: &Path) -> String {
    let Behind {
        roots,
        name,
        own,
        verify,
    } = tls;
    let file = |file: &PathBuf| quoted(&path(file, home));
    Inline::default()
        .maybe("roots", roots.as_ref().map(file))
        .maybe("name", (name != LOCAL_NAME).then(|| quoted(name)))
        .maybe(
            "certificate",
            own.as_ref().map(|own| file(&own.certificate)),
        )
        .maybe("key", own.as_ref().map(|own| file(&own.key)))
        .maybe("verify", (!verify).then(|| "false".to_owned()))
        .written()
}
