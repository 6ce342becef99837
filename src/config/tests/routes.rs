//! Routes: what they become, or what is said of them.

use super::*;

fn read(text: &str) -> Result<Settings, String> {
    options(text, &Overrides::default())
}

#[test]
fn a_route_says_what_is_different_there() {
    let text = "[[route]]\npath = [\"/events/*\", \"/poll\"]\nmethods = \"GET\"\n\
                response = \"none\"\nslow = false\n\
                [[route]]\npath = \"/report\"\nresponse = \"10min\"\nwebsocket = false\n";
    let routes = read(text).unwrap().routes;
    assert!(routes[0].filter.matches("GET", "/Events/1"));
    assert!(!routes[0].filter.matches("POST", "/poll"));
    assert_eq!(routes[0].response, RouteLimit::None);
    assert_eq!((routes[0].slow, routes[0].websocket), (false, true));
    let ten_minutes = std::time::Duration::from_secs(600);
    assert_eq!(routes[1].response, RouteLimit::After(ten_minutes));
    assert_eq!((routes[1].slow, routes[1].websocket), (true, false));
}

#[test]
fn a_route_that_says_nothing_is_told_what_it_could_say() {
    let error = |text: &str| read(text).unwrap_err();
    assert!(error("[[route]]\nslow = false").contains("add path = "));
    assert!(error("[route]\npath = \"/a\"").contains("two brackets"));
    let said = error("[[route]]\npath = \"/a\"\nresponse = \"never\"");
    assert!(said.contains("response"), "{said}");
    let sources = [source(
        "a.toml",
        "worker.command = [\"serve\"]\n[[route]]\npath = \"/a\"",
    )];
    let loaded = load(
        &sources,
        &Overrides::default(),
        &around(&|_| None, &|_| false),
    )
    .unwrap();
    assert_eq!(loaded.warnings[0].what, "this route changes nothing");
}

#[test]
fn a_route_is_told_as_a_sentence() {
    let text = "[[route]]\npath = \"/events/*\"\nresponse = \"none\"\nslow = false";
    let told = describe(&read(text).unwrap());
    let sentence = "Requests to /events/* may take any time to their answer's head, never count as \
                    slow.";
    assert!(told.contains(&sentence.to_owned()), "{told:?}");
}
