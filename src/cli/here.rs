//! What configuration may ask the world, with the world's answers.

use std::{env, io, process};

use crate::{
    config::{Machine, Surroundings},
    os::{cgroup::Cgroup, procfs::Proc},
    time, tls,
};

/// This process's environment, files, folder and machine.
///
/// # Errors
/// When the current folder is gone or can't be read.
pub(super) fn surroundings() -> io::Result<Surroundings<'static>> {
    let proc = Proc::default();
    let group = Cgroup::of(&proc, process::id()).memory();
    Ok(Surroundings {
        env: &|name| env::var(name).ok(),
        is_file: &|path| path.is_file(),
        flaws: &|asked| tls::flaws(asked, time::wall()),
        cwd: env::current_dir()?,
        machine: Machine {
            memory: proc.memory_total(),
            memory_limit: group.map(|memory| memory.limit),
        },
    })
}
