//! Dependencies: what they become, or what is said of them.

use super::*;

fn read(text: &str) -> Result<Settings, String> {
    options(text, &Overrides::default())
}

#[test]
fn a_dependency_has_a_name_and_an_address_and_is_told_as_a_sentence() {
    let text = "[[dependency]]\nname = \"db\"\naddress = \"db:5432\"\n\
                [[dependency]]\nname = \"auth\"\naddress = \"unix:run/auth.sock\"\n\
                path = \"/up\"\ninterval = \"1min\"\nfailures = 3\n";
    let read = read(text).unwrap();
    let all = &read.policy.dependencies;
    assert_eq!(
        (all[0].address.to_string().as_str(), all[0].failures),
        ("db:5432", 2)
    );
    assert_eq!(all[1].path.as_deref(), Some("/up"));
    assert!(all[1].address.to_string().ends_with("/run/auth.sock"));
    let told = describe(&read).join("\n");
    let sentence = "Dependency \"db\" at db:5432 is asked whether it takes a connection every 10s; \
                    while it is down (2 failures in a row), status, slow and health do not \
                    recycle.";
    assert!(told.contains(sentence), "{told}");
    assert!(told.contains("is asked for /up every 1min"), "{told}");
}

#[test]
fn what_is_no_dependency_is_told_how_to_become_one() {
    let error = |text: &str| read(text).unwrap_err();
    assert!(error("[[dependency]]\nname = \"db\"").contains("add address = "));
    assert!(error("[dependency]\nname = \"db\"").contains("two brackets"));
    let one = "[[dependency]]\nname = \"db\"\naddress = \"db:1\"\n";
    assert!(error(&one.repeat(2)).contains("two dependencies are called \"db\""));
    let many: String = (0..17)
        .map(|number| one.replace("\"db\"", &format!("\"{number}\"")))
        .collect();
    assert!(error(&many).contains("more than 16 dependencies"));
    assert!(error(&one.replace("db:1", "http://db/")).contains("leave out http://"));
}
