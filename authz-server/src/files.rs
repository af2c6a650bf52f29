//! Files that nobody else reads and that are whole whatever happens.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Result, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder with mode 0700 where there is none; it is there after a loss of power.
pub(crate) fn private_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Opens with mode 0600 where the file is made.
pub(crate) fn open_private(file: &Path, options: &mut OpenOptions) -> Result<File> {
    options.mode(0o600).open(file)
}

/// Writes a file so that there is always the old or the new one as a whole. After the return the new one survives a loss of
/// power.
pub(crate) fn write_whole(file: &Path, bytes: &[u8]) -> Result<()> {
    let draft = file.with_extension("draft");
    let mut out = open_private(&draft, OpenOptions::new().write(true).create(true).truncate(true))?;
    out.write_all(bytes)?;
    out.sync_all()?;
    std::fs::rename(&draft, file)?;
    file.parent().map_or(Ok(()), sync_folder)
}

/// Makes renames and new files in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_made_is_private_and_a_file_is_replaced_as_a_whole() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("a/b");
        private_folder(&folder).unwrap();
        private_folder(&folder).unwrap();
        let file = folder.join("state");
        write_whole(&file, b"one").unwrap();
        write_whole(&file, b"two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "no draft stays behind");
    }
}
