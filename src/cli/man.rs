//! `autoheal man`: the manual, made from the same words as `--help`.

use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_mangen::Man;

use super::{Arguments, ask::Io, exit};

/// The manual page, on standard output; or a page for each command, as files
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Write autoheal.1 and a page for each command into this folder
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Prints or writes the pages; gives the exit code.
pub fn run(args: &Args, io: &mut Io<'_>) -> i32 {
    let command = Arguments::command();
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        return match Man::new(command).render(&mut page) {
            Ok(()) => super::print(&page, io),
            Err(error) => failed(&error, "make the page", io),
        };
    };
    match clap_mangen::generate_to(command, dir) {
        Ok(()) => exit::DONE,
        Err(error) => failed(&error, &format!("write into {}", dir.display()), io),
    }
}

fn failed(error: &std::io::Error, what: &str, io: &mut Io<'_>) -> i32 {
    // If not even this can be said, the code says it.
    drop(writeln!(io.err, "error: failed to {what}: {error}"));
    exit::SYSTEM
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    fn man(dir: Option<PathBuf>) -> (i32, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut io = Io {
            out: &mut out,
            err: &mut err,
        };
        let code = run(&Args { dir }, &mut io);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (code, text(out), text(err))
    }

    #[test]
    fn the_page_is_a_manual_page() {
        let (code, page, _) = man(None);
        assert_eq!(code, exit::DONE);
        for part in [
            ".TH autoheal 1",
            ".SH NAME",
            ".SH SYNOPSIS",
            "autoheal\\-convert(1)",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("demo\\-worker"));
    }

    #[test]
    fn every_verb_that_is_shown_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(man(Some(dir.path().to_path_buf())).0, exit::DONE);
        let command = Arguments::command();
        for verb in command.get_subcommands() {
            let file = dir.path().join(format!("autoheal-{}.1", verb.get_name()));
            assert_eq!(file.exists(), !verb.is_hide_set(), "{}", file.display());
        }
        // Where groff is, it has nothing to complain about.
        let page = dir.path().join("autoheal.1");
        let groff = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww"])
            .arg(&page)
            .output();
        if let Ok(groff) = groff {
            assert_eq!(String::from_utf8_lossy(&groff.stderr), "");
        }
        assert!(
            fs::read_to_string(&page)
                .unwrap()
                .contains(".TH autoheal 1")
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_said() {
        let (code, _, err) = man(Some(PathBuf::from("/nowhere/at/all")));
        assert_eq!(code, exit::SYSTEM);
        assert!(
            err.contains("failed to write into /nowhere/at/all"),
            "{err}"
        );
    }
}
