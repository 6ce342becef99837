//! Heads as they come and as they go on.

use std::time::Duration;

use super::{
    super::identity::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO},
    *,
};

const TARGET_MAX: usize = 16 * 1024;

fn head(lines: &[(&str, &str)]) -> Parts {
    let mut builder = http::Request::builder().uri("/x?y=1");
    for (name, value) in lines {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn peer() -> Peer {
    Peer {
        ip: Some([192, 0, 2, 7].into()),
        value: HeaderValue::from_static("192.0.2.7"),
        scheme: HeaderValue::from_static("http"),
        shown: None,
    }
}

fn settings(trust: bool) -> Settings {
    Settings {
        several: false,
        mode: crate::words::Mode::Heal,
        response_timeout: None,
        connect_timeout: Duration::ZERO,
        tunnel_idle: Duration::ZERO,
        tunnel_drain: Duration::ZERO,
        keep_alive: Duration::ZERO,
        idle_connections: 0,
        affinity: Some("at".to_owned()),
        cap: crate::admit::overload::Cap::None,
        waiting: crate::admit::lot::Limits {
            parked: 0,
            queued: 0,
            bytes: 0,
        },
        parking_wait: Duration::ZERO,
        queue_wait: Duration::ZERO,
        per_client: crate::forward::thread::PerClient {
            parked: 0,
            queued: 0,
        },
        parking_probe: None,
        target_max: TARGET_MAX,
        head_max: 64 * 1024,
        fields_max: 100,
        forwarded: false,
        trusted: Box::new(move |_| trust),
        via: [
            HeaderValue::from_static("1.1 autoheal-t"),
            HeaderValue::from_static("2.0 autoheal-t"),
        ],
    }
}

fn prepared(mut head: Parts, trust: bool) -> Result<(Parts, Noted), Code> {
    let id = || HeaderValue::from_static("ours");
    let noted = prepare(&mut head, &peer(), &settings(trust), id)?;
    Ok((head, noted))
}

fn refusal(lines: &[(&str, &str)]) -> Option<Code> {
    prepared(head(lines), false).err()
}

#[test]
fn exactly_one_valid_host_is_wanted() {
    assert_eq!(refusal(&[]), Some(Code::BadHost));
    assert_eq!(
        refusal(&[("host", "a"), ("host", "a")]),
        Some(Code::BadHost)
    );
    for bad in ["", "a b", "a/b", "user@a", "a:b", "[::1", "a:123456"] {
        assert_eq!(refusal(&[("host", bad)]), Some(Code::BadHost), "{bad}");
    }
    for good in ["a", "a.b:80", "[::1]:8080", "127.0.0.1", "a:"] {
        assert_eq!(refusal(&[("host", good)]), None, "{good}");
    }
    let mut old = head(&[]);
    old.version = Version::HTTP_10;
    assert!(prepared(old, false).is_ok());
}

#[test]
fn framing_that_could_be_read_in_two_ways_is_refused() {
    let with = |extra: &[(&str, &str)]| {
        let mut lines = vec![("host", "a")];
        lines.extend_from_slice(extra);
        refusal(&lines)
    };
    let te = "transfer-encoding";
    assert_eq!(with(&[(te, "Chunked")]), None);
    for bad in [",chunked", "chunked, chunked", "identity"] {
        assert_eq!(with(&[(te, bad)]), Some(Code::AmbiguousFraming), "{bad}");
    }
    assert_eq!(
        with(&[(te, "chunked"), (te, "chunked")]),
        Some(Code::AmbiguousFraming)
    );
    assert_eq!(
        with(&[(te, "gzip, chunked")]),
        Some(Code::UnknownTransferCoding)
    );
    assert_eq!(
        with(&[(te, "chunked"), ("content-length", "3")]),
        Some(Code::AmbiguousFraming)
    );
    for bad in ["+3", "3,3", "-1", "0x3", "", "9999999999999999999"] {
        assert_eq!(
            with(&[("content-length", bad)]),
            Some(Code::AmbiguousFraming),
            "{bad}"
        );
    }
    let (clean, _) = prepared(
        head(&[
            ("host", "a"),
            ("content-length", "010"),
            ("content-length", "010"),
        ]),
        false,
    )
    .unwrap();
    let lengths: Vec<_> = clean.headers.get_all(CONTENT_LENGTH).iter().collect();
    assert_eq!(lengths, ["10"]);
}

#[test]
fn targets_are_origin_form_or_made_so() {
    let at = |method: Method, uri: &str| {
        let mut head = head(&[("host", "a")]);
        (head.method, head.uri) = (method, uri.parse().unwrap());
        prepared(head, false)
    };
    let (absolute, _) = at(Method::GET, "http://b:81/x?q").unwrap();
    assert_eq!(
        (absolute.uri.to_string().as_str(), &absolute.headers[HOST]),
        ("/x?q", &HeaderValue::from_static("b:81"))
    );
    let (no_path, _) = at(Method::GET, "http://b?q").unwrap();
    assert_eq!(no_path.uri.to_string(), "/?q");
    assert_eq!(at(Method::GET, "ftp://b/x").unwrap_err(), Code::BadTarget);
    assert_eq!(
        at(Method::GET, "http://u@b/x").unwrap_err(),
        Code::BadTarget
    );
    assert_eq!(at(Method::GET, "*").unwrap_err(), Code::BadTarget);
    assert!(at(Method::OPTIONS, "*").is_ok());
    assert_eq!(
        at(Method::TRACE, "/").unwrap_err(),
        Code::MethodNotForwarded
    );
    let long = format!("/{}", "x".repeat(TARGET_MAX));
    assert_eq!(at(Method::GET, &long).unwrap_err(), Code::TargetTooLong);
}

#[test]
fn what_is_for_one_hop_is_not_sent_on() {
    let (clean, _) = prepared(
        head(&[
            ("host", "a"),
            ("connection", "x-one, Host"),
            ("connection", "x-two"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("keep-alive", "5"),
            ("proxy-connection", "close"),
            ("upgrade", "h2c"),
            ("te", "trailers, gzip"),
            ("expect", "100-Continue"),
        ]),
        false,
    )
    .unwrap();
    let mut names: Vec<_> = clean.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "connection",
            "host",
            "te",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-request-id"
        ]
    );
    assert_eq!(clean.headers[TE], "trailers");
    assert_eq!(clean.headers[CONNECTION], "te");
    assert_eq!(
        refusal(&[("host", "a"), ("expect", "x")]),
        Some(Code::ExpectationFailed)
    );
}

#[test]
fn only_a_trusted_peers_word_is_passed_on() {
    let said = [
        ("host", "a"),
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=1"),
    ];
    let (trusted, _) = prepared(head(&said), true).unwrap();
    assert_eq!(
        trusted.headers[X_FORWARDED_FOR],
        "1.1.1.1, 2.2.2.2, 192.0.2.7"
    );
    assert_eq!(trusted.headers[X_FORWARDED_PROTO], "https");
    assert_eq!(trusted.headers[X_FORWARDED_HOST], "a");
    let (stranger, _) = prepared(head(&said), false).unwrap();
    assert_eq!(stranger.headers[X_FORWARDED_FOR], "192.0.2.7");
    assert_eq!(stranger.headers[X_FORWARDED_PROTO], "http");
    assert!(!stranger.headers.contains_key("forwarded"));
}

#[test]
fn a_request_that_comes_back_is_noted_and_then_refused() {
    let via = "1.1 autoheal-t";
    let twice = head(&[
        ("host", "a"),
        ("via", "1.0 x, 1.1 autoheal-t"),
        ("via", via),
    ]);
    assert!(prepared(twice, false).unwrap().1.came_back);
    let thrice = head(&[("host", "a"), ("via", via), ("via", via), ("via", via)]);
    assert_eq!(prepared(thrice, false).unwrap_err(), Code::Loop);
    assert!(
        !prepared(head(&[("host", "a"), ("via", "1.1 other")]), false)
            .unwrap()
            .1
            .came_back
    );
}

#[test]
fn a_foreign_request_id_is_kept_only_if_it_is_harmless_and_from_a_trusted_peer() {
    let id = |value: &str, trust| {
        let (clean, _) = prepared(head(&[("host", "a"), ("x-request-id", value)]), trust).unwrap();
        clean.headers[X_REQUEST_ID].clone()
    };
    assert_eq!(id("abc-123", true), "abc-123");
    assert_eq!(id("abc-123", false), "ours");
    assert_eq!(id("a b", true), "ours");
    assert_eq!(id(&"x".repeat(65), true), "ours");
}

#[test]
fn a_trace_is_passed_on_as_it_came_and_none_is_begun() {
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let passed = |parent: &str| {
        let said = [
            ("host", "a"),
            ("traceparent", parent),
            ("tracestate", "a=1"),
        ];
        let (clean, _) = prepared(head(&said), false).unwrap();
        let both = ["traceparent", "tracestate"].map(|name| clean.headers.get(name).cloned());
        both.map(|value| value.map(|value| value.to_str().unwrap().to_owned()))
    };
    assert_eq!(
        passed(good),
        [Some(good.to_owned()), Some("a=1".to_owned())]
    );
    assert_eq!(passed("00-x"), [None, None]);
    let (clean, _) = prepared(head(&[("host", "a")]), false).unwrap();
    assert!(!clean.headers.contains_key("traceparent"));
    assert!(!clean.headers.contains_key("forwarded"));
}

#[test]
fn the_cookie_of_an_instance_is_taken_out_of_crumbs_and_lines_alike() {
    let token = Token::of(2);
    let at = format!("at={token}");
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut head = head(&[("host", "a"), ("cookie", "a=b"), ("cookie", &at)]);
        head.headers.append(COOKIE, HeaderValue::from_static("c=d"));
        head.version = version;
        let (head, noted) = prepared(head, false).unwrap();
        assert_eq!(noted.wants, Some(token));
        let left = head.headers.get_all(COOKIE).iter();
        let left: Vec<&[u8]> = left.map(HeaderValue::as_bytes).collect();
        assert_eq!(left.join(&b"; "[..]), b"a=b; c=d");
    }
}
