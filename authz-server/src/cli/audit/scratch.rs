//! A folder that is put in place as a whole, or not at all.

use std::path::{Path, PathBuf};

use crate::cli::Failure;

/// A private folder that is removed again unless it was put in place.
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Beside the place where it will go, so that it can be renamed.
    pub(super) fn beside(target: &Path) -> Result<Self, Failure> {
        let target = std::path::absolute(target).map_err(|error| fail(target, &error))?;
        let parent = target.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(parent).map_err(|error| fail(parent, &error))?;
        Self::within(parent)
    }

    /// Where the machine keeps what is not to stay.
    pub(super) fn temporary() -> Result<Self, Failure> {
        Self::within(&std::env::temp_dir())
    }

    fn within(parent: &Path) -> Result<Self, Failure> {
        let path = parent.join(format!(".interdict-{}", uuid::Uuid::new_v4()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| fail(&path, &error))?;
        Ok(Self { path })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in place. An empty folder that is there already is replaced; anything else is an error.
    pub(super) fn put(self, target: &Path) -> Result<(), Failure> {
        std::fs::rename(&self.path, target).map_err(|error| fail(target, &error))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // After `put` there is nothing of this name.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Refuses to write over anything.
pub(super) fn must_be_free(target: &Path) -> Result<(), Failure> {
    let wrong = |what: &str| Err(Failure::usage(format!("{}: {what}", target.display())));
    match std::fs::read_dir(target).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => wrong("is not empty, and nothing is written over: name a folder that is not there yet"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => wrong(&error.to_string()),
    }
}

fn fail(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}
