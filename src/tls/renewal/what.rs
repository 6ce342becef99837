//! Whose files they are that are looked after: what is read from them, and where it goes.

use std::{path::Path, sync::Arc};

use super::{Served, Stage, Told};
use crate::{
    time::WallTime,
    tls::{
        back::{self, Back},
        front::{Front, Made},
        pair::Pair,
        spec::{Behind, Clients, Files, Flaw},
    },
};

/// Whose files they are.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// One entry of `listen`.
    Front {
        pairs: Vec<Files>,
        clients: Option<Clients>,
        front: Arc<Front>,
    },
    /// TLS with the worker.
    Back(Arc<Back>),
}

/// What is read from the files of one of them.
pub(super) enum New {
    Front(Made),
    Back(back::Made),
}

impl What {
    pub(super) fn files(&self) -> Vec<&Path> {
        match self {
            Self::Front { pairs, clients, .. } => of_front(pairs, clients.as_ref()),
            Self::Back(back) => of_back(back.asked()),
        }
    }

    pub(super) fn make(&self, now: WallTime) -> Result<(New, Vec<Told>), Vec<Flaw>> {
        match self {
            Self::Front { pairs, clients, .. } => {
                let (made, served) = make_front(pairs, clients.as_ref(), now)?;
                Ok((New::Front(made), served))
            }
            Self::Back(back) => {
                let (made, served) = make_back(back.asked(), back.is_http2(), now)?;
                Ok((New::Back(made), served))
            }
        }
    }

    pub(super) fn set(&self, new: New) {
        match (self, new) {
            (Self::Front { front, .. }, New::Front(made)) => front.set(made),
            (Self::Back(back), New::Back(made)) => back.set(made),
            // Each is made by its own kind.
            (Self::Front { .. }, New::Back(_)) | (Self::Back(_), New::Front(_)) => {}
        }
    }

    /// What happens with a certificate that has expired.
    pub(super) fn when_over(&self) -> &'static str {
        match self {
            Self::Front { .. } => "clients refuse it; it is served until it is renewed",
            Self::Back(_) => "the worker refuses it; it is shown until it is renewed",
        }
    }
}

pub(super) fn of_front<'a>(pairs: &'a [Files], clients: Option<&'a Clients>) -> Vec<&'a Path> {
    let of_clients = clients.map(|clients| clients.roots.as_path());
    of_pairs(pairs).chain(of_clients).collect()
}

pub(super) fn of_back(asked: &Behind) -> Vec<&Path> {
    let own = of_pairs(asked.own.as_slice());
    own.chain(asked.roots.as_deref()).collect()
}

fn of_pairs(pairs: &[Files]) -> impl Iterator<Item = &Path> {
    pairs
        .iter()
        .flat_map(|files| [files.certificate.as_path(), files.key.as_path()])
}

pub(super) fn make_front(
    pairs: &[Files],
    clients: Option<&Clients>,
    now: WallTime,
) -> Result<(Made, Vec<Told>), Vec<Flaw>> {
    let (read, served) = read(pairs, now)?;
    let made = Made::new(&read, clients).map_err(|flaw| vec![flaw])?;
    Ok((made, served))
}

pub(super) fn make_back(
    asked: &Behind,
    http2: bool,
    now: WallTime,
) -> Result<(back::Made, Vec<Told>), Vec<Flaw>> {
    let (read, served) = read(asked.own.as_slice(), now)?;
    let made = back::Made::new(asked, read.first(), http2).map_err(|flaw| vec![flaw])?;
    Ok((made, served))
}

fn read(pairs: &[Files], now: WallTime) -> Result<(Vec<Pair>, Vec<Told>), Vec<Flaw>> {
    let (mut read, mut served) = (Vec::new(), Vec::new());
    for files in pairs {
        // What is doubtful was told when the configuration was read.
        let (pair, _) = Pair::read(files, now)?;
        let one = Served {
            certificate: files.certificate.display().to_string(),
            names: pair.names.clone(),
            not_before: pair.not_before,
            not_after: pair.not_after,
        };
        served.push(Told {
            served: one,
            stage: Stage::Far,
        });
        read.push(pair);
    }
    Ok((read, served))
}
