//! A bundle in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{
    self, MANIFEST, MAX_BYTES, MAX_DEPTH, MAX_FILE_BYTES, MAX_FILES, RawFile, SIGNATURES, SourceRoot,
    unreadable,
};
use crate::BundleError;

/// Where the root really lies; refused when it overlaps with one before it.
pub(crate) fn real_path(root: &Path, seen: &mut Vec<PathBuf>) -> Result<PathBuf, BundleError> {
    let real = fs::canonicalize(root).map_err(|error| unreadable(root, &error))?;
    if let Some(other) = seen.iter().find(|other| real.starts_with(other) || other.starts_with(&real)) {
        let message =
            format!("This root overlaps with `{}`; every file belongs to exactly one root.", other.display());
        return Err(BundleError::new("bundle.overlapping_roots", message).at(root, None));
    }
    seen.push(real.clone());
    Ok(real)
}

/// Reads the files of a folder, sorted by name.
pub(crate) fn read(root: &Path, real: &Path, everything: bool) -> Result<SourceRoot, BundleError> {
    if !real.is_dir() {
        let message = "A bundle root is a folder or a `.tar.gz` file.";
        return Err(BundleError::new("bundle.not_a_folder", message).at(root, None));
    }
    let mut walk = Walk { root, real, everything, bytes: 0, files: Vec::new() };
    walk.folder(root, "", 0)?;
    Ok(SourceRoot { label: root.display().to_string(), files: walk.files })
}

struct Walk<'a> {
    root: &'a Path,
    real: &'a Path,
    everything: bool,
    bytes: u64,
    files: Vec<RawFile>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, name: &str, depth: usize) -> Result<(), BundleError> {
        if depth > MAX_DEPTH {
            let message = format!("Folders of a bundle are at most {MAX_DEPTH} deep.");
            return Err(BundleError::new("bundle.too_deep", message).at(folder, None));
        }
        let mut entries = fs::read_dir(folder)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable(folder, &error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let name_of = |name: &str| (!name.chars().any(char::is_control)).then(|| name.to_owned());
            let Some(file_name) = entry.file_name().to_str().and_then(name_of) else {
                let message = "A file name is UTF-8 without control characters.";
                return Err(BundleError::new("bundle.file_name", message).at(path, None));
            };
            // Hidden entries are editors' and version control's, and the `..data` of a mounted ConfigMap.
            if file_name.starts_with('.') && ![MANIFEST, SIGNATURES].contains(&&*file_name) {
                continue;
            }
            let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
            let child = if name.is_empty() { file_name } else { format!("{name}/{file_name}") };
            if kind.is_dir() {
                self.folder(&path, &child, depth + 1)?;
            } else if self.wants(&child).map_err(|error| error.at(&path, None))? {
                self.file(&path, child)?;
            }
        }
        Ok(())
    }

    fn wants(&self, name: &str) -> Result<bool, BundleError> {
        Ok(files::kind_of(name)?.is_some() || name == SIGNATURES || self.everything)
    }

    /// A link is followed when it ends at a regular file inside of the same root: that is how Kubernetes mounts a
    /// ConfigMap. A link that leaves the root would put files into the bundle that nobody sees there.
    fn file(&mut self, path: &Path, name: String) -> Result<(), BundleError> {
        let refused = |code, message: String| Err(BundleError::new(code, message).at(path, None));
        if self.files.len() >= MAX_FILES {
            let message = format!("A bundle has at most {MAX_FILES} files.");
            return Err(BundleError::new("bundle.too_many_files", message).at(self.root, None));
        }
        let real = fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
        if !real.starts_with(self.real) {
            let message = "A link may not lead out of its bundle folder; copy the file into it.";
            return refused("bundle.link_out_of_root", message.into());
        }
        let metadata = fs::metadata(&real).map_err(|error| unreadable(path, &error))?;
        if !metadata.is_file() {
            let message = "Only regular files and links to them belong into a bundle.";
            return refused("bundle.not_a_file", message.into());
        }
        if metadata.len() > MAX_FILE_BYTES {
            return refused(
                "bundle.file_too_big",
                format!("A file of a bundle has at most {MAX_FILE_BYTES} bytes."),
            );
        }
        let bytes = fs::read(&real).map_err(|error| unreadable(path, &error))?;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.bytes > MAX_BYTES {
            return refused(
                "bundle.too_big",
                format!("The files of a bundle have at most {MAX_BYTES} bytes."),
            );
        }
        self.files.push(RawFile { name, bytes });
        Ok(())
    }
}
