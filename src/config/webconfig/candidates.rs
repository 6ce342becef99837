//! Which of several launchers starts the app: the one that `<handlers>` sends requests to.

use super::{
    super::diagnostic::{Report, Span},
    xml::{self, Element},
};

/// The launchers, each with how IIS names its module.
const MODULES: [(&str, &str); 2] = [
    ("aspNetCore", "aspnetcoremodule"),
    ("httpPlatform", "httpplatformhandler"),
];

/// Leaves of two launchers the one that IIS would use; says which, or that it can't be told.
pub(super) fn choose<'a, 'i>(
    sections: &mut Vec<Element<'a, 'i>>,
    handlers: &[Element<'a, 'i>],
    report: &mut Report,
) {
    let there = |launcher: &str| sections.iter().any(|section| section.name() == launcher);
    if !MODULES.iter().all(|(launcher, _)| there(launcher)) {
        return;
    }
    let mapped = handlers.iter().flat_map(|h| h.children_named("add"));
    let modules: Vec<_> = mapped.filter_map(|add| add.attribute("modules")).collect();
    let is_used = |module: &str| {
        let same = |text: &str| text.to_ascii_lowercase().contains(module);
        modules.iter().any(|written| same(written.text))
    };
    let used: Vec<_> = MODULES
        .iter()
        .filter(|(_, module)| is_used(module))
        .collect();
    let [(chosen, _)] = used[..] else {
        let second = sections.iter().filter(|it| is_launcher(it)).nth(1).copied();
        if let Some(second) = second {
            report.error(
                second.span(),
                "<httpPlatform> and <aspNetCore> both start a worker",
                "keep the one whose processPath starts your app; the other may stand in a \
                 comment: <!-- ... -->",
            );
            sections.retain(|section| section.span() != second.span());
        }
        return;
    };
    sections.retain(|section| {
        let keep = !is_launcher(section) || section.name() == *chosen;
        if !keep {
            report.warning(
                section.span(),
                format!(
                    "<{}> is passed over: <handlers> sends requests to <{chosen}>",
                    section.name()
                ),
                "remove it, or put it into a comment: <!-- ... -->",
            );
        }
        keep
    });
}

fn is_launcher(section: &Element<'_, '_>) -> bool {
    MODULES.iter().any(|(name, _)| *name == section.name())
}

/// Says what stands in a comment where nothing of its kind stands outside of one.
pub(super) fn commented(
    document: &roxmltree::Document<'_>,
    sections: &[Element<'_, '_>],
    source: usize,
    report: &mut Report,
) {
    for names in [&["httpPlatform", "aspNetCore"][..], &["monitoring"]] {
        if sections
            .iter()
            .any(|section| names.contains(&section.name()))
        {
            continue;
        }
        if let Some((name, range)) = xml::commented(document, names) {
            let does = match name {
                "monitoring" => "its rules are off",
                _ => "it starts nothing",
            };
            report.warning(
                Span::new(source, range),
                format!("<{name}> stands in a comment: {does}"),
                "take it out of <!-- and -->, or remove it",
            );
        }
    }
}
