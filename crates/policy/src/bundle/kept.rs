//! Content addressing: the list of files, its digest, and the form in which a bundle is kept for replay.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::files::{self, MAX_BYTES, MAX_FILE_BYTES, MAX_FILES, RawFile, Source, SourceFile, SourceRoot};
use super::{Kind, hex};
use crate::BundleError;

/// Text before the list of files in what is hashed: the digest of a bundle is the digest of nothing else.
const DOMAIN: &[u8] = b"interdict bundle 2\n";
/// Largest kept bundle: text grows at most sixfold in JSON, and most of it does not grow.
const MAX_KEPT_BYTES: usize = 6 * MAX_BYTES as usize;

/// One file that takes part in decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    /// The folder or archive that it is from, as the operator named it; tells files of one name apart.
    pub root: String,
    /// Path inside of its root with `/`.
    pub name: String,
    /// The content.
    pub text: String,
}

/// One file in the list. The members stand in the order of their names, so that plain serialisation is canonical JSON
/// (RFC 8785).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    sha256: String,
    size: u64,
}

/// The list of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileList {
    files: Vec<Listed>,
    v: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFile {
    name: String,
    sha256: String,
    text: String,
}

/// A kept bundle as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    v: u8,
    digest: String,
    manifest: FileList,
    files: Vec<KeptFile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signatures: Option<Vec<String>>,
}

impl FileList {
    pub(crate) fn of<'a>(files: impl IntoIterator<Item = &'a SourceFile>) -> Self {
        let listed = |file: &SourceFile| Listed {
            name: file.name.clone(),
            sha256: sha256(&file.text),
            size: file.text.len() as u64,
        };
        let mut files: Vec<Listed> =
            files.into_iter().filter(|file| file.kind != Kind::Test).map(listed).collect();
        files.sort();
        Self { files, v: 2 }
    }

    /// Canonical JSON.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        // Strings and a number: it cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn digest(&self) -> String {
        hex(&Sha256::new_with_prefix(DOMAIN).chain_update(self.canonical()).finalize())
    }
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn wrong(message: impl Into<String>) -> BundleError {
    BundleError::new("bundle.kept", message)
}

/// The kept form.
pub(crate) fn keep(files: &[SourceFile], signatures: &[String]) -> Vec<u8> {
    let manifest = FileList::of(files);
    let mut kept: Vec<KeptFile> = files
        .iter()
        .map(|file| KeptFile { name: file.name.clone(), sha256: sha256(&file.text), text: file.text.clone() })
        .collect();
    kept.sort_by(|one, other| (&one.name, &one.sha256).cmp(&(&other.name, &other.sha256)));
    let kept = Kept {
        v: 1,
        digest: manifest.digest(),
        manifest,
        files: kept,
        signatures: (!signatures.is_empty()).then(|| signatures.to_vec()),
    };
    serde_json::to_vec(&kept).unwrap_or_default()
}

/// What a kept bundle holds, with every hash computed again.
#[derive(Debug, Clone)]
pub struct KeptBundle {
    /// Its digest, computed from the files.
    pub digest: String,
    /// Its files.
    pub files: Vec<BundleFile>,
    /// Signatures that it came with, not checked here.
    pub signatures: Vec<String>,
}

impl KeptBundle {
    /// Reads the kept form and checks that it is whole.
    ///
    /// # Errors
    /// `bundle.kept` for anything that is not exactly what was kept.
    pub fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > MAX_KEPT_BYTES {
            return Err(wrong(format!("A kept bundle has at most {MAX_KEPT_BYTES} bytes.")));
        }
        let kept: Kept = serde_json::from_slice(bytes)
            .map_err(|error| wrong(format!("This is no kept bundle: {error}.")))?;
        if kept.v != 1 || kept.manifest.v != 2 {
            return Err(wrong("The kept bundle is of a form that this version does not know."));
        }
        check_sizes(&kept.files)?;
        let listed: Vec<Listed> = kept.files.iter().map(listed).collect::<Result<_, _>>()?;
        if listed != kept.manifest.files || !kept.manifest.files.is_sorted() {
            return Err(wrong("The list of files is not that of the files, or not in order."));
        }
        let digest = kept.manifest.digest();
        if digest != kept.digest {
            return Err(wrong(format!("The digest is {digest}, and not {} as it says.", kept.digest)));
        }
        // Roots are not kept: a name that comes again is of another root.
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut files = Vec::with_capacity(kept.files.len());
        for KeptFile { name, text, .. } in kept.files {
            let times = seen.entry(name.clone()).and_modify(|times| *times += 1).or_insert(1);
            let root = if *times == 1 { String::new() } else { format!("#{times}") };
            files.push(BundleFile { root, name, text });
        }
        Ok(Self { digest, files, signatures: kept.signatures.unwrap_or_default() })
    }
}

fn check_sizes(files: &[KeptFile]) -> Result<(), BundleError> {
    let total: u64 = files.iter().map(|file| file.text.len() as u64).sum();
    let largest = files.iter().map(|file| file.text.len() as u64).max().unwrap_or(0);
    // Several roots were read, each within its own limit.
    if files.len() > 16 * MAX_FILES || largest > MAX_FILE_BYTES || total > MAX_KEPT_BYTES as u64 {
        return Err(wrong("The kept bundle is larger than a bundle can be."));
    }
    Ok(())
}

fn listed(file: &KeptFile) -> Result<Listed, BundleError> {
    let bad = |part: &str| matches!(part, "" | "." | "..");
    if file.name.split('/').any(bad) || file.name.chars().any(char::is_control) {
        return Err(wrong("A file of the kept bundle has a name that no bundle has."));
    }
    if sha256(&file.text) != file.sha256 {
        return Err(wrong(format!("The content of `{}` is not what its hash says.", file.name)));
    }
    if !files::is_decisive(&file.name)? {
        return Err(wrong(format!("`{}` takes part in no decision and is never kept.", file.name)));
    }
    Ok(Listed { name: file.name.clone(), sha256: file.sha256.clone(), size: file.text.len() as u64 })
}

/// Files as if they had been read.
pub(crate) fn source(files: Vec<BundleFile>) -> Source {
    let mut roots: Vec<SourceRoot> = Vec::new();
    for BundleFile { root, name, text } in files {
        let file = RawFile { name, bytes: text.into_bytes() };
        match roots.iter_mut().find(|known| known.label == root) {
            Some(known) => known.files.push(file),
            None => roots.push(SourceRoot { label: root, files: vec![file] }),
        }
    }
    Source { roots }
}
