//! `autoheal explain`: what a code means, its causes, and their cures.

use std::fmt::Write as _;

use super::{ask::Io, exit};
use crate::explain::code::Code;

/// Say what a code means, what causes it and what cures it; without CODE list them all
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A number or a name, like 502101 or WorkerRefusedConnection
    pub code: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &Args, io: &mut Io<'_>) -> i32 {
    let said = match &args.code {
        None if args.json => {
            let codes: Vec<_> = Code::all().iter().map(|code| object(*code)).collect();
            writeln!(io.out, "{}", serde_json::Value::from(codes))
        }
        None => write!(io.out, "{}", list()),
        Some(text) => match Code::parse(text) {
            Some(code) if args.json => writeln!(io.out, "{}", object(code)),
            Some(code) => write!(io.out, "{}", page(code)),
            None => {
                writeln!(io.err, "autoheal: {}", unknown(text)).ok();
                return exit::NO;
            }
        },
    };
    // A reader that has enough, like `head`, is no failure.
    match said.and_then(|()| io.out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => exit::SYSTEM,
        _ => exit::DONE,
    }
}

fn page(code: Code) -> String {
    let mut page = format!("{code}\n\n");
    let status = code.status();
    // Writing to a string has no way to fail.
    wrap(&mut page, "", code.meaning());
    writeln!(
        page,
        "HTTP status {status}; Proxy-Status error={}",
        code.proxy_error()
    )
    .ok();
    for (cause, cure) in code.causes_and_cures() {
        page.push('\n');
        wrap(&mut page, "cause  ", cause);
        wrap(&mut page, "cure   ", cure);
    }
    page
}

fn list() -> String {
    let mut list = String::new();
    for code in Code::all() {
        wrap(
            &mut list,
            &format!("{} {:<24} ", code.number(), code.name()),
            code.meaning(),
        );
    }
    list + "\n`autoheal explain CODE` gives causes and cures.\n"
}

/// Puts text behind a name, in lines of at most 80 columns, the later ones indented as far.
fn wrap(page: &mut String, name: &str, text: &str) {
    const WIDTH: usize = 80;
    let indent = name.len();
    page.push_str(name);
    let mut column = indent;
    for word in text.split(' ') {
        if column > indent && column + 1 + word.len() > WIDTH {
            page.push('\n');
            page.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        }
        if column > indent {
            page.push(' ');
            column += 1;
        }
        page.push_str(word);
        column += word.len();
    }
    page.push('\n');
}

fn object(code: Code) -> serde_json::Value {
    let causes: Vec<_> = code
        .causes_and_cures()
        .iter()
        .map(|(cause, cure)| serde_json::json!({ "cause": cause, "cure": cure }))
        .collect();
    serde_json::json!({
        "code": code.number(),
        "name": code.name(),
        "status": code.status(),
        "proxy_status": code.proxy_error(),
        "meaning": code.meaning(),
        "causes": causes,
    })
}

fn unknown(text: &str) -> String {
    let near = Code::all()
        .iter()
        .map(|code| {
            let name = strsim::jaro_winkler(&code.name().to_lowercase(), &text.to_lowercase());
            let number = strsim::jaro_winkler(&code.number().to_string(), text);
            (name.max(number), code)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.8)
        .map_or_else(String::new, |(_, code)| format!("; did you mean {code}"));
    let text = crate::words::one_line(text);
    format!("there is no code \"{text}\"{near}; `autoheal explain` lists them all")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(code: Option<&str>, json: bool) -> (i32, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let args = Args {
            code: code.map(str::to_owned),
            json,
        };
        let mut io = Io {
            out: &mut out,
            err: &mut err,
        };
        let exit = run(&args, &mut io);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (exit, text(out), text(err))
    }

    #[test]
    fn a_code_is_explained_with_its_cures_within_eighty_columns() {
        let (exit, out, _) = explain(Some("workerrefusedconnection"), false);
        assert_eq!(exit, exit::DONE);
        assert!(
            out.starts_with("502101 WorkerRefusedConnection\n\n"),
            "{out}"
        );
        assert!(out.contains("autoheal logs --previous"), "{out}");
        for code in Code::all() {
            assert!(page(*code).lines().all(|line| line.len() <= 80), "{code}");
        }
    }

    #[test]
    fn without_a_code_all_are_listed() {
        let (exit, out, _) = explain(None, false);
        assert_eq!(exit, exit::DONE);
        for code in Code::all() {
            assert!(out.contains(&code.to_string()), "{code}");
        }
        let (_, out, _) = explain(None, true);
        let all: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(all.as_array().unwrap().len(), Code::all().len());
    }

    #[test]
    fn an_unknown_code_is_no_and_the_nearest_is_named() {
        let (exit, out, err) = explain(Some("WorkerRefused"), false);
        assert_eq!((exit, out.as_str()), (exit::NO, ""));
        assert!(err.contains("did you mean 502101"), "{err}");
        let (exit, _, err) = explain(Some("\x1b[31m"), false);
        assert_eq!(exit, exit::NO);
        assert!(
            !err.contains('\x1b') && !err.contains("did you mean"),
            "{err}"
        );
    }
}
