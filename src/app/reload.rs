//! The thread that reads the configuration again: when it is told to, and when its files were
//! changed and then left alone. The control thread never waits for it.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    certificates::Certificates,
    lines,
    translate::{self, Outlets},
};
use crate::{
    config::{
        self, Diagnostic, Loaded, in_words, needs_restart,
        watch::{Stamps, Watch},
        why_recycle,
    },
    control::{
        AskReload,
        reloading::{Found, News, Refused, Reloaded},
    },
    time::{self, MonoTime},
    worker::pass::Pass,
};

/// Between two looks at files that rest.
const LOOK: Duration = Duration::from_millis(500);
/// Between two looks at files that change, and at the least between two readings.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Whoever told us to read is told after this long that the files do not rest.
const PATIENCE: Duration = Duration::from_secs(5);
/// Outcomes that may wait for the control thread.
const NEWS: usize = 4;

/// One reading of the configuration.
pub struct Reading {
    /// The files as the user gave them.
    pub names: Vec<String>,
    /// The same; absolute.
    pub files: Vec<PathBuf>,
    /// How they looked just before they were read.
    pub stamps: Stamps,
    /// What they say, with environment and options, or what is wrong.
    pub found: Result<Loaded, Vec<Diagnostic>>,
}

/// Reads the configuration.
pub type Load = Box<dyn FnMut() -> Reading + Send>;

/// What the thread begins with.
pub(super) struct Begin {
    pub(super) load: Load,
    pub(super) files: Vec<PathBuf>,
    pub(super) stamps: Stamps,
    /// What is in force.
    pub(super) loaded: Loaded,
    pub(super) outlets: Outlets,
    pub(super) certificates: Certificates,
    pub(super) pass: Pass,
    pub(super) open_files: Option<u64>,
}

/// Starts the thread, which ends when nobody takes its news any more. The function tells it to
/// read; its number comes back with the news.
pub(super) fn start(begin: Begin) -> io::Result<(AskReload, mpsc::Receiver<News>)> {
    let (news, receiver) = mpsc::channel(NEWS);
    let asked = Arc::new(AtomicU64::new(0));
    let reader = Reader {
        watch: Watch::new(time::now(), begin.stamps),
        load: begin.load,
        files: begin.files,
        started: begin.loaded.clone(),
        loaded: begin.loaded,
        outlets: begin.outlets,
        certificates: begin.certificates,
        pass: begin.pass,
        open_files: begin.open_files,
        asked: asked.clone(),
        asked_since: None,
        answered: 0,
        read_at: MonoTime::ZERO,
        refused: None,
        epoch: FIRST_EPOCH,
        news,
    };
    let handle = thread::Builder::new()
        .name("configuration".to_owned())
        .spawn(move || reader.run())?;
    let ask = move |number| {
        asked.store(number, Ordering::Release);
        handle.thread().unpark();
    };
    Ok((Box::new(ask), receiver))
}

/// The epoch of the rules that autoheal starts with.
pub(super) const FIRST_EPOCH: u64 = 1;

struct Reader {
    load: Load,
    files: Vec<PathBuf>,
    watch: Watch,
    /// What was in force at the start, and what is.
    started: Loaded,
    loaded: Loaded,
    outlets: Outlets,
    certificates: Certificates,
    pass: Pass,
    open_files: Option<u64>,
    /// The last order to read, since when it has waited, and the last that was answered.
    asked: Arc<AtomicU64>,
    asked_since: Option<MonoTime>,
    answered: u64,
    /// When the files were read last.
    read_at: MonoTime,
    /// Why the files that are there are not in force.
    refused: Option<String>,
    epoch: u64,
    news: mpsc::Sender<News>,
}

impl Reader {
    fn run(mut self) {
        let mut pause = LOOK;
        while !self.news.is_closed() {
            thread::park_timeout(pause);
            pause = self.look();
        }
    }

    /// Looks at the files and reads them if that is due. Returns how long to wait until the next
    /// look.
    fn look(&mut self) -> Duration {
        let now = time::now();
        self.watch.look(now, Stamps::of(&self.files));
        let asked = self.asked.load(Ordering::Acquire);
        let wanted = asked > self.answered;
        let changed = self.loaded.settings.watch && self.watch.is_news();
        // However often it is told to, it reads only so often.
        let again = now.since(self.read_at) >= LOOK_AGAIN;
        if (wanted || changed) && again && self.watch.rests(now, wanted) {
            self.read_at = now;
            self.read(asked);
        } else if wanted {
            let since = *self.asked_since.get_or_insert(now);
            if now.since(since) >= PATIENCE {
                self.send(asked, Found::Refused(restless()));
            }
        }
        match wanted || changed {
            true => LOOK_AGAIN,
            false => LOOK,
        }
    }

    fn read(&mut self, asked: u64) {
        let reading = (self.load)();
        if Stamps::of(&reading.files) != reading.stamps {
            // Somebody wrote meanwhile: the next look finds them changed.
            return;
        }
        self.files = reading.files;
        self.watch = Watch::new(time::now(), reading.stamps);
        let wanted = asked > self.answered;
        match reading.found {
            Ok(loaded) => self.whole(asked, wanted, loaded),
            Err(found) => self.broken(asked, wanted, &found),
        }
    }

    fn whole(&mut self, asked: u64, wanted: bool, loaded: Loaded) {
        let was_refused = self.refused.take().is_some();
        let mut of_certificates = self.certificates.reload(&loaded.settings.listen);
        let back = self.certificates.back_again(&loaded.settings.worker);
        let back = back.unwrap_or_else(|kept| {
            of_certificates.push(kept.why);
            kept.back
        });
        if let Some(refused) = elsewhere(&self.started, &loaded) {
            self.send(asked, Found::Refused(refused));
            return;
        }
        if loaded.settings == self.loaded.settings {
            of_certificates
                .iter()
                .for_each(|what| tracing::warn!("{what}"));
            if was_refused || wanted {
                self.send(asked, Found::Same { was_refused });
            }
            return;
        }
        self.epoch += 1;
        let (pass, open_files) = (&self.pass, self.open_files);
        let made = translate::all(&loaded.settings, self.epoch, pass, open_files, back);
        let changes = config::changes(&self.loaded, &loaded);
        let mut warnings = lines(&loaded.warnings);
        warnings.extend(of_certificates);
        let since_start = config::changes(&self.started, &loaded);
        warnings.extend(needs_restart(&since_start));
        let outlets = self.outlets.clone();
        let new = Reloaded {
            recycle: why_recycle(&changes),
            changes: in_words(&changes),
            warnings,
            publish: Box::new(move || outlets.publish(made.data, made.clients)),
            ..made.control
        };
        self.loaded = loaded;
        self.send(asked, Found::New(Box::new(new)));
    }

    /// What can't be used is told once, and to everyone who asks.
    fn broken(&mut self, asked: u64, wanted: bool, found: &[Diagnostic]) {
        let whole = found.iter().map(|one| one.render(false));
        let whole = whole.collect::<Vec<_>>().join("\n");
        let again = self.refused.as_ref() == Some(&whole);
        self.refused = Some(whole.clone());
        if again && !wanted {
            return;
        }
        let errors = found.iter().filter(|found| found.is_error());
        let lines: Vec<_> = errors
            .clone()
            .take(TOLD_MOST)
            .map(Diagnostic::line)
            .collect();
        let mut line = lines.join("; ");
        let more = errors.count().saturating_sub(TOLD_MOST);
        if more > 0 {
            line += &format!("; and {more} more");
        }
        self.send(asked, Found::Refused(Refused { line, whole, again }));
    }

    fn send(&mut self, upto: u64, found: Found) {
        self.answered = upto;
        self.asked_since = None;
        // When nobody takes it, the loop ends.
        drop(self.news.blocking_send(News { upto, found }));
    }
}

/// So many errors are told in the log's one line.
const TOLD_MOST: usize = 3;

/// Why what autoheal stands in front of can't be another from now on, if it is.
fn elsewhere(started: &Loaded, new: &Loaded) -> Option<Refused> {
    let place = |loaded: &Loaded| {
        let attach = loaded.settings.attach.clone()?;
        Some((attach.address, attach.pid_file))
    };
    (place(started) != place(new)).then(|| {
        let line = "what [attach] names is another: restart autoheal, which lets the app run on";
        Refused {
            line: line.to_owned(),
            whole: line.to_owned(),
            again: false,
        }
    })
}

fn restless() -> Refused {
    let line = "its files go on being written; write a new file and rename it over the old one";
    Refused {
        line: line.to_owned(),
        whole: line.to_owned(),
        again: true,
    }
}
