//! What probes ask: is autoheal alive, would a request be taken now, is the worker to be restarted.

use std::time::Duration;

use hyper::StatusCode;
use tokio::time;

use super::answer::{self, Answer};
use crate::control::order::{Order, Orders};

/// The control thread is asked for this long: it should tick every 100 ms.
const ALIVE: Duration = Duration::from_secs(2);

/// What the control thread says of itself and of the worker.
#[derive(Clone, Debug)]
pub(super) struct Vitals {
    ready: bool,
    state: String,
    /// Why someone else is to restart the worker, if someone is.
    restart: Option<String>,
}

/// Asks the control thread; `None`: it does not answer.
pub(super) async fn ask(orders: &Orders) -> Option<Vitals> {
    let asked = time::timeout(ALIVE, orders.ask(Order::Status)).await;
    let status = asked.ok()?.ok()?;
    Some(Vitals {
        ready: status.ready,
        state: status.state,
        restart: status.restart_wanted,
    })
}

/// The answer at one of the three paths, with a line that says why.
pub(super) fn answer(path: &str, vitals: Option<&Vitals>) -> Option<Answer> {
    let dead = "the control thread does not answer";
    let (good, line) = match (path, vitals) {
        ("/livez" | "/readyz", None) => (false, dead),
        // What is not known is no reason to restart anything.
        ("/workerz", None) => (true, dead),
        ("/livez", Some(_)) => (true, "alive"),
        ("/readyz", Some(vitals)) => (vitals.ready, vitals.state.as_str()),
        ("/workerz", Some(vitals)) => match &vitals.restart {
            Some(why) => (false, why.as_str()),
            None => (true, "nobody need restart the worker"),
        },
        _ => return None,
    };
    let status = match good {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    Some(answer::line(status, line))
}
