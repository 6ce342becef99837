//! The access log from its start to its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::Error;
use crate::{
    config::{self, AccessLog, AccessTo},
    observe::access::{Chosen, Sink},
    telemetry::access::{Format, Place, Writer},
    words::AccessField,
};

/// What data threads send to, who writes, and the count of what was dropped.
pub(super) struct Access {
    pub(super) sink: Sink,
    lost: Arc<AtomicU64>,
    writer: Writer,
}

impl Access {
    /// Starts it, if it is wanted.
    pub(super) fn start(log: &AccessLog) -> Result<Option<Self>, Error> {
        let Some(to) = &log.to else {
            return Ok(None);
        };
        let (place, name) = match to {
            AccessTo::Stdout => (Place::Stdout, "stdout".to_owned()),
            AccessTo::Stderr => (Place::Stderr, "stderr".to_owned()),
            AccessTo::File(path) => {
                let place = Place::File {
                    path: path.clone(),
                    bytes: log.size.0,
                    files: log.files,
                };
                (place, path.display().to_string())
            }
        };
        let format = match log.format {
            config::AccessFormat::Json => Format::Json(log.fields.clone()),
            config::AccessFormat::Combined => Format::Combined,
        };
        let (sink, records, lost) = Sink::new(Chosen {
            sample: log.sample,
            query: log.query,
            user_agent: log.fields.contains(&AccessField::UserAgent),
            referer: log.fields.contains(&AccessField::Referer),
            subject: log.fields.contains(&AccessField::Subject),
        });
        let writer = Writer::start(&place, format, records, lost.clone());
        let writer = writer.map_err(|source| Error::AccessLog { name, source })?;
        Ok(Some(Self { sink, lost, writer }))
    }

    /// Waits until all is written, but no longer than `patience`.
    pub(super) fn finish(self, patience: Duration) {
        drop(self.sink);
        if !self.writer.finish(patience) {
            tracing::warn!("not all lines of the access log could be written");
        }
    }
}

/// Tells how many lines were dropped so far.
pub(super) fn lost(access: Option<&Access>) -> Box<dyn Fn() -> u64> {
    let lost = access.map(|access| access.lost.clone());
    Box::new(move || lost.as_ref().map_or(0, |lost| lost.load(Relaxed)))
}
