//! A look at a part of a template: keys in any case, `null` as absent, expressions worked out.

use std::{borrow::Cow, rc::Rc};

use super::{
    super::{
        diagnostic::Span,
        document::{Entry, Node, Table, Value},
    },
    evaluate::{Scope, Work},
    parse::is_expression,
};

/// A value of a file, and what the names in it mean.
#[derive(Clone)]
pub(super) struct View<'a> {
    pub(super) node: Cow<'a, Node>,
    /// `None`: it came out of an expression and has none in it.
    pub(super) scope: Option<Rc<Scope<'a>>>,
}

impl<'a> View<'a> {
    pub(super) fn new(node: &'a Node, scope: &Rc<Scope<'a>>) -> Self {
        Self {
            node: Cow::Borrowed(node),
            scope: Some(Rc::clone(scope)),
        }
    }

    /// The value of a key; `None` if it is absent, `null`, or can't be worked out, which is
    /// reported. Likewise a key that stands there twice.
    pub(super) fn get(&self, key: &str, work: &mut Work<'_>) -> Option<Self> {
        let found = match &self.node {
            Cow::Borrowed(node) => {
                let node: &'a Node = node;
                Cow::Borrowed(&lone(node, key, work)?.node)
            }
            Cow::Owned(node) => Cow::Owned(lone(node, key, work)?.node.clone()),
        };
        self.inside(found, work)
    }

    /// What is in the list; of an object the values, as symbolic names have them.
    pub(super) fn items(&self, work: &mut Work<'_>) -> Vec<Self> {
        let nodes: Vec<Cow<'a, Node>> = match &self.node {
            Cow::Borrowed(node) => children(node).map(Cow::Borrowed).collect(),
            Cow::Owned(node) => children(node).cloned().map(Cow::Owned).collect(),
        };
        let views = nodes.into_iter().map(|node| self.inside(node, work));
        views.flatten().collect()
    }

    /// The text of a key, worked out as far as that can be done; nothing is reported.
    pub(super) fn text(&self, key: &str, work: &mut Work<'_>) -> Option<String> {
        let raw = self.entry(key)?.node.as_text().map(str::to_owned);
        let seen = work.quietly(|work| self.get(key, work));
        seen.and_then(|view| view.node.as_text().map(str::to_owned))
            .or(raw)
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.node.value {
            Value::Table(table) => entry(table, key),
            _ => None,
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Its keys, as written.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Entry> {
        let entries: &[Entry] = match &self.node.value {
            Value::Table(table) => &table.0,
            _ => &[],
        };
        entries.iter()
    }

    /// Where it begins.
    pub(super) fn span(&self) -> Span {
        let span = self.node.span;
        Span {
            end: span.end.min(span.start + 1),
            ..span
        }
    }

    /// The whole value without any expression in it.
    pub(super) fn resolved(&self, work: &mut Work<'_>) -> Node {
        match &self.scope {
            Some(scope) => work.resolve(&self.node, scope),
            None => self.node.clone().into_owned(),
        }
    }

    fn inside(&self, found: Cow<'a, Node>, work: &mut Work<'_>) -> Option<Self> {
        let is_written = found.as_text().is_some_and(is_expression);
        match (&self.scope, is_written) {
            (Some(scope), true) => {
                let node = work.resolve(&found, scope);
                let seen = !matches!(node.value, Value::Null | Value::Other(_));
                seen.then_some(Self {
                    node: Cow::Owned(node),
                    scope: None,
                })
            }
            _ => (!matches!(found.value, Value::Null)).then(|| Self {
                node: found,
                scope: self.scope.clone(),
            }),
        }
    }
}

/// The first entry of a key in any case.
pub(super) fn entry<'t>(table: &'t Table, key: &str) -> Option<&'t Entry> {
    let mut entries = table.0.iter();
    entries.find(|entry| entry.key.eq_ignore_ascii_case(key))
}

fn lone<'n>(node: &'n Node, key: &str, work: &mut Work<'_>) -> Option<&'n Entry> {
    let Value::Table(table) = &node.value else {
        return None;
    };
    let mut all = table.0.iter().filter(|e| e.key.eq_ignore_ascii_case(key));
    let first = all.next()?;
    if let Some(second) = all.next() {
        work.report.error(
            second.key_span,
            format!("\"{}\" stands twice in one object", second.key),
            "keep one of them; ARM does not tell capital letters apart",
        );
    }
    Some(first)
}

fn children(node: &Node) -> Box<dyn Iterator<Item = &Node> + '_> {
    match &node.value {
        Value::List(items) => Box::new(items.iter()),
        Value::Table(table) => Box::new(table.0.iter().map(|entry| &entry.node)),
        _ => Box::new(std::iter::empty()),
    }
}
