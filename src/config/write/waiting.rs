//! `[parking]` and `[queue]` as they are written.

use super::{
    super::model::{Parking, Queue},
    section::Section,
    sections::{display, duration, number},
    value::quoted,
};

pub(super) fn parking(parking: &Parking, usual: &Parking) -> Section {
    let Parking {
        requests,
        bytes,
        per_client,
        wait,
        probe,
    } = parking;
    let mut to = Section::new("parking");
    to.put("requests", requests, &usual.requests, number);
    to.put("bytes", bytes, &usual.bytes, display);
    to.put("per_client", per_client, &usual.per_client, number);
    to.put("wait", wait, &usual.wait, duration);
    if let Some(probe) = probe {
        to.lines.push(("probe", quoted(probe)));
    }
    to
}

pub(super) fn queue(queue: &Queue, usual: &Queue) -> Section {
    let Queue {
        requests,
        per_client,
        wait,
    } = queue;
    let mut to = Section::new("queue");
    to.put("requests", requests, &usual.requests, number);
    to.put("per_client", per_client, &usual.per_client, number);
    to.put("wait", wait, &usual.wait, duration);
    to
}
