//! What the bench is told.

use std::io;

use super::{subject, workload};

/// What is measured, and for how long.
pub(crate) struct Options {
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    only: Option<Vec<String>>,
    against: Option<Vec<String>>,
    /// How many idle connections; 0: none.
    pub(crate) idle: usize,
    pub(crate) half: bool,
    pub(crate) profile: bool,
}

impl Options {
    /// Reads the command line. Cargo adds `--bench` of its own.
    pub(crate) fn of(args: &[&str]) -> io::Result<Self> {
        let mut options = Self {
            rounds: 5,
            seconds: 3,
            only: None,
            against: None,
            idle: 10_000,
            half: true,
            profile: true,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().copied().unwrap_or_default();
            match *arg {
                "--bench" => {}
                "--no-half" => options.half = false,
                "--no-idle" => options.idle = 0,
                "--no-profile" => options.profile = false,
                "--rounds" => options.rounds = number(value())?,
                "--seconds" => options.seconds = number(value())?,
                "--idle" => options.idle = number(value())?,
                "--only" => options.only = Some(words(value(), &workload::ALL.map(|w| w.name))?),
                "--against" => options.against = Some(words(value(), &subject::NAMES)?),
                other => return Err(io::Error::other(format!("what is {other}? see main.rs"))),
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, workload: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.iter().any(|one| one == workload))
    }

    /// Those to compare with, and autoheal.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = &'static str> {
        subject::NAMES.into_iter().filter(|name| {
            let wanted = |against: &Vec<String>| against.iter().any(|one| one == name);
            *name == "autoheal" || self.against.as_ref().is_none_or(wanted)
        })
    }
}

fn number<T: std::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse()
        .map_err(|_| io::Error::other(format!("\"{text}\" is not a number")))
}

fn words(text: &str, known: &[&str]) -> io::Result<Vec<String>> {
    let words: Vec<_> = text.split(',').map(str::to_owned).collect();
    match words.iter().find(|word| !known.contains(&word.as_str())) {
        Some(word) => Err(io::Error::other(format!(
            "\"{word}\" is none of {}",
            known.join(", ")
        ))),
        None => Ok(words),
    }
}
