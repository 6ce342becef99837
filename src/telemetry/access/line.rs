//! A record as a line: a JSON object, or the combined log format.

use std::{fmt::Write, time::Duration};

use http::Version;

use crate::{
    observe::access::Record,
    words::{AccessField, one_line},
};

/// How a line looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object of these members.
    Json(Vec<AccessField>),
    /// `client - - [time] "request" status bytes "referer" "agent"`
    Combined,
}

impl Format {
    /// Appends the line of a record.
    pub(super) fn line(&self, record: &Record, to: &mut String) {
        let line = match self {
            Self::Json(fields) => json(record, fields),
            Self::Combined => combined(record),
        };
        to.push_str(&one_line(&line));
        to.push('\n');
    }
}

fn json(record: &Record, fields: &[AccessField]) -> String {
    let mut line = String::with_capacity(384);
    for field in fields {
        let Some(value) = value(record, *field) else {
            continue;
        };
        line.push(if line.is_empty() { '{' } else { ',' });
        // Writing to a string has no way to fail.
        write!(line, "\"{}\":{value}", field.name()).ok();
    }
    line.push_str(if line.is_empty() { "{}" } else { "}" });
    line
}

/// A member's value; `None`: there is nothing to say.
fn value(record: &Record, field: AccessField) -> Option<serde_json::Value> {
    Some(match field {
        AccessField::At => record.at.to_string().into(),
        AccessField::Client => record.client?.to_string().into(),
        AccessField::Method => record.method.as_str().into(),
        AccessField::Path => record.path.as_str().into(),
        AccessField::Protocol => protocol(record.version).into(),
        AccessField::Status => record.status.into(),
        AccessField::Code => record.code?.to_string().into(),
        AccessField::End => record.end.into(),
        AccessField::Bytes => record.bytes.into(),
        AccessField::Duration => milliseconds(record.took).into(),
        AccessField::Head => milliseconds(record.head?).into(),
        AccessField::Worker => record.worker?.0.into(),
        AccessField::Instance => record.instance?.into(),
        AccessField::Parked => record.parked.into(),
        AccessField::Replayed => record.replayed.into(),
        AccessField::Id => record.id.as_str().into(),
        AccessField::Host => record.host.as_str().into(),
        AccessField::UserAgent => record.user_agent.as_deref()?.into(),
        AccessField::Referer => record.referer.as_deref()?.into(),
        AccessField::Subject => record.subject.as_deref()?.into(),
    })
}

/// To the microsecond.
fn milliseconds(time: Duration) -> f64 {
    f64::from(u32::try_from(time.as_micros()).unwrap_or(u32::MAX)) / 1000.0
}

fn combined(record: &Record) -> String {
    let client = record
        .client
        .map_or_else(|| "-".to_owned(), |client| client.to_string());
    format!(
        "{client} - - [{}] \"{} {} {}\" {} {} \"{}\" \"{}\"",
        clock(&record.at.to_string()),
        record.method,
        quotable(&record.path),
        protocol(record.version),
        record.status,
        record.bytes,
        quotable(record.referer.as_deref().unwrap_or("-")),
        quotable(record.user_agent.as_deref().unwrap_or("-")),
    )
}

/// What stands between quotes ends where they do.
fn quotable(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// `22/Nov/2026:09:20:01 +0000` for `2026-11-22T09:20:01.123Z`.
fn clock(at: &str) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let part = |range| at.get(range).unwrap_or_default();
    let month = part(5..7).parse::<usize>().unwrap_or_default();
    let month = MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or("???");
    format!(
        "{}/{month}/{}:{} +0000",
        part(8..10),
        part(0..4),
        part(11..19)
    )
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::*;
    use crate::{explain::code::Code, time::WallTime, words::Generation};

    pub(in super::super) fn record() -> Record {
        Record {
            at: WallTime(1_700_000_000_123),
            client: Some([192, 0, 2, 7].into()),
            method: Method::GET,
            path: "/a".to_owned(),
            version: Version::HTTP_11,
            status: 200,
            code: None,
            end: "completed",
            bytes: 5,
            took: Duration::from_micros(1_500),
            head: Some(Duration::from_micros(1_250)),
            worker: Some(Generation(3)),
            instance: Some(2),
            parked: true,
            replayed: 1,
            id: "7f".to_owned(),
            host: "shop.example".to_owned(),
            user_agent: None,
            referer: None,
            subject: None,
        }
    }

    fn written(format: &Format, record: &Record) -> String {
        let mut line = String::new();
        format.line(record, &mut line);
        line
    }

    #[test]
    fn a_json_line_has_the_chosen_members_in_their_order() {
        let all = Format::Json(AccessField::ALL.to_vec());
        let mut record = record();
        assert_eq!(
            written(&all, &record),
            "{\"at\":\"2023-11-14T22:13:20.123Z\",\"client\":\"192.0.2.7\",\"method\":\"GET\",\
             \"path\":\"/a\",\"protocol\":\"HTTP/1.1\",\"status\":200,\"end\":\"completed\",\
             \"bytes\":5,\"duration_ms\":1.5,\"head_ms\":1.25,\"worker\":3,\
             \"instance\":2,\"parked\":true,\"replayed\":1,\"id\":\"7f\",\
             \"host\":\"shop.example\"}\n"
        );
        record.code = Some(Code::ParkingFull);
        let two = Format::Json(vec![AccessField::Code, AccessField::Bytes]);
        let line = written(&two, &record);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["code"], Code::ParkingFull.to_string());
        assert_eq!(value.as_object().unwrap().len(), 2);
    }

    #[test]
    fn a_combined_line_is_what_tools_for_apache_read() {
        let mut record = record();
        assert_eq!(
            written(&Format::Combined, &record),
            "192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] \"GET /a HTTP/1.1\" 200 5 \"-\" \"-\"\n"
        );
        record.client = None;
        record.user_agent = Some("a\"b\\c\n".to_owned());
        let line = written(&Format::Combined, &record);
        assert!(line.starts_with("- - - ["), "{line}");
        assert!(line.ends_with(" \"-\" \"a\\\"b\\\\c\\n\"\n"), "{line}");
    }

    proptest! {
        #[test]
        fn no_client_can_forge_a_line(path in "(?s).{0,99}", agent in "(?s).{0,99}") {
            let mut record = record();
            (record.path, record.host) = (path.clone(), path);
            (record.referer, record.user_agent) = (Some(agent.clone()), Some(agent));
            for format in [Format::Json(AccessField::ALL.to_vec()), Format::Combined] {
                let line = written(&format, &record);
                let bare = line.strip_suffix('\n').expect("a line break at the end");
                prop_assert!(!bare.contains(char::is_control), "{bare:?}");
                if format != Format::Combined {
                    let value: serde_json::Value = serde_json::from_str(bare).unwrap();
                    prop_assert_eq!(value["path"].as_str(), Some(record.path.as_str()));
                }
            }
        }
    }
}
