//! The user that a worker runs as.

use std::{fs, io, path::Path};

/// A user and a group by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
}

impl User {
    /// Finds `name`, `uid` or `uid:gid`; a name, and the group of a bare uid, by /etc/passwd.
    ///
    /// # Errors
    /// When there is no such user, with what to write instead.
    pub fn find(text: &str) -> io::Result<Self> {
        Self::find_in(text, Path::new("/etc/passwd"))
    }

    fn find_in(text: &str, passwd: &Path) -> io::Result<Self> {
        if let Some((uid, gid)) = text.split_once(':')
            && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
        {
            return Ok(Self { uid, gid });
        }
        let users = fs::read(passwd).unwrap_or_default();
        let users = String::from_utf8_lossy(&users);
        let number = text.parse::<u32>().ok();
        let known = users
            .lines()
            .filter_map(entry)
            .find(|(name, user)| *name == text || number == Some(user.uid));
        match (known, number) {
            (Some((_, user)), _) => Ok(user),
            // A number without an entry is common in containers; its group is taken to be equal.
            (None, Some(uid)) => Ok(Self { uid, gid: uid }),
            (None, None) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!(
                    "no such user: {text} (looked in {}); write a name from there, \"uid\" or \
                     \"uid:gid\"",
                    passwd.display()
                ),
            )),
        }
    }
}

fn entry(line: &str) -> Option<(&str, User)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some((name, User { uid, gid }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_number_or_pair() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(
            file.path(),
            "root:x:0:0::/:/bin/sh\nbad line\napp:x:1000:50::/:/bin/sh\n",
        )
        .unwrap();
        let find = |text| User::find_in(text, file.path());
        let app = User { uid: 1000, gid: 50 };
        assert_eq!(find("app").unwrap(), app);
        assert_eq!(find("1000").unwrap(), app);
        assert_eq!(find("7:8").unwrap(), User { uid: 7, gid: 8 });
        assert_eq!(find("77").unwrap(), User { uid: 77, gid: 77 });
        let error = find("ap").unwrap_err().to_string();
        assert!(error.starts_with("no such user: ap"), "{error}");
    }
}
