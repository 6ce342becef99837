//! The cookie that keeps a client at one of several instances: taken out of its requests, so that
//! no worker sees it, and put into answers (RFC 6265).

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, COOKIE, Entry, SET_COOKIE},
};

use super::identity::X_FORWARDED_PROTO;
use crate::admit::wish::Token;

/// What tells caches for which the answer is not what they may do with it (RFC 9213).
const TARGETED: [HeaderName; 2] = [
    HeaderName::from_static("cdn-cache-control"),
    HeaderName::from_static("surrogate-control"),
];

/// Takes the cookie of this name out of a request. Of several the first that is ours holds; all of
/// them go. What is beside them stays as it is.
pub(super) fn take(headers: &mut HeaderMap, cookie: &str) -> Option<Token> {
    let mut token = None;
    let Entry::Occupied(mut lines) = headers.entry(COOKIE) else {
        return None;
    };
    let mut kept = Vec::new();
    for line in lines.iter() {
        let (mine, others): (Vec<&[u8]>, Vec<&[u8]>) = line
            .as_bytes()
            .split(|byte| *byte == b';')
            .partition(|pair| name(pair) == cookie.as_bytes());
        let mut said = mine
            .into_iter()
            .filter_map(|pair| Token::parse(value(pair)));
        token = token.or_else(|| said.next());
        kept.push(others.join(&b';'));
    }
    let before = lines.iter().map(HeaderValue::as_bytes);
    if before.eq(kept.iter().map(Vec::as_slice)) {
        return None;
    }
    let mut left = kept.iter().filter_map(|line| {
        let line = line.trim_ascii();
        // It is a part of what was a value.
        let value = HeaderValue::from_bytes(line).ok()?;
        (!line.is_empty()).then_some(value)
    });
    match left.next() {
        Some(first) => {
            lines.insert(first);
            left.for_each(|line| lines.append(line));
        }
        None => drop(lines.remove_entry_mult().1.count()),
    }
    token
}

fn name(pair: &[u8]) -> &[u8] {
    let end = pair.iter().position(|byte| *byte == b'=');
    end.map_or(&b""[..], |end| pair[..end].trim_ascii())
}

fn value(pair: &[u8]) -> &[u8] {
    let begin = pair.iter().position(|byte| *byte == b'=');
    let value = begin.map_or(&b""[..], |begin| pair[begin + 1..].trim_ascii());
    let quoted = value.strip_prefix(b"\"");
    let quoted = quoted.and_then(|value| value.strip_suffix(b"\""));
    quoted.unwrap_or(value)
}

/// Puts the cookie into an answer to this request, and keeps caches that others use from storing
/// it: whoever were served from one would be sent to the same instance.
pub(super) fn give(answer: &mut HeaderMap, cookie: &str, token: Token, request: &HeaderMap) {
    let scheme = request.get(X_FORWARDED_PROTO);
    let secure = match scheme.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
    {
        true => "; Secure",
        false => "",
    };
    let text = format!("{cookie}={token}; Path=/; HttpOnly; SameSite=Lax{secure}");
    if let Ok(value) = HeaderValue::try_from(text) {
        answer.append(SET_COOKIE, value);
        guard(answer);
    }
}

/// RFC 9111 section 7.3: a cookie does not keep an answer from being stored.
fn guard(answer: &mut HeaderMap) {
    let said = answer.get_all(CACHE_CONTROL).iter();
    let said: Vec<&str> = said.filter_map(|line| line.to_str().ok()).collect();
    let said = said.join(",");
    let directives = said.split(',').map(str::trim).filter(|one| !one.is_empty());
    let is = |one: &str, name: &str| one.eq_ignore_ascii_case(name);
    let shared = |one: &&str| {
        let name = one.split('=').next().unwrap_or_default().trim_end();
        is(name, "public") || is(name, "s-maxage")
    };
    if !directives
        .clone()
        .any(|one| is(one, "private") || is(one, "no-store"))
    {
        // A comma within quotes ends no directive, but what is left there is left in its order.
        let mut kept: Vec<&str> = directives.filter(|one| !shared(one)).collect();
        kept.push("private");
        if let Ok(value) = HeaderValue::try_from(kept.join(", ")) {
            answer.insert(CACHE_CONTROL, value);
        }
    }
    for name in TARGETED {
        if answer.contains_key(&name) {
            answer.insert(name, HeaderValue::from_static("private"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "at";

    fn taken(lines: &[&str]) -> (Option<Token>, Vec<String>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
        }
        let token = take(&mut headers, NAME);
        let left = headers.get_all(COOKIE).iter();
        let left = left.map(|line| line.to_str().unwrap().to_owned());
        (token, left.collect())
    }

    #[test]
    fn the_cookie_is_found_among_others_and_they_stay_as_they_are() {
        let (one, two) = (Token::of(1), Token::of(2));
        let some = |text: &str| vec![text.to_owned()];
        let at = |text: &str| {
            text.replace("ONE", &one.to_string())
                .replace("TWO", &two.to_string())
        };
        for (lines, token, left) in [
            (vec!["at=ONE"], Some(one), vec![]),
            (
                vec!["a=b; at=ONE; c=\"d;e\""],
                Some(one),
                some("a=b; c=\"d;e\""),
            ),
            (vec!["at=\"ONE\"; a=b"], Some(one), some("a=b")),
            (vec!["at = ONE ;a=b;"], Some(one), some("a=b;")),
            // The first that is one holds, and none is passed on.
            (vec!["at=ONE; at=TWO"], Some(one), vec![]),
            (vec!["at=nonsense; at=TWO; at"], Some(two), some("at")),
            (
                vec!["a=b", "at=TWO; c=d", "at=ONE"],
                Some(two),
                vec!["a=b".into(), "c=d".into()],
            ),
            (vec!["at=; a=b"], None, some("a=b")),
            // Not ours.
            (
                vec!["AT=ONE; xat=1; at1; =at=ONE"],
                None,
                some("AT=ONE; xat=1; at1; =at=ONE"),
            ),
            (
                vec!["a=b;; c ; ; =;  d=at=ONE"],
                None,
                some("a=b;; c ; ; =;  d=at=ONE"),
            ),
            (vec![""], None, some("")),
            (vec![], None, vec![]),
        ] {
            let written: Vec<String> = lines.iter().map(|line| at(line)).collect();
            let written: Vec<&str> = written.iter().map(String::as_str).collect();
            let left: Vec<String> = left.iter().map(|line| at(line)).collect();
            assert_eq!(taken(&written), (token, left), "{lines:?}");
        }
    }

    #[test]
    fn bytes_beyond_ascii_in_another_cookie_stay() {
        let mut headers = HeaderMap::new();
        let line = [&b"a=\xff\xc3; at="[..], Token::of(3).to_string().as_bytes()].concat();
        headers.insert(COOKIE, HeaderValue::from_bytes(&line).unwrap());
        assert_eq!(take(&mut headers, NAME), Some(Token::of(3)));
        assert_eq!(headers[COOKIE].as_bytes(), b"a=\xff\xc3");
    }

    fn given(lines: &[(&'static str, &str)], scheme: &str) -> HeaderMap {
        let (mut answer, mut request) = (HeaderMap::new(), HeaderMap::new());
        request.insert(X_FORWARDED_PROTO, HeaderValue::from_str(scheme).unwrap());
        for (name, value) in lines {
            answer.append(*name, HeaderValue::from_str(value).unwrap());
        }
        give(&mut answer, NAME, Token::of(0), &request);
        answer
    }

    #[test]
    fn it_is_given_to_no_script_and_over_tls_alone_where_there_is_tls() {
        let token = Token::of(0);
        let plain = given(&[("set-cookie", "a=b")], "http");
        let cookies: Vec<_> = plain.get_all(SET_COOKIE).iter().collect();
        let expected = format!("at={token}; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(cookies, ["a=b", expected.as_str()]);
        let secure = &given(&[], "https")[SET_COOKIE];
        assert_eq!(secure, &format!("{expected}; Secure"));
    }

    #[test]
    fn no_cache_that_others_use_may_store_it() {
        for (said, left) in [
            (&[][..], "private"),
            (&["max-age=60"], "max-age=60, private"),
            (
                &["Public, max-age=60, s-maxage = 600"],
                "max-age=60, private",
            ),
            (&["public", "immutable"], "immutable, private"),
            (&["private=\"x\""], "private=\"x\", private"),
            (&["no-store"], "no-store"),
            (&["max-age=1, PRIVATE"], "max-age=1, PRIVATE"),
            (&["no-cache"], "no-cache, private"),
        ] {
            let lines: Vec<_> = said.iter().map(|line| ("cache-control", *line)).collect();
            let answer = given(&lines, "http");
            assert_eq!(answer.get_all(CACHE_CONTROL).iter().count(), 1);
            assert_eq!(answer[CACHE_CONTROL], left, "{said:?}");
            assert!(!answer.contains_key("cdn-cache-control"));
        }
        let answer = given(&[("cdn-cache-control", "max-age=600")], "http");
        assert_eq!(answer["cdn-cache-control"], "private");
    }
}
