//! The incidents on the admin API. They come as JSON already, each short enough for a line.

use hyper::StatusCode;

use super::{
    answer::{self, Answer, Problem},
    api::{ANSWER_BYTES_MAX, ask},
};
use crate::control::order::{Order, Orders};

/// At most so many, the latest first.
pub(super) async fn all(limit: usize, orders: &Orders) -> Result<Answer, Problem> {
    let incidents = ask(orders, |reply| Order::Incidents { limit, reply }).await?;
    let mut json = String::from("{\"incidents\":[");
    let mut left_out = 0_u64;
    for incident in incidents {
        if json.len() + incident.len() > ANSWER_BYTES_MAX {
            left_out += 1;
            continue;
        }
        if !json.ends_with('[') {
            json.push(',');
        }
        json.push_str(&incident);
    }
    json.push_str(&format!("],\"left_out\":{left_out}}}"));
    Ok(answer::raw_json(json))
}

/// The one at `incidents/NUMBER` or `incidents/latest`.
pub(super) async fn one(verb: &str, orders: &Orders) -> Result<Answer, Problem> {
    let number = verb.trim_start_matches("incidents/");
    let id = match number {
        "latest" => None,
        number => Some(number.parse().map_err(|_| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "an incident is named by its number",
                "see /api/v1/incidents, or ask for incidents/latest",
            )
        })?),
    };
    match ask(orders, |reply| Order::Incident { id, reply }).await? {
        Ok(incident) => Ok(answer::raw_json(incident)),
        Err(refusal) => Err(Problem::new(
            StatusCode::NOT_FOUND,
            refusal.what,
            refusal.cure,
        )),
    }
}
