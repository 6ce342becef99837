//! What names in a template come to, and what is said of one that comes to nothing.

use super::*;

const TEMPLATE: &str = r#"{
    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    "parameters": { "count": { "type": "int", "defaultValue": 7 }, "window": { "type": "string" } },
    "variables": { "again": "[variables('again')]", "a": { "b": ["x", "00:01:00"] } },
    "resources": [ { "type": "Microsoft.Web/sites", "name": "shop", "properties": {
        "siteConfig": { "autoHealEnabled": true, "autoHealRules": { "triggers": {
            "requests": { "count": COUNT, "timeInterval": WINDOW } },
            "actions": { "actionType": "Recycle", "minProcessExecutionTime": "00:10:00" } } }
    } } ] }"#;

fn template(count: &str, window: &str) -> String {
    let quoted = |text: &str| format!("\"{text}\"");
    let text = TEMPLATE.replace("COUNT", &quoted(count));
    text.replace("WINDOW", &quoted(window))
}

/// The count and the seconds of the only rule.
fn counted(sources: &[Source]) -> (u32, u64) {
    use crate::decide::trigger::Trigger;
    let loaded = match read_all(sources) {
        Ok(loaded) => loaded,
        Err(found) => panic!("{}", found[0].render(false)),
    };
    match &loaded.settings.policy.rules[0].when {
        Trigger::Requests { count, window, .. } => (*count, window.unwrap().as_secs()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn expressions_are_worked_out_from_the_template() {
    for (window, secs) in [
        ("[variables('a').b[1]]", 60),
        ("[VARIABLES('A')['B'][1]]", 60),
        ("[concat('00:', '02', ':00')]", 120),
        ("[format('00:0{0}:{1}0', 3, string(0))]", 180),
        (
            "[if(equals(parameters('count'), 7), '00:04:00', reference('x').y)]",
            240,
        ),
        (
            "[if(or(false(), not(true())), '00:04:00', '00:05:00')]",
            300,
        ),
        ("00:06:00", 360),
    ] {
        let text = template("[parameters('COUNT')]", window);
        assert_eq!(counted(&[source("a.json", &text)]), (7, secs), "{window}");
    }
}

#[test]
fn a_parameters_file_may_stand_before_or_after_its_template() {
    let text = template("[parameters('count')]", "[parameters('window')]");
    let values =
        r#"{ "parameters": { "Count": { "value": 9 }, "window": { "value": "00:01:00" } } }"#;
    let (template, values) = (source("a.json", &text), source("a.parameters.json", values));
    let later = source("b.json", r#"{ "count": { "value": 11 } }"#);
    assert_eq!(counted(&[template.clone(), values.clone()]), (9, 60));
    assert_eq!(counted(&[values.clone(), template.clone()]), (9, 60));
    assert_eq!(counted(&[values, later, template]), (11, 60));
}

#[test]
fn what_can_t_be_worked_out_is_named_with_what_to_write() {
    for (window, what, cure) in [
        (
            "[parameters('window')]",
            "the parameter window has no value",
            "\"window\": { \"value\"",
        ),
        (
            "[parameters('windo')]",
            "the template has no parameter windo",
            "did you mean 'window'?",
        ),
        (
            "[variables('aa')]",
            "the template has no variable aa",
            "did you mean 'a'?",
        ),
        (
            "[variables('a').c]",
            "there is no \"c\" in this value",
            "one of its properties",
        ),
        (
            "[variables('again')]",
            "refer to each other without end",
            "write the value out",
        ),
        (
            "[reference('x').y]",
            "reference(...) can't be worked out here",
            "in its place",
        ),
        ("[a-z]", "[a-z] is not an expression", "has [[ there"),
        (
            "[if('x', 1, 2)]",
            "if(...) can't take what it is given",
            "write the value",
        ),
        (
            "[[00:01:00]",
            "timeInterval wants hh:mm:ss, not \"[00:01:00]\"",
            "hours:minutes",
        ),
    ] {
        let shown = told(&template("5", window));
        assert!(
            shown.contains(what) && shown.contains(cure),
            "{window}: {shown}"
        );
        assert!(!shown.contains("has no timeInterval"), "{window}: {shown}");
    }
}

#[test]
fn what_is_in_a_key_vault_is_said_to_be_there() {
    let values = r#"{ "parameters": { "window": { "reference": {
        "keyVault": { "id": "/v" }, "secretName": "s" } } } }"#;
    let text = template("5", "[parameters('window')]");
    let found = read_all(&[source("p.json", values), source("a.json", &text)]).unwrap_err();
    let shown = found[0].render(false);
    assert!(
        shown.contains("the parameter window is in a key vault"),
        "{shown}"
    );
    assert!(shown.contains("p.json:1:"), "{shown}");
}

#[test]
fn values_that_double_each_other_end() {
    let doubling = |i: usize| {
        format!(
            "\"v{i}\": \"[concat(variables('v{0}'), variables('v{0}'))]\",",
            i + 1
        )
    };
    let variables: String = (0..40).map(doubling).collect();
    let text = template("5", "[variables('v0')]");
    let text = text.replace(
        "\"again\"",
        &format!("{variables} \"v40\": \"x\", \"again\""),
    );
    assert!(told(&text).contains("too large to work out"));
}
