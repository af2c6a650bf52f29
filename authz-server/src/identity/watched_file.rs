//! A small file that is read again when it changed, whatever way it was changed: written in place, renamed over, or
//! behind a symbolic link that now points elsewhere (as Kubernetes does with mounted secrets).

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Two writes within one tick of the file system's clock leave the same times. So a file is taken as unchanged only
/// once its last change was longer ago than any such tick.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// See the module's documentation. All calls block on the file system.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    path: PathBuf,
    max_bytes: u64,
    seen: Option<Stamp>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

// === impl WatchedFile ===

impl WatchedFile {
    pub(crate) fn new(path: impl Into<PathBuf>, max_bytes: u64) -> Self {
        Self { path: path.into(), max_bytes, seen: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The content, if it may have changed since the last successful call. After an error the next success counts as
    /// changed.
    pub(crate) fn read_if_changed(&mut self) -> io::Result<Option<Vec<u8>>> {
        let seen = self.seen.take();
        let metadata = std::fs::metadata(&self.path)?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let stamp = Stamp::of(&metadata);
        if seen == Some(stamp) {
            self.seen = seen;
            return Ok(None);
        }
        let mut file = File::open(&self.path)?;
        let opened = file.metadata()?;
        let mut content = Vec::new();
        file.by_ref().take(self.max_bytes.saturating_add(1)).read_to_end(&mut content)?;
        if content.len() as u64 > self.max_bytes {
            return Err(io::Error::other(format!("larger than {} bytes", self.max_bytes)));
        }
        self.seen = is_settled(&opened).then(|| Stamp::of(&opened));
        Ok(Some(content))
    }
}

// === impl Stamp ===

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn is_settled(metadata: &Metadata) -> bool {
    let changed = u64::try_from(metadata.ctime()).unwrap_or(0);
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(changed))
        .and_then(|changed| SystemTime::now().duration_since(changed).ok())
        .is_some_and(|age| age > SETTLED_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_writes_of_equal_length_within_one_clock_tick_are_both_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let mut file = WatchedFile::new(&path, 100);
        for content in ["one", "two", "six"] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(file.read_if_changed().unwrap().unwrap(), content.as_bytes());
        }
    }

    #[test]
    fn a_settled_file_is_not_read_again_until_it_changes() {
        // The program of this test was written long ago.
        let path = std::env::current_exe().unwrap();
        let mut file = WatchedFile::new(&path, u64::MAX - 1);
        assert!(file.read_if_changed().unwrap().is_some());
        if is_settled(&std::fs::metadata(&path).unwrap()) {
            assert!(file.read_if_changed().unwrap().is_none());
        }
    }

    #[test]
    fn a_symbolic_link_that_moves_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        for version in ["v1", "v2"] {
            std::fs::create_dir(dir.path().join(version)).unwrap();
            std::fs::write(dir.path().join(version).join("secret"), version).unwrap();
        }
        let link = dir.path().join("data");
        std::os::unix::fs::symlink("v1", &link).unwrap();
        let mut file = WatchedFile::new(link.join("secret"), 100);
        assert_eq!(file.read_if_changed().unwrap().unwrap(), b"v1");
        std::os::unix::fs::symlink("v2", dir.path().join("data.new")).unwrap();
        std::fs::rename(dir.path().join("data.new"), &link).unwrap();
        assert_eq!(file.read_if_changed().unwrap().unwrap(), b"v2");
    }

    #[test]
    fn a_file_that_is_too_large_or_not_a_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "12345").unwrap();
        assert!(WatchedFile::new(&path, 4).read_if_changed().is_err());
        assert!(WatchedFile::new(&path, 5).read_if_changed().is_ok());
        assert!(WatchedFile::new(dir.path(), 5).read_if_changed().is_err());
        assert!(WatchedFile::new(dir.path().join("none"), 5).read_if_changed().is_err());
    }
}
