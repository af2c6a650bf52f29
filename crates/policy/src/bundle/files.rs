//! Finding and reading the files of a bundle.

use std::fs;
use std::path::{Path, PathBuf};

use crate::BundleError;

/// Largest file of a bundle, in bytes. Policies and data are written by people; what is larger is a mistake.
pub(crate) const MAX_FILE_BYTES: u64 = 16 << 20;
/// Most files in a bundle.
const MAX_FILES: usize = 10_000;
/// Deepest folder.
const MAX_DEPTH: usize = 32;

/// What a file is, by its name and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `*.rego`.
    Policy,
    /// `*_test.rego`; never part of a decision.
    Test,
    /// `data.yaml`.
    DataYaml,
    /// `data.json`.
    DataJson,
    /// `agents/*.yaml` at the top of a root.
    Agents,
    /// `servers/*.yaml` at the top of a root.
    Servers,
}

/// One file of the bundle, read.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    pub(crate) kind: Kind,
    /// Where it lies, for messages.
    pub(crate) path: PathBuf,
    /// Path inside of its root with `/`, for the digest and for the place of data.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl SourceFile {
    /// Folders above the file, inside of its root.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &str> {
        let folder = self.name.rsplit_once('/').map_or("", |(folder, _)| folder);
        folder.split('/').filter(|part| !part.is_empty())
    }
}

/// Reads every file of every root, sorted by name inside of each root.
pub(crate) fn read_roots(roots: &[PathBuf]) -> Result<Vec<SourceFile>, BundleError> {
    if roots.is_empty() {
        return Err(BundleError::new("bundle.no_root", "No bundle folder is given; name at least one."));
    }
    let mut files = Vec::new();
    let mut seen: Vec<PathBuf> = Vec::new();
    for root in roots {
        let real = fs::canonicalize(root).map_err(|error| unreadable(root, &error))?;
        if !real.is_dir() {
            return Err(BundleError::new("bundle.not_a_folder", "A bundle root is a folder.").at(root, None));
        }
        if let Some(other) = seen.iter().find(|other| real.starts_with(other) || other.starts_with(&real)) {
            let message = format!(
                "This root overlaps with `{}`; every file belongs to exactly one root.",
                other.display()
            );
            return Err(BundleError::new("bundle.overlapping_roots", message).at(root, None));
        }
        Walk { root, real: &real, files: &mut files }.folder(root, "", 0)?;
        seen.push(real);
    }
    Ok(files)
}

struct Walk<'a> {
    root: &'a Path,
    real: &'a Path,
    files: &'a mut Vec<SourceFile>,
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
            if file_name.starts_with('.') {
                continue;
            }
            let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
            let child = if name.is_empty() { file_name } else { format!("{name}/{file_name}") };
            if kind.is_dir() {
                self.folder(&path, &child, depth + 1)?;
            } else if let Some(kind) = kind_of(&child).map_err(|error| error.at(&path, None))? {
                self.file(path, child, kind)?;
            }
        }
        Ok(())
    }

    /// A link is followed when it ends at a regular file inside of the same root: that is how Kubernetes mounts a
    /// ConfigMap. A link that leaves the root would put files into the bundle that nobody sees there.
    fn file(&mut self, path: PathBuf, name: String, kind: Kind) -> Result<(), BundleError> {
        if self.files.len() >= MAX_FILES {
            let message = format!("A bundle has at most {MAX_FILES} files.");
            return Err(BundleError::new("bundle.too_many_files", message).at(self.root, None));
        }
        let real = fs::canonicalize(&path).map_err(|error| unreadable(&path, &error))?;
        if !real.starts_with(self.real) {
            let message = "A link may not lead out of its bundle folder; copy the file into it.";
            return Err(BundleError::new("bundle.link_out_of_root", message).at(path, None));
        }
        let metadata = fs::metadata(&real).map_err(|error| unreadable(&path, &error))?;
        if !metadata.is_file() {
            let message = "Only regular files and links to them belong into a bundle.";
            return Err(BundleError::new("bundle.not_a_file", message).at(path, None));
        }
        if metadata.len() > MAX_FILE_BYTES {
            let message = format!("A file of a bundle has at most {MAX_FILE_BYTES} bytes.");
            return Err(BundleError::new("bundle.file_too_big", message).at(path, None));
        }
        let bytes = fs::read(&real).map_err(|error| unreadable(&path, &error))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            BundleError::new("bundle.not_utf8", "A file of a bundle is UTF-8.")
                .at(&path, u32::try_from(line).ok())
        })?;
        if text.starts_with('\u{feff}') {
            let message = "The file starts with a byte order mark; save it without one.";
            return Err(BundleError::new("bundle.byte_order_mark", message).at(path, Some(1)));
        }
        self.files.push(SourceFile { kind, path, name, text });
        Ok(())
    }
}

/// What the file is. A structured file with a name that nobody reads is refused: somebody meant it to have an effect.
fn kind_of(name: &str) -> Result<Option<Kind>, BundleError> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let Some((_, extension)) = file.rsplit_once('.') else { return Ok(None) };
    Ok(Some(match (extension, file, folder) {
        ("rego", _, _) if file.ends_with("_test.rego") => Kind::Test,
        ("rego", _, _) => Kind::Policy,
        ("yaml", _, "agents") => Kind::Agents,
        ("yaml", _, "servers") => Kind::Servers,
        (_, "data.yaml", _) => Kind::DataYaml,
        (_, "data.json", _) => Kind::DataJson,
        ("yaml" | "yml" | "json", _, _) => {
            let message = "Nothing reads this file. Data is `data.yaml` or `data.json` in any folder, agents are \
                           `agents/*.yaml` and servers are `servers/*.yaml` at the top of a bundle folder.";
            return Err(BundleError::new("bundle.unread_file", message));
        }
        _ => return Ok(None),
    }))
}

fn unreadable(path: &Path, error: &std::io::Error) -> BundleError {
    BundleError::new("bundle.unreadable", format!("Cannot be read: {error}.")).at(path, None)
}
