//! config/autoheal.schema.json is made here, out of the table of keys, the shapes of their values,
//! and the words and defaults of config/autoheal.toml. `autoheal schema` prints the file.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{header, keys, shipped};

mod access_shapes;
mod agreement;
mod attach_shapes;
mod crash_shapes;
mod dependency_shapes;
mod health_shapes;
mod instance_shapes;
mod rule_shapes;
mod shapes;
mod tls_shapes;

use shapes::{ONE_OF, REQUIRED, Shape};

const FILE: &str = "config/autoheal.schema.json";

/// Every table of the configuration and its keys.
fn tables() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    keys::KEYS.iter().copied().chain(keys::RULE_KEYS)
}

fn shape(table: &str, key: &str) -> Option<(Shape, &'static str)> {
    let mut all = shapes::all();
    let found = all.find(|(at, name, ..)| *at == table && *name == key);
    found.map(|(_, _, shape, words)| (*shape, *words))
}

#[test]
fn every_key_has_a_shape_and_every_shape_a_key() {
    let has = |(table, all): (&'static str, &'static [&'static str])| {
        all.iter().map(move |key| (table, *key))
    };
    let keys: BTreeSet<_> = tables().flat_map(has).collect();
    let shapes: BTreeSet<_> = shapes::all().map(|(at, key, ..)| (*at, *key)).collect();
    assert_eq!(keys.difference(&shapes).collect::<Vec<_>>(), [&("", ""); 0]);
    assert_eq!(shapes.difference(&keys).collect::<Vec<_>>(), [&("", ""); 0]);
    assert_eq!(shapes.len(), shapes::all().count(), "a key has two shapes");
}

#[test]
fn the_shipped_schema_is_current() {
    let made = format!("{:#}\n", schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    let shipped = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        shipped == made,
        "{FILE} is out of date: UPDATE_SCHEMA=1 cargo test --lib schema"
    );
}

fn schema() -> Value {
    let documented = documented();
    let mut definitions = Map::new();
    for (name, all) in tables().filter(|(name, _)| !name.is_empty()) {
        definitions.insert(name.to_owned(), table(name, all, &documented));
    }
    let (_, front) = tables().find(|(name, _)| name.is_empty()).unwrap();
    let mut root = table("", front, &documented);
    root["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    root["title"] = "autoheal.toml".into();
    root["description"] = "The configuration of autoheal, a self-healing reverse proxy.".into();
    root["definitions"] = Value::Object(definitions);
    root
}

fn table(name: &str, all: &[&str], documented: &Documented) -> Value {
    let mut properties = Map::new();
    for key in all {
        let (shape, words) = shape(name, key).unwrap();
        let mut value = of(shape);
        let found = documented.get(&(name.to_owned(), (*key).to_owned()));
        let words = match (words, found) {
            ("", Some((words, _))) => words.as_str(),
            (words, _) => words,
        };
        assert!(!words.is_empty(), "{name}.{key} has no description");
        if value.get("$ref").is_some() {
            // What stands beside a reference is not looked at in this version of JSON Schema.
            value = json!({ "allOf": [value] });
        }
        let bounds = bounds(shape).map(|bounds| format!("\n\n{bounds}"));
        value["description"] = format!("{words}{}", bounds.unwrap_or_default()).into();
        if let Some((_, Some(default))) = found {
            value["default"] = default.clone();
        }
        properties.insert((*key).to_owned(), value);
    }
    let mut table = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if let Some((_, required)) = REQUIRED.iter().find(|(at, _)| *at == name) {
        table["required"] = json!(required);
    }
    if let Some((_, one)) = ONE_OF.iter().find(|(at, _)| *at == name) {
        let each = one.iter().map(|key| json!({ "required": [key] }));
        table["oneOf"] = each.collect();
    }
    table
}

fn of(shape: Shape) -> Value {
    match shape {
        Shape::Any(all) => json!({ "anyOf": all.iter().map(|one| of(*one)).collect::<Vec<_>>() }),
        Shape::Count(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Shape::Env => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::List(one) => json!({ "type": "array", "minItems": 1, "items": of(*one) }),
        Shape::Nothing => json!({ "type": "array", "maxItems": 0 }),
        Shape::OneOrMore(one) => json!({ "anyOf": [of(*one), of(Shape::List(one))] }),
        Shape::Share => pattern("^\\s*[0-9]+(\\.[0-9]{0,2})?\\s*%\\s*$"),
        Shape::Size(..) => pattern("^\\s*[0-9]*\\.?[0-9]*\\s*([KMGTkmgt][Ii]?)?[Bb]\\s*$"),
        Shape::Table(name) => json!({ "$ref": format!("#/definitions/{name}") }),
        Shape::Tables(name) => json!({ "type": "array", "items": of(Shape::Table(name)) }),
        Shape::Text(text, ..) => pattern(text),
        Shape::Time(..) => pattern("^\\s*(0|([0-9.]+\\s*[a-zA-Z\u{b5}]+\\s*)+)\\s*$"),
        Shape::Words(words) => json!({ "type": "string", "enum": words }),
    }
}

fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// The bounds that a pattern can't say, in words.
fn bounds(shape: Shape) -> Option<String> {
    use crate::units::{ByteSize, format_duration};
    let time = |ms| format_duration(std::time::Duration::from_millis(ms));
    match shape {
        Shape::Size(least, most) => {
            let (least, most) = (ByteSize(least).human(), ByteSize(most).human());
            Some(format!("A size from {least} to {most}."))
        }
        Shape::Time(least, most) => Some(format!(
            "A duration from {} to {}.",
            time(least),
            time(most)
        )),
        _ => None,
    }
}

/// By table and key: the words over it in the shipped file, and its default.
type Documented = BTreeMap<(String, String), (String, Option<Value>)>;

fn documented() -> Documented {
    let (mut found, mut section) = (Documented::new(), String::new());
    let (mut words, mut over_key) = (Vec::new(), false);
    for line in shipped().lines() {
        if let Some(header) = header(line) {
            section = header.to_owned();
            words.clear();
            continue;
        }
        let (bare, is_default) = match (line.strip_prefix("# "), line.strip_prefix('#')) {
            (Some(bare), _) => (bare, false),
            (None, Some(bare)) => (bare, true),
            (None, None) => {
                words.clear();
                continue;
            }
        };
        let pair = bare.split_once(" = ");
        let pair = pair.filter(|(key, _)| keys::of(&section).contains(key));
        let Some((key, value)) = pair else {
            // Words after a key begin anew.
            if std::mem::take(&mut over_key) {
                words.clear();
            }
            words.push(bare);
            continue;
        };
        over_key = true;
        let default = is_default.then(|| default(key, value));
        let at = (section.clone(), key.to_owned());
        found.insert(at, (words.join(" "), default));
    }
    found
}

fn default(key: &str, value: &str) -> Value {
    let text = format!("{key} = {value}");
    let read: Map<String, Value> = toml::from_str(&text).unwrap();
    read[key].clone()
}
