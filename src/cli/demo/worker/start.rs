//! From exec to listening, with everything that can go wrong on the way.

use std::{
    io::{self, Write},
    process::Command,
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use tokio::runtime::LocalOptions;

use super::{
    DemoWorkerArgs,
    serve::{self, Listener},
};
use crate::{cli::load::machine::allow_descriptors, time::spent};

const DESCRIPTORS: u64 = 8 * 1024;

/// Starts as the knobs say and serves; gives the exit code.
pub(super) fn run(args: DemoWorkerArgs) -> io::Result<i32> {
    if let Some(code) = args.exit_at_start {
        return Ok(code);
    }
    if args.double_fork {
        again_without_parent()?;
        return Ok(0);
    }
    if args.own_session {
        rustix::process::setsid()?;
    }
    let term = Signal::TERM.as_raw();
    if args.exit_on_term {
        let always = Arc::new(AtomicBool::new(true));
        signal_hook::flag::register_conditional_shutdown(term, 0, always)?;
    } else if args.ignore_term {
        signal_hook::flag::register(term, Arc::new(AtomicBool::new(false)))?;
    }
    // Servers raise it; one that may not still serves as many as it can.
    drop(allow_descriptors(DESCRIPTORS));
    burn(args.start_cpu.unwrap_or_default());
    if args.never_listen {
        loop {
            thread::park();
        }
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?
        .block_on(async {
            let listener = Listener::bind(&args).await?;
            serve::run(args, listener).await
        })
}

/// Starts the same worker again, whose parent we then stop being.
fn again_without_parent() -> io::Result<()> {
    let args = std::env::args_os()
        .skip(1)
        .filter(|arg| arg != "--double-fork");
    // The child outlives us on purpose; whoever adopts it reaps it.
    drop(
        Command::new("/proc/self/exe")
            .args(args)
            .arg("--own-session")
            .spawn()?,
    );
    Ok(())
}

/// Keeps a core busy until this thread has used `time` of it.
fn burn(time: Duration) {
    let from = spent();
    while spent() - from < time {
        std::hint::spin_loop();
    }
}

/// Prints `bytes` bytes in lines, as fast as they are taken.
pub(super) fn print(bytes: u64) -> io::Result<()> {
    const LINE_BYTES: usize = 100;
    // Whole blocks: a flush for each line would be slower than what is to be tested.
    let mut out = io::BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let (mut left, mut number) = (bytes, 0u64);
    while left > 0 {
        let mut line = format!("line {number} ");
        line.extend(std::iter::repeat_n('.', LINE_BYTES - 1 - line.len()));
        line.push('\n');
        let part = line.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        out.write_all(&line.as_bytes()[line.len() - part..])?;
        left -= part as u64;
        number += 1;
    }
    out.flush()
}

/// Ends this process as a crash does.
pub(super) fn crash(signal: Option<Signal>) -> ! {
    let signalled = signal.map(|signal| {
        let ours = rustix::process::getpid();
        rustix::process::kill_process(ours, signal)
    });
    // A signal that was not delivered must still end in a crash.
    std::process::exit(if matches!(signalled, Some(Err(_))) {
        111
    } else {
        3
    })
}

pub(super) fn parse_signal(text: &str) -> Result<Signal, String> {
    match text.trim_start_matches("SIG") {
        "KILL" => Ok(Signal::KILL),
        "SEGV" => Ok(Signal::SEGV),
        "ABRT" => Ok(Signal::ABORT),
        _ => Err("write KILL, SEGV or ABRT".to_owned()),
    }
}

pub(super) fn parse_status_path(text: &str) -> Result<(String, http::StatusCode), String> {
    let cure = "write it like /bad=500";
    let (path, status) = text.rsplit_once('=').ok_or_else(|| cure.to_owned())?;
    let status = status.parse().map_err(|_| cure.to_owned())?;
    Ok((path.to_owned(), status))
}
