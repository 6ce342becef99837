//! `autoheal explain`: the story of an incident; what a code means, its causes, and their cures.

use std::fmt::Write as _;

use super::{
    ask::{Admin, Io, report},
    exit,
    incidents::Whence,
};
use crate::{
    explain::{code::Code, incident::story::story},
    words::wrapped,
};

/// Tell the story of an incident, or say what a code means; without either, the latest incident
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// An incident's number, like 7, or a code by its number or name, like 502101 or
    /// WorkerRefusedConnection
    #[arg(value_name = "CODE|INCIDENT")]
    pub what: Option<String>,
    /// List all codes
    #[arg(long, conflicts_with_all = ["what", "state_dir"])]
    pub list: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Where incidents are found.
    #[command(flatten)]
    pub place: Whence,
}

/// Runs it.
pub fn run(args: &Args, admin: &Admin, io: &mut Io<'_>) -> i32 {
    let said = match &args.what {
        None if !args.list => return tell(args, None, admin, io),
        None if args.json => {
            let codes: Vec<_> = Code::all().iter().map(|code| object(*code)).collect();
            writeln!(io.out, "{}", serde_json::Value::from(codes))
        }
        None => write!(io.out, "{}", list()),
        Some(text) => match (Code::parse(text), incident(text)) {
            (Some(code), _) if args.json => writeln!(io.out, "{}", object(code)),
            (Some(code), _) => write!(io.out, "{}", page(code)),
            (None, Some(id)) => return tell(args, Some(id), admin, io),
            (None, None) => {
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

/// The number of an incident. No code has so few digits.
fn incident(text: &str) -> Option<u64> {
    text.strip_prefix('#').unwrap_or(text).parse().ok()
}

fn tell(args: &Args, id: Option<u64>, admin: &Admin, io: &mut Io<'_>) -> i32 {
    let found = args.place.incident(admin, id);
    report(io, found, |incident, io| {
        match args.json {
            true => writeln!(io.out, "{}", incident.to_json())?,
            false => write!(io.out, "{}", story(&incident))?,
        }
        io.out.flush()?;
        Ok(exit::DONE)
    })
}

fn page(code: Code) -> String {
    let mut page = format!("{code}\n\n");
    wrapped(&mut page, "", code.meaning());
    if code.is_sent() {
        let (status, error) = (code.status(), code.proxy_error());
        // Writing to a string has no way to fail.
        writeln!(page, "HTTP status {status}; Proxy-Status error={error}").ok();
    }
    for (cause, cure) in code.causes_and_cures() {
        page.push('\n');
        wrapped(&mut page, "cause  ", cause);
        wrapped(&mut page, "cure   ", cure);
    }
    page
}

fn list() -> String {
    let mut list = String::new();
    for code in Code::all() {
        wrapped(
            &mut list,
            &format!("{} {:<24} ", code.number(), code.name()),
            code.meaning(),
        );
    }
    list + "\n`autoheal explain CODE` gives causes and cures.\n"
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
        "sent": code.is_sent(),
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
    format!("there is no code \"{text}\"{near}; `autoheal explain --list` lists them all")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(code: Option<&str>, json: bool) -> (i32, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let args = Args {
            what: code.map(str::to_owned),
            list: code.is_none(),
            json,
            ..Args::default()
        };
        let mut io = Io {
            out: &mut out,
            err: &mut err,
        };
        let exit = run(&args, &Admin::default(), &mut io);
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
    fn all_codes_are_listed() {
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
