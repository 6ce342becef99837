//! What a fuzz target does with its bytes: it reads them, and whatever comes out of that is shown
//! and written again.

#![forbid(unsafe_code)]

use std::{fmt, str::FromStr};

use autoheal::{
    config::{Machine, Origin, Overrides, Source, Surroundings, Target, describe, load, write},
    units::{
        self, ByteSize, Cron, Network, PathPattern, Share, StatusSet, TimeOfDay, Weekdays, Zone,
    },
};

/// The folder that everything stands in.
const HOME: &str = "/app";

/// Reads a configuration file of this name. What is refused is refused with an error that can be
/// shown; what is read can be written in each format, and as TOML it is read as the same.
///
/// # Panics
/// When that is not so.
pub fn config(name: &str, bytes: &[u8]) {
    let around = Surroundings {
        env: &variable,
        is_file: &|path| path.as_os_str().len().is_multiple_of(2),
        flaws: &|_| Vec::new(),
        cwd: HOME.into(),
        machine: Machine {
            memory: Some(ByteSize(4 << 30)),
            memory_limit: None,
        },
    };
    let overrides = Overrides {
        command_may_follow: true,
        ..Overrides::default()
    };
    let source = |name: &str, bytes: &[u8]| Source {
        name: name.to_owned(),
        dir: HOME.into(),
        bytes: bytes.to_vec(),
    };
    let loaded = match load(&[source(name, bytes)], &overrides, &around) {
        Ok(loaded) => loaded,
        Err(found) => {
            assert!(found.iter().any(|found| found.is_error()));
            found.iter().for_each(|found| drop(found.render(false)));
            return;
        }
    };
    let warnings = loaded.warnings.iter();
    warnings.for_each(|found| drop(found.render(false)));
    drop(describe(&loaded.settings));
    let origin = Origin {
        from: name.to_owned(),
        home: HOME.into(),
    };
    for target in [Target::Arm, Target::WebConfig] {
        let found = write(&loaded.settings, target, &origin).warnings;
        found.iter().for_each(|found| drop(found.render(false)));
    }
    let written = write(&loaded.settings, Target::Toml, &origin).text;
    let again = [source("autoheal.toml", written.as_bytes())];
    match load(&again, &overrides, &around) {
        Ok(again) => assert_eq!(again.settings, loaded.settings, "{written}"),
        Err(found) => {
            let found: String = found.iter().map(|found| found.render(false)).collect();
            panic!("what was written can't be read: {found}\n{written}");
        }
    }
}

/// Most variables are set, some with the name of another; those that autoheal reads itself are not.
fn variable(name: &str) -> Option<String> {
    let own = name == "PORT" || name.starts_with("AUTOHEAL_");
    (!own && !name.len().is_multiple_of(3)).then(|| format!("%{name}%"))
}

/// Reads a quantity of every kind. What can be read prints as what is read as the same.
///
/// # Panics
/// When that is not so.
pub fn quantity(text: &str) {
    same::<ByteSize>(text);
    same::<Cron>(text);
    same::<Network>(text);
    same::<Share>(text);
    same::<StatusSet>(text);
    same::<TimeOfDay>(text);
    same::<Weekdays>(text);
    same::<Zone>(text);
    if let Some(pattern) = same::<PathPattern>(text) {
        let _: bool = pattern.matches("/a/b");
    }
    if let Ok(duration) = units::parse_duration(text) {
        let shown = units::format_duration(duration);
        assert_eq!(units::parse_duration(&shown), Ok(duration), "{shown}");
    }
}

fn same<T>(text: &str) -> Option<T>
where
    T: FromStr + fmt::Display + fmt::Debug + PartialEq,
    T::Err: fmt::Debug + PartialEq,
{
    let read: T = text.parse().ok()?;
    let shown = read.to_string();
    assert_eq!(shown.parse().as_ref(), Ok(&read), "{shown}");
    Some(read)
}
