//! A program's last words: the lines that it printed right before its end, and which of them says
//! why.

use super::one_line;

/// So many of the last lines are kept.
const LINES: usize = 8;
/// So many bytes of each.
const LINE_BYTES: usize = 160;

/// What a program printed right before its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastWords {
    /// The line that says why it ended, as far as that can be told from its form.
    pub why: Option<String>,
    /// The last lines, oldest first, each as one line that does nothing to a terminal.
    pub lines: Vec<String>,
}

/// How much a line's form says that it is the reason of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Nothing,
    /// It speaks of an error somewhere.
    Complaint,
    /// It is what a runtime prints of an exception or a panic that nobody caught.
    Reason,
}

impl LastWords {
    /// Of these lines, the oldest first. Of equal ones the last is taken for the reason.
    #[must_use]
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut last = Self::default();
        let mut heaviest = Weight::Nothing;
        for line in lines {
            if line.trim().is_empty() {
                continue;
            }
            let kept = clipped(line.trim_end());
            let weight = weight(line);
            if weight > Weight::Nothing && weight >= heaviest {
                heaviest = weight;
                last.why = Some(kept.trim_start().to_owned());
            }
            if last.lines.len() == LINES {
                last.lines.remove(0);
            }
            last.lines.push(kept);
        }
        last
    }

    /// The line that says why it ended, or else the last one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        let last = self.lines.last().map(|line| line.trim_start());
        self.why.as_deref().or(last)
    }
}

fn weight(line: &str) -> Weight {
    let line = line.trim_end();
    if is_exception(line) || REASONS.iter().any(|words| line.starts_with(words)) {
        return Weight::Reason;
    }
    // What is further in belongs to a trace of calls, or to somebody's data.
    let lower = line.to_ascii_lowercase();
    if !line.starts_with([' ', '\t']) && COMPLAINTS.iter().any(|words| lower.contains(words)) {
        return Weight::Complaint;
    }
    Weight::Nothing
}

/// What runtimes begin such a line with: Java, Go, Rust, .NET, C and C++, Ruby, Perl.
const REASONS: [&str; 9] = [
    "Exception in thread",
    "Caused by: ",
    "panic: ",
    "fatal error: ",
    "thread '",
    "Unhandled exception",
    "terminate called ",
    "Fatal Python error: ",
    "PANIC: ",
];

/// What programs say in their own words, in lower case.
const COMPLAINTS: [&str; 9] = [
    "error",
    "fatal",
    "failed",
    "cannot ",
    "can't ",
    "not found",
    "no such ",
    "denied",
    "abort",
];

/// `ModuleNotFoundError: No module named 'shop'`, `Error: listen EADDRINUSE`,
/// `java.lang.IllegalStateException`, as Python, Node and Java print one.
fn is_exception(line: &str) -> bool {
    let name = line.split([':', ' ']).next().unwrap_or_default();
    let ends = ["Error", "Exception", "Exit", "Interrupt"];
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$');
    let rest = &line[name.len()..];
    ends.iter().any(|end| name.ends_with(end))
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(is_name)
        && (rest.is_empty() || rest.starts_with(": ") || rest.starts_with(" ["))
}

/// In one line that is no longer than may be kept.
fn clipped(line: &str) -> String {
    let cut = line.floor_char_boundary(LINE_BYTES);
    let short = one_line(&line[..cut]).into_owned();
    if cut < line.len() {
        return short + "...";
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(printed: &str) -> Option<String> {
        LastWords::of(printed.lines()).why
    }

    #[test]
    fn what_each_runtime_prints_of_an_uncaught_error_is_found_among_its_traces() {
        let cases = [
            (
                "Traceback (most recent call last):\n  File \"app.py\", line 11, in <module>\n    \
                 import shop\nModuleNotFoundError: No module named 'shop'",
                "ModuleNotFoundError: No module named 'shop'",
            ),
            (
                "[1] [ERROR] Exception in worker process\nTraceback (most recent call last):\n  \
                 File \"x\"\nImportError: cannot import name 'app'\n[1] [INFO] Worker exiting\n[0] \
                 [ERROR] Worker (pid:1) exited with code 3.\n[0] [ERROR] Reason: Worker failed to \
                 boot.",
                "ImportError: cannot import name 'app'",
            ),
            (
                "node:internal/modules/cjs/loader:1210\n  throw err;\n  ^\n\nError: Cannot find \
                 module '/x.js'\n    at Module._load {\n  code: 'MODULE_NOT_FOUND'\n}\n\nNode.js \
                 v20.20.2",
                "Error: Cannot find module '/x.js'",
            ),
            (
                "Error [ERR_SERVER_NOT_RUNNING]: Server is not running.\n    at x",
                "Error [ERR_SERVER_NOT_RUNNING]: Server is not running.",
            ),
            (
                "Exception in thread \"main\" java.lang.IllegalStateException: boot\n\tat \
                 A.main(A.java:3)\nCaused by: java.io.IOException: no disk\n\t... 1 more",
                "Caused by: java.io.IOException: no disk",
            ),
            (
                "panic: runtime error: index out of range [5]\n\ngoroutine 1 [running]:\nmain.go",
                "panic: runtime error: index out of range [5]",
            ),
            (
                "starting\nfatal: cannot connect to queue: token expired\nbye",
                "fatal: cannot connect to queue: token expired",
            ),
        ];
        for (printed, expected) in cases {
            assert_eq!(why(printed).as_deref(), Some(expected));
        }
    }

    #[test]
    fn an_ordinary_line_is_no_reason_but_may_be_the_last_word() {
        let last = LastWords::of(["listening on 3000", "  \"error\": null", "", "bye"]);
        assert_eq!((last.why.as_deref(), last.reason()), (None, Some("bye")));
        assert_eq!(LastWords::of([""]), LastWords::default());
        assert_eq!(LastWords::default().reason(), None);
    }

    #[test]
    fn what_is_kept_is_short_and_does_nothing_to_a_terminal() {
        let long = "é".repeat(1_000);
        let many = vec![long.as_str(); 100];
        let last = LastWords::of(many.into_iter().chain(["Error: \x1b[31mred\r"]));
        assert_eq!(last.lines.len(), LINES);
        assert!(last.lines.iter().all(|line| line.len() <= LINE_BYTES + 3));
        assert_eq!(last.why.as_deref(), Some("Error: \\u001b[31mred"));
    }
}
