//! One tree for every format: values with the place each was written at.
//!
//! Readers of formats make it, [`super::reader`] reads it, so that a rule from web.config and one
//! from TOML meet the same checks and the same words.

use super::diagnostic::Span;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Span,
    /// The name it has in a format that names it differently, like `timeInterval`.
    pub(super) alias: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Flag(bool),
    Integer(i64),
    List(Vec<Node>),
    /// JSON's `null`.
    Null,
    /// Of a type that no key has; what it is, in words.
    Other(&'static str),
    Table(Table),
    Text(String),
}

/// Keys in the order they were written.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn new(value: Value, span: Span) -> Self {
        Self {
            value,
            span,
            alias: None,
        }
    }

    pub(super) fn text(text: impl Into<String>, span: Span) -> Self {
        Self::new(Value::Text(text.into()), span)
    }

    pub(super) fn table(span: Span) -> Self {
        Self::new(Value::Table(Table::default()), span)
    }

    pub(super) fn list(items: Vec<Self>, span: Span) -> Self {
        Self::new(Value::List(items), span)
    }

    pub(super) fn named(self, alias: &'static str) -> Self {
        Self {
            alias: Some(alias),
            ..self
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, for "wants X, not ...".
    pub(super) fn kind(&self) -> String {
        match &self.value {
            Value::Flag(flag) => format!("{flag}"),
            Value::Integer(number) => format!("the number {number}"),
            Value::List(_) => "a list".to_owned(),
            Value::Null => "null".to_owned(),
            Value::Other(what) => (*what).to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Text(_) => "a string".to_owned(),
        }
    }
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.0
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
    }

    /// Sets a key, replacing what it had.
    pub(super) fn set(&mut self, key: &str, node: Node) {
        let entry = Entry {
            key: key.to_owned(),
            key_span: node.span,
            node,
        };
        match self.0.iter_mut().find(|old| old.key == key) {
            Some(old) => *old = entry,
            None => self.0.push(entry),
        }
    }

    /// Adds an item to the list of a key, which is made where it is missing.
    pub(super) fn append(&mut self, key: &str, item: Node) {
        let list = self.0.iter_mut().find(|entry| entry.key == key);
        match list.map(|entry| &mut entry.node.value) {
            Some(Value::List(items)) => items.push(item),
            _ => {
                let span = item.span;
                self.set(key, Node::list(vec![item], span));
            }
        }
    }

    /// Adds the items of a list to the list of a key.
    pub(super) fn extend(&mut self, key: &str, list: Node) {
        match list.value {
            Value::List(items) => items.into_iter().for_each(|item| self.append(key, item)),
            _ => self.append(key, list),
        }
    }

    /// The table at `path`, made where it is missing; what is no table on the way is replaced.
    pub(super) fn at(&mut self, path: &[&str], span: Span) -> &mut Self {
        let mut table = self;
        for key in path {
            let found = table.0.iter().position(|entry| entry.key == *key);
            let index = found.unwrap_or_else(|| {
                table.set(key, Node::table(span));
                table.0.len() - 1
            });
            let node = &mut table.0[index].node;
            if !matches!(node.value, Value::Table(_)) {
                *node = Node::table(span);
            }
            table = match &mut node.value {
                Value::Table(table) => table,
                _ => unreachable!("it was made a table above"),
            };
        }
        table
    }

    /// Lays a later source over this one: key by key in tables, rules by their names, everything
    /// else as a whole.
    pub(super) fn overlay(&mut self, later: Self) {
        // The keys of one source differ from each other: only earlier ones are looked through.
        let earlier = self.0.len();
        for entry in later.0 {
            let mut old = self.0[..earlier].iter_mut();
            let Some(old) = old.find(|old| old.key == entry.key) else {
                self.0.push(entry);
                continue;
            };
            match (&mut old.node.value, entry.node.value) {
                (Value::Table(old_table), Value::Table(new)) => {
                    old_table.overlay(new);
                    old.node.span = entry.node.span;
                }
                (Value::List(rules), Value::List(new))
                    if matches!(entry.key.as_str(), "rule" | "dependency") =>
                {
                    overlay_rules(rules, new);
                }
                (_, value) => {
                    old.key_span = entry.key_span;
                    old.node = Node {
                        value,
                        ..entry.node
                    };
                }
            }
        }
    }
}

fn overlay_rules(rules: &mut Vec<Node>, new: Vec<Node>) {
    let earlier = rules.len();
    for rule in new {
        let name = rule_name(&rule);
        // Only rules of earlier sources: two of one name in one source are an error to be shown.
        let same = rules[..earlier]
            .iter_mut()
            .find(|old| name.is_some() && rule_name(old) == name);
        match same {
            Some(old) => *old = rule,
            None => rules.push(rule),
        }
    }
}

fn rule_name(rule: &Node) -> Option<&str> {
    match &rule.value {
        Value::Table(table) => table.get("name")?.as_text(),
        _ => None,
    }
}
