//! The journal as its callers see it, before a disk that fails as disks do.

use std::sync::{
    Mutex,
    mpsc::{Receiver, SyncSender, sync_channel},
};

use super::{writer::Store, *};

const PATIENCE: Duration = Duration::from_secs(20);
const NOW: MonoTime = MonoTime::from_millis(1_000);
const LATER: MonoTime = MonoTime::from_millis(1_000 + 10_000);

fn event(text: &str, incident: Option<u64>) -> Event {
    Event {
        kind: Kind::RuleFired,
        level: Level::Warn,
        generation: None,
        incident,
        text: text.to_owned(),
        fields: Vec::new(),
    }
}

fn append(journal: &mut Journal, text: &str) {
    journal.append(&event(text, None), WallTime(0), MonoTime::ZERO);
}

fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq).collect()
}

/// A disk whose every write waits for a word: whether it works.
struct Told {
    asks: SyncSender<()>,
    says: Receiver<bool>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Store for Told {
    fn append(&mut self, line: &str) -> io::Result<()> {
        self.asks.send(()).ok();
        if !self.says.recv().unwrap_or(true) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.lines.lock().unwrap().push(line.to_owned());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Disk {
    asked: Receiver<()>,
    say: SyncSender<bool>,
    lines: Arc<Mutex<Vec<String>>>,
}

fn before_a_disk(queue: usize) -> (Journal, Disk) {
    let (asks, asked) = sync_channel(10_000);
    let (say, says) = sync_channel(0);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let store = Told {
        asks,
        says,
        lines: Arc::clone(&lines),
    };
    let writer = Writer::start(store, queue).unwrap();
    let journal = Journal::with(Some(writer), Found::default());
    (journal, Disk { asked, say, lines })
}

/// Calls until something is to be said: the counters belong to the writer's thread.
fn notice(journal: &mut Journal, now: MonoTime) -> Event {
    for _ in 0..10_000_000 {
        if let Some(event) = journal.notice(now) {
            return event;
        }
        std::thread::yield_now();
    }
    panic!("nothing was said");
}

#[test]
fn memory_keeps_the_last_thousand() {
    let mut journal = Journal::in_memory();
    for n in 0..1_500 {
        append(&mut journal, &n.to_string());
    }
    assert_eq!(seqs(&journal.events(None, 2)), [1_499, 1_500]);
    assert_eq!(seqs(&journal.events(Some(0), 2)), [501, 502]);
    assert_eq!(seqs(&journal.events(Some(1_499), 100)), [1_500]);
    assert_eq!(journal.events(Some(0), usize::MAX).len(), RING_LINES);
    assert!(journal.events(Some(1_500), 100).is_empty());
}

#[test]
fn a_stalled_disk_never_makes_the_caller_wait_and_the_lost_are_counted() {
    let (mut journal, disk) = before_a_disk(4);
    append(&mut journal, "0");
    disk.asked.recv_timeout(PATIENCE).unwrap();
    for n in 1..=10 {
        append(&mut journal, &n.to_string());
    }
    // One is being written, four wait, six found no place.
    assert_eq!(journal.lost(), 6);
    let said = journal.notice(NOW).unwrap();
    assert_eq!(said.fields, [("lost", Field::Number(6))]);
    assert!(said.text.contains("too slow"), "{said}");
    assert_eq!(journal.notice(LATER), None);
    assert_eq!(journal.events(Some(0), 100).len(), 11);
    drop(disk.say);
    journal.close(PATIENCE);
    assert_eq!(disk.lines.lock().unwrap().len(), 5);
}

#[test]
fn a_full_disk_is_said_once_and_so_is_its_end_with_the_count() {
    let (mut journal, disk) = before_a_disk(100);
    for n in 0..3 {
        append(&mut journal, &n.to_string());
        disk.say.send(false).unwrap();
    }
    let said = notice(&mut journal, NOW);
    assert_eq!(said.level, Level::Warn);
    assert!(said.text.contains("no storage space"), "{said}");
    append(&mut journal, "works");
    disk.say.send(true).unwrap();
    let said = notice(&mut journal, LATER);
    assert_eq!(said.fields, [("lost", Field::Number(3))]);
    assert!(said.text.contains("3 events are missing"), "{said}");
    assert_eq!(journal.notice(LATER + NOTICE_EVERY), None);
}

#[test]
fn what_was_appended_is_on_disk_after_close_and_numbering_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("journal");
    let limits = Limits {
        segment_bytes: 4_096,
        segments: 4,
    };
    let mut journal = Journal::open(&folder, limits).unwrap();
    assert_eq!(journal.last_incident(), 0);
    for n in 1..=5 {
        journal.append(
            &event("line\nwith breaks", Some(n)),
            WallTime(n),
            MonoTime::ZERO,
        );
    }
    journal.close(PATIENCE);
    let text = std::fs::read_to_string(folder.join("events-00000001.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 5);
    let mut journal = Journal::open(&folder, limits).unwrap();
    assert_eq!(journal.last_incident(), 5);
    append(&mut journal, "after");
    assert_eq!(seqs(&journal.events(Some(4), 10)), [5, 6]);
}

#[test]
fn a_folder_that_can_not_be_made_is_named_with_a_cure() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let limits = Limits {
        segment_bytes: 4_096,
        segments: 4,
    };
    let error = Journal::open(&file.path().join("journal"), limits).unwrap_err();
    assert!(error.to_string().contains("state_dir"), "{error}");
}

#[test]
fn a_disk_that_comes_and_goes_is_said_once_in_ten_seconds() {
    let (mut journal, disk) = before_a_disk(100);
    append(&mut journal, "0");
    disk.say.send(false).unwrap();
    notice(&mut journal, NOW);
    append(&mut journal, "1");
    disk.say.send(true).unwrap();
    // The writer asks for the next word only after it has counted this line.
    append(&mut journal, "2");
    for _ in 0..3 {
        disk.asked.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(journal.notice(LATER - Duration::from_millis(1)), None);
    assert!(journal.notice(LATER).is_some());
}
