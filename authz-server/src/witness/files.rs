//! Files that nobody else reads and that are whole whatever happens.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Result, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder with mode 0700 where there is none.
pub(super) fn private_folder(folder: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    sync_parent(folder)
}

/// Opens with mode 0600 where the file is made.
pub(super) fn open_private(file: &Path, options: &mut OpenOptions) -> Result<File> {
    options.mode(0o600).open(file)
}

/// Replaces a file: after the return the new content survives a loss of power, before it there is the old one.
pub(super) fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    let draft = file.with_extension("draft");
    let mut out = open_private(&draft, OpenOptions::new().write(true).create(true).truncate(true))?;
    out.write_all(bytes)?;
    out.sync_all()?;
    std::fs::rename(&draft, file)?;
    sync_parent(file)
}

/// Makes names in the folder of a file durable.
fn sync_parent(file: &Path) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
