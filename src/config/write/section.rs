//! A table of an autoheal.toml that is being written.

/// A table of the file. The top level has no name,
/// one of several tables has it in brackets.
pub(super) struct Section {
    pub(super) name: &'static str,
    /// The keys that are not at their defaults, and their values as they are written.
    pub(super) lines: Vec<(&'static str, String)>,
    /// The keys that are at their defaults.
    pub(super) usual: Vec<(&'static str, String)>,
}

impl Section {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            lines: Vec::new(),
            usual: Vec::new(),
        }
    }

    /// The table as it stands in a file.
    pub(super) fn text(&self) -> String {
        let mut text = match self.name {
            "" => String::new(),
            name => format!("[{name}]\n"),
        };
        for (key, value) in &self.lines {
            text += &format!("{key} = {value}\n");
        }
        text
    }

    /// Its keys, each with the table's name.
    pub(super) fn keys(&self) -> impl Iterator<Item = String> {
        self.lines.iter().map(|(key, _)| match self.name {
            "" => (*key).to_owned(),
            name => format!("{}.{key}", name.trim_matches(['[', ']'])),
        })
    }

    /// A key, by whether it has its default.
    pub(super) fn put<T: PartialEq>(
        &mut self,
        key: &'static str,
        value: &T,
        default: &T,
        write: impl Fn(&T) -> String,
    ) {
        let to = match value == default {
            true => &mut self.usual,
            false => &mut self.lines,
        };
        to.push((key, write(value)));
    }

    /// A key that has no default, if it has a value.
    pub(super) fn maybe(&mut self, key: &'static str, value: Option<String>) {
        self.lines.extend(value.map(|value| (key, value)));
    }
}

/// Takes a key out of what is left; whether it was there.
pub(super) fn take(left: &mut Vec<Section>, name: &str, key: &str) -> bool {
    let Some(section) = left.iter_mut().find(|section| section.name == name) else {
        return false;
    };
    let before = section.lines.len();
    section.lines.retain(|(other, _)| *other != key);
    let was_there = section.lines.len() < before;
    left.retain(|section| !section.lines.is_empty());
    was_there
}

/// Puts a key into what is left.
pub(super) fn keep(left: &mut Vec<Section>, name: &'static str, key: &'static str, value: String) {
    match left.iter_mut().find(|section| section.name == name) {
        Some(section) => section.lines.push((key, value)),
        None => {
            let section = Section {
                lines: vec![(key, value)],
                ..Section::new(name)
            };
            // What has no table stands before all that do.
            let place = if name.is_empty() { 0 } else { left.len() };
            left.insert(place, section);
        }
    }
}
