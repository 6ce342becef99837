//! Which files a `mod` line leads to.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, imports::is_for_tests, module};

/// Files below src that no `mod` line leads to.
pub(crate) fn unreached(sources: &[Source]) -> Vec<String> {
    let by_module: BTreeMap<String, &Source> = sources.iter().map(|s| (module(s), s)).collect();
    let mut reached = BTreeSet::new();
    let mut next = vec!["lib".to_owned(), "main".to_owned()];
    while let Some(module) = next.pop() {
        if let Some(source) = by_module.get(&module)
            && reached.insert(module)
        {
            next.extend(declared(source).into_iter().map(|(module, _)| module));
        }
    }
    let missed = by_module
        .iter()
        .filter(|(module, _)| !reached.contains(*module));
    missed
        .map(|(_, source)| format!("{}: no mod line leads to it", source.path.display()))
        .collect()
}

/// The modules that are compiled for tests only.
pub(crate) fn for_tests(sources: &[Source]) -> BTreeSet<String> {
    let declared = sources.iter().flat_map(declared);
    declared
        .filter(|(_, for_tests)| *for_tests)
        .map(|(module, _)| module)
        .collect()
}

/// The files that a file declares, and whether for tests only.
fn declared(source: &Source) -> Vec<(String, bool)> {
    let module = module(source);
    let below = if matches!(module.as_str(), "lib" | "main") {
        String::new()
    } else {
        format!("{module}::")
    };
    let file = syn::parse_file(&source.text);
    let items = file.into_iter().flat_map(|file| file.items);
    items
        .filter_map(|item| match item {
            syn::Item::Mod(item) if item.content.is_none() => Some(item),
            _ => None,
        })
        .map(|item| {
            let for_tests = item.attrs.iter().any(is_for_tests);
            (format!("{below}{}", item.ident), for_tests)
        })
        .collect()
}
