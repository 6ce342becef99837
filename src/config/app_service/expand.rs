//! Expands `%VAR%` as the IIS launchers do: the file's own variables first, then the environment.

use super::super::diagnostic::{Report, Span};

/// The longest value that Windows allows a variable.
const LONGEST: usize = 32_767;
/// So many look-ups are more than any file needs; values that double each other need 2^n.
const MOST_LOOKUPS: usize = 200;
/// Names that stand for the worker's port, which is known only when it starts.
const PORTS: [&str; 3] = ["HTTP_PLATFORM_PORT", "ASPNETCORE_PORT", "PORT"];

/// The variables a text may refer to.
pub(in crate::config) struct Variables<'a> {
    /// The file's own, as written.
    pub(in crate::config) own: &'a [(String, String)],
    pub(in crate::config) env: &'a dyn Fn(&str) -> Option<String>,
}

/// A text with its variables replaced.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::config) struct Expanded {
    pub(in crate::config) text: String,
    /// Variables that nothing defines; they are left as they were written.
    pub(in crate::config) unknown: Vec<String>,
    /// It would be longer, or refer to itself more often, than Windows allows.
    pub(in crate::config) endless: bool,
}

impl Variables<'_> {
    pub(in crate::config) fn expand(&self, text: &str) -> Expanded {
        let mut work = Work {
            variables: self,
            open: Vec::new(),
            lookups: 0,
            done: Expanded::default(),
        };
        work.append(text);
        work.done
    }

    /// The value of one of the file's own variables, which may refer to its namesake outside.
    pub(in crate::config) fn expand_own(&self, name: &str, value: &str) -> Expanded {
        let mut work = Work {
            variables: self,
            open: vec![name.to_ascii_uppercase()],
            lookups: 0,
            done: Expanded::default(),
        };
        work.append(value);
        work.done
    }
}

struct Work<'a> {
    variables: &'a Variables<'a>,
    /// The variables being expanded: one that refers to itself means the environment's.
    open: Vec<String>,
    lookups: usize,
    done: Expanded,
}

impl Work<'_> {
    fn append(&mut self, text: &str) {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            self.push(before);
            let Some((name, left)) = after.split_once('%') else {
                self.push("%");
                rest = after;
                continue;
            };
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "=\"/\\".contains(c))
            {
                // Not a reference: this percent sign is literal, the next may begin one.
                self.push("%");
                rest = after;
                continue;
            }
            self.reference(name);
            rest = left;
            if self.done.endless {
                return;
            }
        }
        self.push(rest);
    }

    fn reference(&mut self, name: &str) {
        self.lookups += 1;
        if self.lookups > MOST_LOOKUPS {
            self.done.endless = true;
            return;
        }
        let upper = name.to_ascii_uppercase();
        if !self.open.contains(&upper) {
            let own = self.variables.own.iter().rev();
            let mut found = own.filter(|(own, _)| own.eq_ignore_ascii_case(name));
            if let Some((_, value)) = found.next() {
                self.open.push(upper);
                self.append(value);
                self.open.pop();
                return;
            }
        }
        if PORTS.contains(&upper.as_str()) {
            return self.push("{port}");
        }
        let env = self.variables.env;
        match env(name).or_else(|| env(&upper)) {
            Some(value) => self.push(&value),
            // %1% is the worker's pid, filled in when an action runs.
            None if name == "1" => self.push("%1%"),
            None => {
                self.push(&format!("%{name}%"));
                if !self.done.unknown.iter().any(|known| known == name) {
                    self.done.unknown.push(name.to_owned());
                }
            }
        }
    }

    fn push(&mut self, text: &str) {
        if self.done.text.len() + text.len() > LONGEST {
            self.done.endless = true;
        } else {
            self.done.text.push_str(text);
        }
    }
}

/// Warns that a reference stays as it was written.
pub(in crate::config) fn unknown_variable(name: &str, span: Span, report: &mut Report) {
    report.warning(
        span,
        format!("%{name}% is not set: it stays as it is written"),
        format!("set {name} in the environment, or write the value out"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(own: &[(&str, &str)], text: &str) -> Expanded {
        let own: Vec<_> = own
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let env = |name: &str| match name {
            "HOME" => Some("/home/site".to_owned()),
            "PATH" => Some("/bin".to_owned()),
            _ => None,
        };
        let variables = Variables {
            own: &own,
            env: &env,
        };
        variables.expand(text)
    }

    #[test]
    fn variables_are_found_in_the_file_and_then_outside() {
        assert_eq!(expand(&[], "%home%/LogFiles").text, "/home/site/LogFiles");
        assert_eq!(expand(&[("HOME", "/own")], "%HOME%").text, "/own");
        let opts = [("A", "%B% -p %HTTP_PLATFORM_PORT%"), ("B", "-Xmx1g")];
        assert_eq!(expand(&opts, "%a%").text, "-Xmx1g -p {port}");
        assert_eq!(expand(&[("PATH", "%PATH%:/x")], "%PATH%").text, "/bin:/x");
    }

    #[test]
    fn what_nothing_defines_is_left_and_named() {
        let expanded = expand(
            &[],
            "%ProgramFiles%\\dotnet, %ProgramFiles%, 100% sure, 50%",
        );
        assert_eq!(
            expanded.text,
            "%ProgramFiles%\\dotnet, %ProgramFiles%, 100% sure, 50%"
        );
        assert_eq!(expanded.unknown, ["ProgramFiles"]);
        assert_eq!(expand(&[], "w3wp_%1%_").unknown, [""; 0]);
    }

    #[test]
    fn values_that_double_each_other_end() {
        let names: Vec<_> = (0..40).map(|i| format!("V{i}")).collect();
        let doubling: Vec<_> = (1..40).map(|i| format!("%V{i}%%V{i}%")).collect();
        let own: Vec<_> = names
            .iter()
            .zip(doubling.iter())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert!(expand(&own, "%V0%").endless);
        assert_eq!(expand(&[("A", "%B%"), ("B", "%A%")], "%A%").unknown, ["A"]);
    }
}
