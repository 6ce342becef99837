//! A file of bounded size that makes room for the next: `access.log`, `access.log.1` (the one
//! before), `access.log.2` and so on.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Its owner writes, its group reads.
const MODE: u32 = 0o640;

/// The file that is written, and how many there may be.
#[derive(Debug)]
pub(super) struct Rotating {
    path: PathBuf,
    file: File,
    written: u64,
    bytes: u64,
    files: u32,
}

impl Rotating {
    /// Opens the file, which goes on where it ended.
    ///
    /// # Errors
    /// When it can't be opened, or is no regular file.
    pub(super) fn open(path: &Path, bytes: u64, files: u32) -> io::Result<Self> {
        let is_other = fs::metadata(path).is_ok_and(|found| !found.is_file());
        if is_other {
            let what = "it is no regular file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(MODE).open(path)?;
        Ok(Self {
            path: path.to_owned(),
            written: file.metadata()?.len(),
            file,
            bytes,
            files,
        })
    }

    fn older(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    /// Moves every file on by one; the oldest is gone.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (2..self.files).rev() {
            match fs::rename(self.older(number - 1), self.older(number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let moved = if self.files > 1 {
            fs::rename(&self.path, self.older(1))
        } else {
            fs::remove_file(&self.path)
        };
        match moved {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        *self = Self::open(&self.path, self.bytes, self.files)?;
        Ok(())
    }
}

impl Write for Rotating {
    /// Writes whole lines: what is given at once is in one file.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let length = lines.len() as u64;
        if self.written > 0 && self.written + length > self.bytes {
            self.rotate()?;
        }
        self.file.write_all(lines)?;
        self.written += length;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_bounded_in_size_and_number_and_the_newest_lines_are_kept() {
        for files in [1, 2, 3] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("access.log");
            for n in 0..9 {
                // Opened anew each time: a restart goes on where the last one ended.
                let mut log = Rotating::open(&path, 10, files).unwrap();
                log.write_all(format!("line{n}\n").as_bytes()).unwrap();
            }
            let found = fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(found, files as usize);
            assert_eq!(fs::read_to_string(&path).unwrap(), "line8\n");
            for number in 1..files {
                let older = folder.path().join(format!("access.log.{number}"));
                let wanted = format!("line{}\n", 8 - number);
                assert_eq!(fs::read_to_string(older).unwrap(), wanted);
            }
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o137, 0, "no one else reads it");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Rotating::open(folder.path(), 10, 2).unwrap_err();
        assert_eq!(error.to_string(), "it is no regular file");
    }
}
