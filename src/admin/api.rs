//! The paths of the admin API: each is one order to the control thread.

use std::{str::FromStr, time::Duration};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    Method, Request, StatusCode,
    body::{Body, Bytes},
    header::CONTENT_TYPE,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use tokio::{sync::oneshot, time};

use super::{
    PATIENCE, REQUEST_BYTES_MAX,
    answer::{self, Answer, Problem},
    incidents, vitals,
};
use crate::{
    control::order::{self, Events, Logs, Order, Orders, Unanswered},
    units::parse_duration,
};

/// Most records, lines or requests in one answer.
const ITEMS_MAX: usize = 1_000;

/// An answer stops growing here; the rest is asked for with `since`.
pub(super) const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// How long `wait` may keep a client that follows.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How often a client that follows looks.
const LOOK: Duration = Duration::from_millis(200);

/// The control thread answers within this, unless it is asked to wait for a recycle.
const ORDER_PATIENCE: Duration = Duration::from_secs(30);

/// Serves one request.
pub(super) async fn answer<B>(request: Request<B>, orders: &Orders) -> Answer
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    route(request, orders)
        .await
        .unwrap_or_else(Problem::into_answer)
}

async fn route<B>(request: Request<B>, orders: &Orders) -> Result<Answer, Problem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let path = request.uri().path().to_owned();
    let Some(verb) = path.strip_prefix("/api/v1/") else {
        if !matches!(path.as_str(), "/livez" | "/readyz" | "/workerz") {
            return Err(unknown(&path));
        }
        let vitals = vitals::ask(orders).await;
        return vitals::answer(&path, vitals.as_ref()).ok_or_else(|| unknown(&path));
    };
    match verb {
        "status" | "events" | "incidents" | "logs" | "requests" => {
            if !matches!(*request.method(), Method::GET | Method::HEAD) {
                return Err(Problem::method("GET"));
            }
            look(verb, &Query::of(request.uri().query()), orders).await
        }
        _ if verb.starts_with("incidents/") => {
            if !matches!(*request.method(), Method::GET | Method::HEAD) {
                return Err(Problem::method("GET"));
            }
            incidents::one(verb, orders).await
        }
        "recycle" | "start" | "stop" | "reload" | "hold" | "release" | "disarm" | "arm" => {
            if request.method() != Method::POST {
                return Err(Problem::method("POST"));
            }
            let body = body(request).await?;
            let said = change(verb, &body, orders).await?;
            Ok(answer::json(&json!({ "text": said? })))
        }
        _ => Err(unknown(&path)),
    }
}

async fn look(verb: &str, query: &Query<'_>, orders: &Orders) -> Result<Answer, Problem> {
    let limit = query.number("limit")?.unwrap_or(ITEMS_MAX as u64);
    let limit = usize::try_from(limit).unwrap_or(ITEMS_MAX).min(ITEMS_MAX);
    let since = query.number("since")?;
    let wait = Duration::from_secs(query.number("wait")?.unwrap_or(0)).min(WAIT_MAX);
    match verb {
        "status" => Ok(answer::json(&ask(orders, Order::Status).await?)),
        "requests" => {
            let mut requests = ask(orders, Order::Requests).await?;
            let left_out = requests.len().saturating_sub(limit);
            requests.truncate(limit);
            Ok(answer::json(
                &json!({ "requests": requests, "left_out": left_out }),
            ))
        }
        "incidents" => incidents::all(limit, orders).await,
        "events" => {
            let order = |reply| Order::Events {
                since,
                limit,
                reply,
            };
            let events = follow(orders, wait, order, |events: &Events| {
                events.lines.is_empty()
            });
            Ok(answer::raw_json(events_json(&events.await?, since)))
        }
        _ => {
            let previous = query.flag("previous");
            let instance = query.instance()?;
            let order = |reply| Order::Logs {
                previous,
                instance,
                since,
                limit,
                reply,
            };
            let logs = follow(orders, wait, order, |logs: &Result<Logs, _>| {
                logs.as_ref().is_ok_and(|logs| logs.lines.is_empty())
            });
            Ok(answer::json(&bounded_logs(logs.await??, since)))
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Recycle {
    instance: Option<u32>,
    reason: Option<String>,
    force: bool,
    wait: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hold {
    r#for: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disarm {
    #[serde(default)]
    rules: Vec<String>,
    r#for: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Arm {
    rules: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Nothing {}

async fn change(verb: &str, body: &[u8], orders: &Orders) -> Result<order::Answer, Problem> {
    let simple = match verb {
        "recycle" => {
            let Recycle {
                instance,
                reason,
                force,
                wait,
            } = parse(body)?;
            let order = |reply| Order::Recycle {
                instance,
                reason: reason.unwrap_or_default(),
                force,
                wait,
                reply,
            };
            return if wait {
                Ok(orders.ask(order).await?)
            } else {
                ask(orders, order).await
            };
        }
        "hold" => {
            let time = duration(&parse::<Hold>(body)?.r#for)?;
            return ask(orders, |reply| Order::Hold(time, reply)).await;
        }
        "disarm" => {
            let Disarm { rules, r#for } = parse(body)?;
            let time = duration(&r#for)?;
            return ask(orders, |reply| Order::Disarm { rules, time, reply }).await;
        }
        "arm" => {
            let Arm { rules } = parse(body)?;
            return ask(orders, |reply| Order::Arm { rules, reply }).await;
        }
        "start" => Order::Start,
        "stop" => Order::Stop,
        "reload" => Order::Reload,
        _ => Order::Release,
    };
    let Nothing {} = parse(body)?;
    ask(orders, simple).await
}

pub(super) async fn ask<T>(
    orders: &Orders,
    order: impl FnOnce(oneshot::Sender<T>) -> Order,
) -> Result<T, Problem> {
    let answer = time::timeout(ORDER_PATIENCE, orders.ask(order)).await;
    Ok(answer.unwrap_or(Err(Unanswered))?)
}

/// Asks until there is something or the time is over.
async fn follow<T>(
    orders: &Orders,
    wait: Duration,
    order: impl Fn(oneshot::Sender<T>) -> Order,
    is_empty: impl Fn(&T) -> bool,
) -> Result<T, Problem> {
    let end = time::sleep(wait);
    tokio::pin!(end);
    loop {
        let found = ask(orders, &order).await?;
        if !is_empty(&found) || end.is_elapsed() {
            return Ok(found);
        }
        tokio::select! {
            () = &mut end => {}
            () = time::sleep(LOOK) => {}
        }
    }
}

/// Records are JSON already.
fn events_json(events: &Events, since: Option<u64>) -> String {
    let mut json = String::from("{\"events\":[");
    let mut next = since.unwrap_or(0);
    for (seq, line) in &events.lines {
        if json.len() + line.len() > ANSWER_BYTES_MAX {
            break;
        }
        if !json.ends_with('[') {
            json.push(',');
        }
        json.push_str(line);
        next = *seq;
    }
    json + &format!("],\"next\":{next},\"lost\":{}}}", events.lost)
}

fn bounded_logs(mut logs: Logs, since: Option<u64>) -> serde_json::Value {
    let mut bytes = 0;
    let fits = logs
        .lines
        .iter()
        .take_while(|line| {
            bytes += line.text.len() + 200;
            bytes <= ANSWER_BYTES_MAX
        })
        .count();
    logs.lines.truncate(fits.max(1));
    let next = logs
        .lines
        .last()
        .map_or_else(|| since.unwrap_or(0), |line| line.seq);
    json!({ "lines": logs.lines, "next": next, "lost": logs.lost })
}

async fn body<B>(request: Request<B>) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let kind = request.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let bare = kind.split(';').next().unwrap_or("").trim();
    if !bare.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "what changes something is sent as JSON",
            "set Content-Type: application/json; the body may be {}",
        ));
    }
    let limited = Limited::new(request.into_body(), REQUEST_BYTES_MAX);
    match time::timeout(PATIENCE, limited.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is longer than {REQUEST_BYTES_MAX} bytes"),
            "send less",
        )),
        Ok(Err(_)) | Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive whole and in time",
            "send it within 10 s of the head",
        )),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("the body is not what this path takes: {error}"),
            "see `autoheal help` for what each verb takes",
        )
    })
}

fn duration(text: &str) -> Result<Duration, Problem> {
    parse_duration(text)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.what, error.cure))
}

fn unknown(path: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {path}"),
        "paths are /livez, /readyz, /workerz and /api/v1/ with status, events, incidents, logs, \
         requests, recycle, start, stop, reload, hold, release, disarm or arm",
    )
}

/// A query of numbers and flags; nothing in it needs decoding.
struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    fn of(query: Option<&'a str>) -> Self {
        let pairs = query.unwrap_or("").split('&');
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .collect(),
        )
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        let pair = self.0.iter().find(|(key, _)| *key == name);
        pair.map(|(_, value)| *value)
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        u64::from_str(value).map(Some).map_err(|_| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("{name}={value} is not a number"),
                format!("write a whole number, like {name}=5"),
            )
        })
    }

    /// No number that is too great is one of an instance.
    fn instance(&self) -> Result<Option<u32>, Problem> {
        let number = self.number("instance")?;
        Ok(number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
    }

    fn flag(&self, name: &str) -> bool {
        self.value(name)
            .is_some_and(|value| !matches!(value, "0" | "false"))
    }
}
