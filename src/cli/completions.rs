//! `autoheal completions SHELL`: what a shell needs to complete autoheal's commands.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Arguments, ask::Io};

/// What a shell needs to complete autoheal's commands, on standard output
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The shell that is to read it
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Prints the shell's script; gives the exit code.
pub fn run(args: &Args, io: &mut Io<'_>) -> i32 {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut Arguments::command(),
        "autoheal",
        &mut script,
    );
    super::print(&script, io)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use clap::ValueEnum as _;

    use super::*;
    use crate::cli::exit;

    fn script(shell: Shell) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut io = Io {
            out: &mut out,
            err: &mut err,
        };
        assert_eq!(run(&Args { shell }, &mut io), exit::DONE);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_shell_has_every_verb_that_is_shown() {
        let command = Arguments::command();
        let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        let verbs: Vec<_> = verbs.map(|verb| verb.get_name().to_owned()).collect();
        assert!(verbs.len() > 10);
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for verb in &verbs {
                assert!(script.contains(verb.as_str()), "{shell}: {verb}");
            }
        }
    }

    #[test]
    fn bash_completes_a_verb_and_an_option() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("autoheal.bash");
        std::fs::write(&file, script(Shell::Bash)).unwrap();
        let ask = "set -eu; . \"$1\"; complete -p autoheal >/dev/null
            COMP_WORDS=(autoheal conv); COMP_CWORD=1
            _autoheal autoheal conv autoheal; echo \"${COMPREPLY[*]}\"
            COMP_WORDS=(autoheal convert --t); COMP_CWORD=2
            _autoheal autoheal --t convert; echo \"${COMPREPLY[*]}\"";
        let output = Command::new("bash")
            .args(["--norc", "-c", ask, "bash"])
            .arg(&file)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&output.stderr), "");
        assert_eq!(text(&output.stdout), "convert\n--to\n");
    }
}
