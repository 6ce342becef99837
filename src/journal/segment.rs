//! The files of the journal: whole lines only, cut into segments, the oldest removed.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Limits, OpenError, record::Numbers};

/// So many of the newest segments are read for what they tell of incidents.
const SEGMENTS_READ: usize = 2;

/// The segments of one folder, open for appending.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    limits: Limits,
    number: u64,
    tail: Tail<File>,
    /// Keeps a second autoheal out of the folder.
    _lock: File,
}

/// What earlier runs left in the folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The highest numbers in it.
    pub(super) seq: u64,
    pub(super) incident: u64,
    /// Those about incidents, the oldest first.
    pub(super) incident_lines: Vec<Arc<str>>,
    /// Its last lines, the oldest first.
    pub(super) lines: Vec<(u64, Arc<str>)>,
    /// A torn last line of so many bytes was removed.
    pub(super) torn_bytes: u64,
}

impl Segments {
    /// Opens the folder, making it if need be, removes a torn last line, and reads what is needed
    /// to go on numbering.
    pub(super) fn open(folder: &Path, limits: Limits) -> Result<(Self, Found), OpenError> {
        let at = |what| move |source| OpenError::io(folder, what, source);
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(folder)
            .map_err(at("make the folder"))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o640)
            .open(folder.join("lock"))
            .map_err(at("write to the folder"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse {
                    folder: folder.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(at("lock")(source)),
        }
        let numbers = numbers(folder).map_err(at("list"))?;
        let number = numbers.last().copied().unwrap_or(1);
        let mut found = Found::default();
        let mut tail = Tail::open(&path(folder, number)).map_err(at("open"))?;
        found.torn_bytes = tail
            .remove_torn_line(limits.segment_bytes)
            .map_err(at("cut"))?;
        for (nth, number) in numbers.iter().rev().enumerate() {
            let text = read(&path(folder, *number), limits.segment_bytes).map_err(at("read"))?;
            found.add(&text);
            if found.incident > 0 && nth + 1 >= SEGMENTS_READ {
                break;
            }
        }
        let segments = Self {
            folder: folder.to_owned(),
            limits,
            number,
            tail,
            _lock: lock,
        };
        Ok((segments, found))
    }

    /// Writes one line whole, or not at all.
    fn write_line(&mut self, line: &str) -> io::Result<()> {
        let bytes = line.len() as u64 + 1;
        if self.tail.bytes > 0 && self.tail.bytes + bytes > self.limits.segment_bytes {
            self.rotate()?;
        }
        self.tail.append(line)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let next = self.number + 1;
        let tail = Tail::open(&path(&self.folder, next))?;
        self.tail.medium.sync_data()?;
        self.tail = tail;
        self.number = next;
        let numbers = numbers(&self.folder)?;
        let surplus = numbers.len().saturating_sub(self.limits.segments.max(1));
        for number in &numbers[..surplus] {
            fs::remove_file(path(&self.folder, *number))?;
        }
        Ok(())
    }
}

impl super::writer::Store for Segments {
    fn append(&mut self, line: &str) -> io::Result<()> {
        self.write_line(line)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.tail.medium.sync_data()
    }
}

impl Found {
    /// Takes in a segment's text; the newest segment comes first, and its lines are kept.
    fn add(&mut self, text: &str) {
        let keep = self.lines.is_empty();
        let mut about = Vec::new();
        for line in text.lines() {
            let Some(numbers) = Numbers::of(line) else {
                continue;
            };
            self.seq = self.seq.max(numbers.seq);
            self.incident = self.incident.max(numbers.incident.unwrap_or(0));
            if keep {
                self.lines.push((numbers.seq, Arc::from(line)));
            }
            if numbers.incident.is_some() {
                about.push(Arc::from(line));
            }
        }
        about.append(&mut self.incident_lines);
        let surplus = about.len().saturating_sub(super::INCIDENT_LINES);
        self.incident_lines = about.split_off(surplus);
        let surplus = self.lines.len().saturating_sub(super::RING_LINES);
        self.lines.drain(..surplus);
    }
}

/// The lines of a folder that are about incidents.
pub(super) fn incident_lines(folder: &Path) -> io::Result<Vec<Arc<str>>> {
    /// No segment that a configuration may ask for is larger.
    const SEGMENT_BYTES_MAX: u64 = 1 << 30;
    let numbers = numbers(folder)?;
    if numbers.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no journal there"));
    }
    let mut found = Found::default();
    for number in numbers.iter().rev().take(SEGMENTS_READ) {
        found.add(&read(&path(folder, *number), SEGMENT_BYTES_MAX)?);
    }
    Ok(found.incident_lines)
}

/// Where bytes go: a file, or in tests something that fails as a disk does.
trait Medium {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    fn cut(&mut self, bytes: u64) -> io::Result<()>;
}

impl Medium for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(self, bytes)
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }
}

/// The end of the last segment.
#[derive(Debug)]
struct Tail<M> {
    medium: M,
    /// So many bytes of whole lines are in it.
    bytes: u64,
    /// Part of a line may stand behind them.
    torn: bool,
}

impl Tail<File> {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .mode(0o640)
            .open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            medium: file,
            bytes,
            torn: false,
        })
    }

    /// Removes what stands behind the last line break. So many bytes were removed.
    fn remove_torn_line(&mut self, bytes_max: u64) -> io::Result<u64> {
        let window = self.bytes.min(bytes_max.max(1024));
        let from = self.bytes - window;
        self.medium.seek(SeekFrom::Start(from))?;
        let mut end = Vec::new();
        (&self.medium).take(window).read_to_end(&mut end)?;
        let whole = end.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let bytes = from + whole as u64;
        let torn = self.bytes - bytes;
        if torn > 0 {
            self.medium.set_len(bytes)?;
            self.bytes = bytes;
        }
        Ok(torn)
    }
}

impl<M: Medium> Tail<M> {
    fn append(&mut self, line: &str) -> io::Result<()> {
        if self.torn {
            self.medium.cut(self.bytes)?;
            self.torn = false;
        }
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match self.medium.write(rest) {
                Ok(0) => return Err(self.tear(io::ErrorKind::WriteZero.into())),
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.tear(error)),
            }
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Takes back what was written of a line. If even that fails, the next line tries again.
    fn tear(&mut self, error: io::Error) -> io::Error {
        self.torn = self.medium.cut(self.bytes).is_err();
        error
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("events-{number:08}.jsonl"))
}

/// The numbers of the segments in the folder, ascending.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_prefix("events-")?.strip_suffix(".jsonl"))
            .and_then(|digits| digits.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn read(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(bytes_max.saturating_mul(2))
        .read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits {
        segment_bytes: 100,
        segments: 3,
    };

    fn record(seq: u64) -> String {
        format!(r#"{{"v":1,"seq":{seq},"incident":{}}}"#, seq * 10)
    }

    fn texts(folder: &Path) -> Vec<(u64, String)> {
        numbers(folder)
            .unwrap()
            .into_iter()
            .map(|n| (n, fs::read_to_string(path(folder, n)).unwrap()))
            .collect()
    }

    #[test]
    fn segments_stay_under_their_bytes_and_their_count() {
        let dir = tempfile::tempdir().unwrap();
        let (mut segments, _) = Segments::open(dir.path(), SMALL).unwrap();
        for seq in 1..=40 {
            segments.write_line(&record(seq)).unwrap();
        }
        let texts = texts(dir.path());
        assert_eq!(texts.len(), 3);
        assert!(texts.iter().all(|(_, text)| text.len() <= 100));
        assert!(
            texts.iter().all(|(_, text)| text.ends_with('\n')),
            "{texts:?}"
        );
        assert!(texts[2].1.ends_with(&(record(40) + "\n")));
    }

    #[test]
    fn numbering_goes_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (mut segments, found) = Segments::open(dir.path(), SMALL).unwrap();
        assert_eq!((found.seq, found.incident), (0, 0));
        for seq in 1..=7 {
            segments.write_line(&record(seq)).unwrap();
        }
        drop(segments);
        let (_, found) = Segments::open(dir.path(), SMALL).unwrap();
        assert_eq!((found.seq, found.incident), (7, 70));
        assert_eq!(found.lines.last().unwrap().1.as_ref(), record(7));
    }

    #[test]
    fn numbers_are_found_in_the_segment_before_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let (mut segments, _) = Segments::open(dir.path(), SMALL).unwrap();
        segments.write_line(&record(4)).unwrap();
        drop(segments);
        fs::write(path(dir.path(), 2), "").unwrap();
        let (_, found) = Segments::open(dir.path(), SMALL).unwrap();
        assert_eq!((found.seq, found.incident), (4, 40));
    }

    #[test]
    fn an_incident_is_found_behind_segments_without_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(path(dir.path(), 1), record(4) + "\n").unwrap();
        fs::write(path(dir.path(), 2), "{\"seq\":5}\n{\"seq\":6}\n").unwrap();
        let (_, found) = Segments::open(dir.path(), SMALL).unwrap();
        assert_eq!((found.seq, found.incident, found.lines.len()), (6, 40, 2));
    }

    #[test]
    fn a_torn_last_line_is_removed_at_open() {
        let dir = tempfile::tempdir().unwrap();
        let whole = record(1) + "\n";
        fs::write(path(dir.path(), 1), whole.clone() + r#"{"v":1,"seq":2,"te"#).unwrap();
        let (mut segments, found) = Segments::open(dir.path(), SMALL).unwrap();
        assert_eq!((found.seq, found.torn_bytes), (1, 18));
        segments.write_line(&record(2)).unwrap();
        drop(segments);
        assert_eq!(texts(dir.path())[0].1, whole + &record(2) + "\n");
    }

    #[test]
    fn a_second_autoheal_is_kept_out_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Segments::open(dir.path(), SMALL).unwrap();
        let second = Segments::open(dir.path(), SMALL).unwrap_err();
        assert!(matches!(second, OpenError::InUse { .. }), "{second}");
        assert!(second.to_string().contains("state_dir"), "{second}");
    }

    /// A disk with room for so many bytes; it can refuse to cut as well.
    struct SmallDisk {
        held: Vec<u8>,
        room: usize,
        cuts: bool,
    }

    impl Medium for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.room - self.held.len());
            if n == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.held.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn cut(&mut self, bytes: u64) -> io::Result<()> {
            if !self.cuts {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            self.held.truncate(usize::try_from(bytes).unwrap());
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_fills_in_the_middle_of_a_line_keeps_whole_lines() {
        for cuts in [true, false] {
            let mut tail = Tail {
                medium: SmallDisk {
                    held: Vec::new(),
                    room: 10,
                    cuts,
                },
                bytes: 0,
                torn: false,
            };
            tail.append("first").unwrap();
            assert!(tail.append("second").is_err());
            assert!(tail.append("third").is_err());
            tail.medium.room = 100;
            tail.medium.cuts = true;
            tail.append("fourth").unwrap();
            assert_eq!(tail.medium.held, b"first\nfourth\n");
        }
    }

    #[test]
    fn a_full_device_is_an_error_and_nothing_worse() {
        let mut tail = Tail {
            medium: OpenOptions::new().write(true).open("/dev/full").unwrap(),
            bytes: 0,
            torn: false,
        };
        for _ in 0..3 {
            assert!(tail.append("line").is_err());
        }
        assert_eq!(tail.bytes, 0);
    }
}
