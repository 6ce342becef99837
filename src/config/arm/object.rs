//! An object inside `autoHealRules`: its scalars as App Service means them, its parts, and what
//! does not belong in it.

use std::time::Duration;

use super::{
    super::{
        app_service::{Part, Written, timespan},
        diagnostic::{Report, Span},
        document::{Entry, Node, Table, Value},
        keys,
    },
    evaluate::UNRESOLVED,
};

/// What an object may hold.
pub(super) struct Shape {
    /// Numbers and texts.
    pub(super) scalars: &'static [&'static str],
    /// Objects and lists.
    pub(super) parts: &'static [&'static str],
    /// Names that people write, and what to write instead.
    pub(super) wrong: &'static [(&'static str, &'static str)],
}

/// An object whose keys are known.
pub(super) struct Object<'a> {
    name: String,
    span: Span,
    scalars: Vec<Scalar>,
    parts: Vec<(&'static str, &'a Entry)>,
    /// Keys that are there or were meant, but not as they should be, which is reported.
    unread: Vec<String>,
}

struct Scalar {
    name: &'static str,
    text: String,
    span: Span,
}

impl<'a> Object<'a> {
    /// Reads `node`, which people know as `name`; what does not belong in it is reported.
    pub(super) fn read(
        name: impl Into<String>,
        node: &'a Node,
        shape: &Shape,
        report: &mut Report,
    ) -> Option<Self> {
        let name = name.into();
        let table = match &node.value {
            Value::Table(table) => table,
            Value::Null | Value::Other(UNRESOLVED) => return None,
            _ => {
                let key = shape.scalars.iter().chain(shape.parts).next();
                report.error(
                    node.span,
                    format!("{name} wants an object, not {}", kind(node)),
                    format!("write {{ \"{}\": ... }}", key.unwrap_or(&"key")),
                );
                return None;
            }
        };
        let mut object = Self {
            span: first_line(node, report),
            name,
            scalars: Vec::new(),
            parts: Vec::new(),
            unread: Vec::new(),
        };
        object.fill(table, shape, report);
        Some(object)
    }

    fn fill(&mut self, table: &'a Table, shape: &Shape, report: &mut Report) {
        let mut seen: Vec<&str> = Vec::new();
        for entry in &table.0 {
            if report.is_full() {
                return;
            }
            let find = |known: &'static [&'static str]| {
                let mut known = known.iter().copied();
                known.find(|name| name.eq_ignore_ascii_case(&entry.key))
            };
            let (scalar, part) = (find(shape.scalars), find(shape.parts));
            let Some(name) = scalar.or(part) else {
                self.unknown(entry, shape, report);
                continue;
            };
            if seen.contains(&name) {
                report.error(
                    entry.key_span,
                    format!("\"{}\" stands twice in {}", entry.key, self.name),
                    "keep one of them; ARM does not tell capital letters apart",
                );
                continue;
            }
            seen.push(name);
            match (scalar, &entry.node.value) {
                (_, Value::Null) => {}
                (Some(name), _) => self.scalar(name, &entry.node, report),
                (None, Value::Other(UNRESOLVED)) => self.unread.push(name.to_owned()),
                (None, _) => self.parts.push((name, entry)),
            }
        }
    }

    fn scalar(&mut self, name: &'static str, node: &Node, report: &mut Report) {
        let text = match &node.value {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            other => {
                self.unread.push(name.to_owned());
                if !matches!(other, Value::Other(UNRESOLVED)) {
                    let example = example(name);
                    report.error(
                        node.span,
                        format!("{name} can't be {}", kind(node)),
                        format!("write it like {}", self.pair(name, example)),
                    );
                }
                return;
            }
        };
        // Of the numbers only an action's kind has a 0 that means something.
        let is_nothing = match text.trim() {
            "" => true,
            "0" => name != "actionType",
            text => matches!(timespan::parse(name, text), Ok(Duration::ZERO)),
        };
        if !is_nothing {
            self.scalars.push(Scalar {
                name,
                text,
                span: node.span,
            });
        }
    }

    fn unknown(&mut self, entry: &Entry, shape: &Shape, report: &mut Report) {
        let key = entry.key.as_str();
        let known: Vec<_> = shape.scalars.iter().chain(shape.parts).copied().collect();
        let mut wrong = shape.wrong.iter();
        let wrong = wrong.find(|(wrong, _)| wrong.eq_ignore_ascii_case(key));
        let cure = match (wrong, keys::nearest(key, &known)) {
            (Some((_, cure)), _) => (*cure).to_owned(),
            (None, Some(near)) => format!("did you mean {near}?"),
            (None, None) => {
                self.unread.push(key.to_owned());
                let cure = format!("remove it, or use one of: {}", known.join(", "));
                report.error(entry.key_span, format!("{} has no {key}", self.name), cure);
                return;
            }
        };
        let what = format!("{} has no {key}", self.name);
        // What was meant by it is not missing too.
        let meant = known.iter().filter(|known| cure.contains(**known));
        self.unread.extend(meant.map(|known| (*known).to_owned()));
        report.error(entry.key_span, what, cure);
    }

    /// Its parts that are there and not `null`, in the order of the file.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'static str, &'a Entry)> + '_ {
        self.parts.iter().copied()
    }

    pub(super) fn part(&self, name: &str) -> Option<&'a Entry> {
        self.parts().find(|(found, _)| *found == name).map(|p| p.1)
    }

    /// Whether it says nothing, as exported templates have it of what is not set.
    pub(super) fn is_blank(&self) -> bool {
        self.scalars.is_empty() && self.parts.is_empty() && self.unread.is_empty()
    }

    /// Puts another word for the value of `name`.
    pub(super) fn translate(&mut self, name: &str, word: impl Fn(&str) -> Option<&'static str>) {
        let scalar = self.scalars.iter_mut().find(|scalar| scalar.name == name);
        if let Some(scalar) = scalar
            && let Some(word) = word(scalar.text.trim())
        {
            word.clone_into(&mut scalar.text);
        }
    }

    /// The same object, but one that begins at its value `name`.
    pub(super) fn at(&self, name: &'static str) -> Option<Self> {
        let scalar = self.scalars.iter().find(|scalar| scalar.name == name)?;
        Some(Self {
            name: self.name.clone(),
            span: scalar.span,
            scalars: vec![Scalar {
                name,
                text: scalar.text.clone(),
                span: scalar.span,
            }],
            parts: Vec::new(),
            unread: Vec::new(),
        })
    }
}

impl Part for Object<'_> {
    fn span(&self) -> Span {
        self.span
    }

    fn shown(&self) -> String {
        self.name.clone()
    }

    fn value(&self, name: &str) -> Option<Written<'_>> {
        let scalar = self.scalars.iter().find(|scalar| scalar.name == name)?;
        Some(Written {
            text: &scalar.text,
            span: scalar.span,
        })
    }

    fn need(&self, name: &str, example: &str, report: &mut Report) -> Option<Written<'_>> {
        let found = self.value(name);
        if found.is_none() && !self.unread.iter().any(|unread| unread == name) {
            report.error(
                self.span,
                format!("{} has no {name}", self.name),
                format!("add {}", self.pair(name, example)),
            );
        }
        found
    }

    fn pair(&self, name: &str, value: &str) -> String {
        let is_number = value == "NUMBER" || value.bytes().all(|byte| byte.is_ascii_digit());
        match is_number && !value.is_empty() {
            true => format!("\"{name}\": {value}"),
            false => format!("\"{name}\": \"{value}\""),
        }
    }

    fn nested(&self, name: &str, pairs: &[(&str, &str)]) -> String {
        let pairs = pairs.iter().map(|(name, value)| self.pair(name, value));
        let pairs: Vec<_> = pairs.collect();
        format!("\"{name}\": {{ {} }}", pairs.join(", "))
    }
}

/// What a value is, in the words of JSON.
pub(super) fn kind(node: &Node) -> String {
    match &node.value {
        Value::List(_) => "an array".to_owned(),
        Value::Table(_) => "an object".to_owned(),
        _ => node.kind(),
    }
}

/// A value that fits a name.
fn example(name: &str) -> &'static str {
    match name {
        "timeInterval" | "minProcessExecutionTime" => "00:02:00",
        "timeTaken" => "00:00:30",
        "path" => "/checkout/*",
        "statusCodes" => "500-599",
        "actionType" => "Recycle",
        "exe" | "parameters" => "...",
        "privateBytesInKB" => "819200",
        "status" => "500",
        _ => "10",
    }
}

fn first_line(node: &Node, report: &Report) -> Span {
    let text = report.text(node.span);
    let length = text.lines().next().map_or(0, str::len);
    Span {
        end: node.span.start + length,
        ..node.span
    }
}
