//! TLS as it may be asked for.

use proptest::{collection::vec, option, prelude::*, sample::subsequence};

use super::any::absolute;
use crate::{
    config::tls::Tls,
    tls::spec::{Behind, Clients, Files, LOCAL_NAME, Told},
};

pub(super) fn tls() -> BoxedStrategy<Option<Tls>> {
    let pair = (absolute(), absolute()).prop_map(|(certificate, key)| Files { certificate, key });
    let tell = subsequence(Told::ALL.to_vec(), 0..=Told::ALL.len());
    let clients = (absolute(), any::<bool>(), tell);
    let clients = clients.prop_map(|(roots, required, tell)| Clients {
        roots,
        required,
        tell,
    });
    let tls =
        (vec(pair, 1..3), option::of(clients)).prop_map(|(pairs, client)| Tls { pairs, client });
    option::of(tls).boxed()
}

pub(super) fn behind() -> BoxedStrategy<Behind> {
    let own = (absolute(), absolute()).prop_map(|(certificate, key)| Files { certificate, key });
    let name = prop_oneof![
        Just(LOCAL_NAME.to_owned()),
        "[a-z0-9]{1,8}(\\.[a-z]{1,5}){0,2}",
        Just("127.0.0.1".to_owned()),
        Just("::1".to_owned()),
    ];
    let all = (option::of(absolute()), name, option::of(own), any::<bool>());
    all.prop_map(|(roots, name, own, verify)| Behind {
        roots,
        name,
        own,
        verify,
    })
    .boxed()
}
