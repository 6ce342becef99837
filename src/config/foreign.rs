//! Files of other tools that people give: told by name or by content, with what to give instead.

use std::ops::Range;

/// A file that is not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    /// The line that tells.
    pub(super) range: Range<usize>,
    pub(super) what: &'static str,
    pub(super) cure: &'static str,
}

/// So much of a file is looked at.
const MOST_LINES: usize = 10_000;

const TERRAFORM: (&str, &str) = (
    "this is a Terraform file",
    "write its auto_heal_setting as [[rule]] in an autoheal.toml, or give the ARM JSON of the \
     app: in the Azure portal \"Export template\" (terraform show -json is not it)",
);
const TERRAFORM_SHOW: (&str, &str) = (
    "this is what terraform show -json writes, not an ARM template",
    "write its auto_heal_setting as [[rule]] in an autoheal.toml, or give the ARM JSON of the \
     app: in the Azure portal \"Export template\"",
);
const BICEP: (&str, &str) = (
    "this is a Bicep file",
    "run az bicep build --file FILE, and give the JSON that it writes",
);
const BICEP_PARAMETERS: (&str, &str) = (
    "this is a Bicep parameters file",
    "run az bicep build-params --file FILE, and give the JSON that it writes",
);
const YAML: (&str, &str) = (
    "this is YAML, which autoheal does not read",
    "write an autoheal.toml; config/autoheal.toml shows every key",
);

/// What a file is, if it is another tool's.
pub(super) fn recognise(name: &str, text: &str) -> Option<Foreign> {
    let name = name.to_ascii_lowercase();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    let first = significant(text);
    let line = first.map_or("", |range| text[range.0..range.1].trim());
    let (what, cure) = if ends(&[".tf", ".tfvars", ".hcl"]) || is_terraform(line) {
        TERRAFORM
    } else if ends(&[".bicepparam"]) || is_using(line) {
        BICEP_PARAMETERS
    } else if ends(&[".bicep"]) || is_bicep(line) {
        BICEP
    } else if line.starts_with('{') && text[..floor(text, 2000)].contains("\"terraform_version\"") {
        TERRAFORM_SHOW
    } else if ends(&[".yaml", ".yml"]) || (!ends(&[".toml"]) && is_yaml(line)) {
        YAML
    } else {
        return None;
    };
    let (start, end) = telling(text, what == TERRAFORM.0)
        .or(first)
        .unwrap_or((0, 0));
    Some(Foreign {
        range: start..end,
        what,
        cure,
    })
}

/// The line of a Terraform file that its reader wants to carry over.
fn telling(text: &str, terraform: bool) -> Option<(usize, usize)> {
    let found = text.find("auto_heal_setting").filter(|_| terraform)?;
    Some((found, found + "auto_heal_setting".len()))
}

/// The first line that is neither blank nor a comment, without the blanks around it.
fn significant(text: &str) -> Option<(usize, usize)> {
    let mut at = 0;
    let mut in_comment = false;
    for line in text.split_inclusive('\n').take(MOST_LINES) {
        let (start, plain) = (at + line.len() - line.trim_start().len(), line.trim());
        at += line.len();
        if in_comment || plain.starts_with("/*") {
            in_comment = !plain.contains("*/");
        } else if !(plain.is_empty() || plain.starts_with('#') || plain.starts_with("//")) {
            return Some((start, start + plain.len()));
        }
    }
    None
}

/// `resource "azurerm_linux_web_app" "shop" {`, `terraform {`, `module "shop" {`.
fn is_terraform(line: &str) -> bool {
    let blocks = [
        "resource",
        "data",
        "module",
        "variable",
        "output",
        "provider",
        "terraform",
        "locals",
    ];
    let Some((word, rest)) = line.split_once([' ', '\t']) else {
        return false;
    };
    let rest = rest.trim();
    blocks.contains(&word) && (rest.starts_with('"') || rest.starts_with('{'))
}

/// `resource shop 'Microsoft.Web/sites@2022-09-01' = {`, `param name string`, `@description('x')`.
fn is_bicep(line: &str) -> bool {
    let Some((word, rest)) = line.split_once([' ', '\t', '(']) else {
        return false;
    };
    let rest = rest.trim();
    let is_name = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match word {
        "resource" | "module" => is_name(rest) && rest.contains('\''),
        "param" | "output" | "var" | "type" | "func" | "metadata" => is_name(rest),
        "targetScope" => rest.starts_with('='),
        "import" => rest.starts_with('\'') || rest.starts_with('{'),
        _ => word.starts_with('@') && word[1..].chars().all(|c| c.is_ascii_alphanumeric()),
    }
}

/// `using './main.bicep'`
fn is_using(line: &str) -> bool {
    let rest = line.strip_prefix("using");
    rest.is_some_and(|rest| rest.starts_with(' ') && rest.trim().starts_with('\''))
}

/// `---`, or `key:` and perhaps a value.
fn is_yaml(line: &str) -> bool {
    let key = line.split_once(':').filter(|(key, rest)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        !key.is_empty() && key.chars().all(plain) && (rest.is_empty() || rest.starts_with(' '))
    });
    line == "---" || key.is_some()
}

fn floor(text: &str, most: usize) -> usize {
    let most = most.min(text.len());
    (0..=most)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(name: &str, text: &str) -> Option<&'static str> {
        recognise(name, text).map(|foreign| foreign.what)
    }

    #[test]
    fn another_tool_s_file_is_known_by_its_name_or_its_first_line() {
        for (name, text) in [
            ("main.tf", ""),
            (
                "a.txt",
                "# comment\n\nresource \"azurerm_linux_web_app\" \"a\" {\n",
            ),
            ("a", "/* long\n comment */\nterraform {\n}"),
        ] {
            assert_eq!(what(name, text), Some(TERRAFORM.0), "{name}");
        }
        for (name, text) in [
            ("a.bicep", "x"),
            (
                "a.txt",
                "// a site\n@description('name')\nparam name string\n",
            ),
            ("a.txt", "targetScope = 'resourceGroup'\n"),
            ("a.txt", "resource app 'Microsoft.Web/sites@2022-09-01' = {"),
            ("a.toml", "param name string = 'x'"),
        ] {
            assert_eq!(what(name, text), Some(BICEP.0), "{text}");
        }
        for (name, text) in [("a.bicepparam", ""), ("a.txt", "using './main.bicep'\n")] {
            assert_eq!(what(name, text), Some(BICEP_PARAMETERS.0), "{text}");
        }
        for (name, text) in [
            ("a.yml", ""),
            ("a", "---\na: b"),
            ("a.txt", "services:\n  a: b"),
        ] {
            assert_eq!(what(name, text), Some(YAML.0), "{text}");
        }
        assert_eq!(
            what(
                "state.json",
                "{\"format_version\":\"1.0\",\"terraform_version\":\"1.9\"}"
            ),
            Some(TERRAFORM_SHOW.0)
        );
    }

    #[test]
    fn our_own_files_are_nobody_else_s() {
        for (name, text) in [
            ("autoheal.toml", "listen = \":80\""),
            ("a", "[worker]\ncommand = [\"x\"]"),
            ("a.toml", "listen: 80"),
            ("web.config", "<?xml version=\"1.0\"?>\n<configuration />"),
            ("a.json", "{\"autoHealRules\": {}}"),
            ("a", "# nothing\n"),
            ("a", "worker.command = [\"x\"]"),
        ] {
            assert_eq!(what(name, text), None, "{text}");
        }
    }

    #[test]
    fn the_line_that_tells_is_shown() {
        let text = "resource \"a\" \"b\" {\n  auto_heal_setting {\n";
        assert_eq!(
            &text[recognise("a.tf", text).unwrap().range],
            "auto_heal_setting"
        );
        let text = "// x\n  param a string \n";
        assert_eq!(&text[recognise("a", text).unwrap().range], "param a string");
    }
}
