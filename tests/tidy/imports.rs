//! Which of our modules and which crates a file names.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::{
    Source, module,
    table::{LEAVES, MAY_IMPORT_APP, May, is_within, row_of},
};

/// The imports of one file that the table does not allow.
pub(crate) fn problems(source: &Source) -> Vec<String> {
    let module = module(source);
    let Some(row) = row_of(&module) else {
        return Vec::new();
    };
    let file = match syn::parse_file(&source.text) {
        Ok(file) => file,
        Err(error) => return vec![format!("{}: {error}", source.path.display())],
    };
    let mut paths = Paths::new(&module);
    paths.visit_file(&file);
    let mut problems = Vec::new();
    for path in &paths.found {
        let forbidden = row.never.iter().find(|never| is_within(path, never));
        if let Some(never) = forbidden {
            problems.push(format!("{module} may never touch {never}: {path}"));
        }
        let Some(ours) = path.strip_prefix("crate::") else {
            continue;
        };
        let top = module.split("::").next().unwrap_or(&module);
        let allowed = match row.may {
            May::Everything => true,
            May::Only(may) => {
                let mut allowed = LEAVES.iter().chain(may);
                allowed.any(|allowed| is_within(ours, allowed))
            }
        };
        let own = is_within(ours, row.module);
        if is_within(ours, "app") && !MAY_IMPORT_APP.contains(&top) && top != "app" {
            problems.push(format!("only cli and main may import app: {module} does"));
        } else if !allowed && !own {
            problems.push(format!("{module} may not import {path}"));
        }
    }
    problems
}

/// Collects the paths a file names: `use` trees flattened, paths in expressions and types, and
/// paths inside macro calls. Our own start with `crate::`; code of tests is left out.
struct Paths {
    module: Vec<String>,
    found: BTreeSet<String>,
}

impl Paths {
    fn new(module: &str) -> Self {
        Self {
            module: module.split("::").map(str::to_owned).collect(),
            found: BTreeSet::new(),
        }
    }

    /// Adds a path, its `self` and `super` resolved.
    fn add(&mut self, parts: &[String]) {
        let mut base = self.module.clone();
        let mut rest = parts;
        let mut is_ours = false;
        while let Some(first) = rest.first() {
            match first.as_str() {
                "self" => {}
                "super" => {
                    base.pop();
                }
                "crate" | "autoheal" => base.clear(),
                _ => break,
            }
            is_ours = true;
            rest = &rest[1..];
        }
        let path = if is_ours {
            let ours: Vec<_> = base.iter().chain(rest).cloned().collect();
            format!("crate::{}", ours.join("::"))
        } else {
            rest.join("::")
        };
        self.found.insert(path);
    }

    fn add_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| {
            let mut parts = before.to_vec();
            // `a::{self}` is `a`.
            if before.is_empty() || name != "self" {
                parts.push(name.to_string());
            }
            parts
        };
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.add(&with(&name.ident)),
            syn::UseTree::Rename(name) => self.add(&with(&name.ident)),
            syn::UseTree::Glob(_) => self.add(before),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(before, tree);
                }
            }
        }
    }

    /// `a::b::c` in the tokens of a macro call.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut parts: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 || parts.is_empty() {
                        self.add_if_path(&parts);
                        parts.clear();
                    }
                    parts.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.add_if_path(&parts);
                    parts.clear();
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.add_if_path(&parts);
    }

    fn add_if_path(&mut self, parts: &[String]) {
        if parts.len() > 1 {
            self.add(parts);
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.attrs.iter().any(is_for_tests) {
            return;
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !item.attrs.iter().any(is_for_tests) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !item.attrs.iter().any(is_for_tests) {
            self.add_tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.add_if_path(&parts);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

pub(crate) fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else {
        return attribute.path().is_ident("test");
    };
    list.path.is_ident("cfg") && list.tokens.to_string() == "test"
}
