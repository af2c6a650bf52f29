//! The files of a bundle: what was read from folders and tarballs, and what each file is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{folder, tarball};
use crate::BundleError;

/// Largest file of a bundle, in bytes. Policies and data are written by people; what is larger is a mistake.
pub(crate) const MAX_FILE_BYTES: u64 = 16 << 20;
/// All files of one root together, in bytes.
pub(crate) const MAX_BYTES: u64 = 64 << 20;
/// Most files in a bundle.
pub(crate) const MAX_FILES: usize = 10_000;
/// Deepest folder.
pub(crate) const MAX_DEPTH: usize = 32;
/// What a bundle says of itself.
pub(crate) const MANIFEST: &str = ".manifest";
/// Signatures over all other files; never part of a decision.
pub const SIGNATURES: &str = ".signatures.json";

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
    /// `contracts/*.yaml` at the top of a root.
    Contracts,
    /// `.manifest` at the top of a root.
    Manifest,
}

/// One file of the bundle, read.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    pub(crate) kind: Kind,
    /// Where it lies, for messages.
    pub(crate) path: PathBuf,
    /// The root that it is of, as the operator named it.
    pub(crate) root: String,
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

/// What was read and not yet looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// One for each folder or tarball.
    pub roots: Vec<SourceRoot>,
}

/// One folder or tarball.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRoot {
    /// Path or URL as the operator named it, for messages.
    pub label: String,
    /// Its files, sorted by name.
    pub files: Vec<RawFile>,
}

/// One file as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFile {
    /// Path inside of its root with `/`.
    pub name: String,
    /// The content.
    pub bytes: Vec<u8>,
}

impl Source {
    /// Reads folders and `.tar.gz` files. Of a folder only what has an effect or is a test; with `everything` all files
    /// that are not hidden, as a signature covers them.
    ///
    /// # Errors
    /// The first thing that cannot be read or may not be in a bundle.
    pub fn read(paths: &[PathBuf], everything: bool) -> Result<Self, BundleError> {
        if paths.is_empty() {
            return Err(BundleError::new("bundle.no_root", "No bundle folder is given; name at least one."));
        }
        let mut roots = Vec::new();
        let mut seen = Vec::new();
        for path in paths {
            let real = folder::real_path(path, &mut seen)?;
            let root = if tarball::is_tarball(path) {
                tarball::open(path, &real)?
            } else {
                folder::read(path, &real, everything)?
            };
            roots.push(root);
        }
        Ok(Self { roots })
    }

    /// Reads an OPA bundle: a gzip-compressed tar archive. `label` says in messages where it is from.
    ///
    /// # Errors
    /// The first thing that is wrong with the archive.
    pub fn from_tarball(label: &str, bytes: &[u8]) -> Result<Self, BundleError> {
        Ok(Self { roots: vec![tarball::read(label, bytes)?] })
    }

    /// The text of `.signatures.json` at the top of each root that has one.
    pub fn signatures(&self) -> impl Iterator<Item = &RawFile> {
        self.roots.iter().flat_map(|root| &root.files).filter(|file| file.name == SIGNATURES)
    }

    /// The files that are read, as texts.
    pub(crate) fn files(&self) -> Result<Vec<SourceFile>, BundleError> {
        let mut files = Vec::new();
        for root in &self.roots {
            let mut names = BTreeSet::new();
            for file in &root.files {
                let path = place(&root.label, &file.name);
                if !names.insert(file.name.as_str()) {
                    return Err(duplicate(&path));
                }
                let Some(kind) = kind_of(&file.name).map_err(|error| error.at(&path, None))? else {
                    continue;
                };
                let text = text(&file.bytes, &path)?;
                files.push(SourceFile {
                    kind,
                    path,
                    root: root.label.clone(),
                    name: file.name.clone(),
                    text,
                });
            }
        }
        Ok(files)
    }
}

/// Where a file lies, for messages.
pub(crate) fn place(root: &str, name: &str) -> PathBuf {
    if root.is_empty() { PathBuf::from(name) } else { Path::new(root).join(name) }
}

pub(crate) fn duplicate(path: &Path) -> BundleError {
    BundleError::new("bundle.duplicate_file", "This file is in its bundle twice; it may mean either.")
        .at(path, None)
}

/// Whether a file takes part in decisions, going by its name alone.
///
/// # Errors
/// A structured file that nothing reads.
pub fn is_decisive(name: &str) -> Result<bool, BundleError> {
    Ok(kind_of(name)?.is_some_and(|kind| kind != Kind::Test))
}

fn text(bytes: &[u8], path: &Path) -> Result<String, BundleError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        BundleError::new("bundle.not_utf8", "A file of a bundle is UTF-8.").at(path, u32::try_from(line).ok())
    })?;
    if text.starts_with('\u{feff}') {
        let message = "The file starts with a byte order mark; save it without one.";
        return Err(BundleError::new("bundle.byte_order_mark", message).at(path, Some(1)));
    }
    Ok(text.to_owned())
}

/// What the file is. A structured file with a name that nobody reads is refused: somebody meant it to have an effect.
pub(crate) fn kind_of(name: &str) -> Result<Option<Kind>, BundleError> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let refused = |code, message: &str| Err(BundleError::new(code, message));
    match (file, folder) {
        (MANIFEST, "") => return Ok(Some(Kind::Manifest)),
        (SIGNATURES, "") => return Ok(None),
        (MANIFEST | SIGNATURES, _) => {
            return refused(
                "bundle.unread_file",
                "This file stands at the top of a bundle and nowhere else.",
            );
        }
        ("patch.json", "") => {
            return refused(
                "bundle.delta",
                "A delta bundle changes data that nobody signed; publish the whole bundle.",
            );
        }
        _ if file.ends_with(".wasm") => {
            return refused("bundle.wasm", "Compiled policies are not evaluated; publish the Rego.");
        }
        _ => {}
    }
    let Some((_, extension)) = file.rsplit_once('.') else { return Ok(None) };
    Ok(Some(match (extension, file, folder) {
        ("rego", _, _) if file.ends_with("_test.rego") => Kind::Test,
        ("rego", _, _) => Kind::Policy,
        ("yaml", _, "agents") => Kind::Agents,
        ("yaml", _, "servers") => Kind::Servers,
        ("yaml", _, "contracts") => Kind::Contracts,
        (_, "data.yaml", _) => Kind::DataYaml,
        (_, "data.json", _) => Kind::DataJson,
        ("yaml" | "yml" | "json", _, _) => {
            return refused(
                "bundle.unread_file",
                "Nothing reads this file. Data is `data.yaml` or `data.json` in any folder, agents are \
                 `agents/*.yaml`, servers are `servers/*.yaml` and contracts are `contracts/*.yaml` at the top of a \
                 bundle folder.",
            );
        }
        _ => return Ok(None),
    }))
}

pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> BundleError {
    BundleError::new("bundle.unreadable", format!("Cannot be read: {error}.")).at(path, None)
}
