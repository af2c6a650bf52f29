//! Content addressing: the list of files, its digest, and the form in which a bundle is kept for replay. The form itself
//! is the audit crate's, which proves it without knowing what a bundle means.

use std::collections::BTreeMap;

use interdict_audit::bundle::{self as form, KeptFile, Manifest as FileList, ManifestFile as Listed};
use interdict_audit::hex;
use sha2::{Digest as _, Sha256};

use super::Kind;
use super::files::{self, MAX_BYTES, MAX_FILE_BYTES, MAX_FILES, RawFile, Source, SourceFile, SourceRoot};
use crate::BundleError;

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

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// What files are sorted by.
pub(crate) fn order(file: &SourceFile) -> (String, String) {
    (file.name.clone(), sha256(&file.text))
}

/// The list of files that the digest is over.
pub(crate) fn manifest(files: &[SourceFile]) -> FileList {
    let listed = |file: &SourceFile| Listed {
        name: file.name.clone(),
        sha256: sha256(&file.text),
        size: file.text.len() as u64,
    };
    let mut files: Vec<Listed> = files.iter().filter(|file| file.kind != Kind::Test).map(listed).collect();
    files.sort();
    FileList { files, v: 2 }
}

/// Canonical JSON: members in the order of their names, texts and integers only.
pub(crate) fn canonical(list: &FileList) -> Vec<u8> {
    serde_json::to_vec(list).unwrap_or_default()
}

pub(crate) fn digest(list: &FileList) -> Result<String, BundleError> {
    list.digest().map_err(wrong)
}

fn wrong(message: impl Into<String>) -> BundleError {
    BundleError::new("bundle.kept", message)
}

/// The kept form of files that are in order.
pub(crate) fn keep(digest: &str, files: &[SourceFile], signatures: &[String]) -> Vec<u8> {
    let kept_file = |file: &SourceFile| KeptFile {
        name: file.name.clone(),
        sha256: sha256(&file.text),
        text: file.text.clone(),
    };
    let kept = form::KeptBundle {
        digest: digest.to_owned(),
        files: files.iter().map(kept_file).collect(),
        manifest: manifest(files),
        signatures: signatures.to_vec(),
        v: 1,
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
        let kept: form::KeptBundle = serde_json::from_slice(bytes)
            .map_err(|error| wrong(format!("This is no kept bundle: {error}.")))?;
        if kept.v != 1 || kept.manifest.v != 2 {
            return Err(wrong("The kept bundle is of a form that this version does not know."));
        }
        check_sizes(&kept.files)?;
        let listed: Vec<Listed> = kept.files.iter().map(listed).collect::<Result<_, _>>()?;
        if listed != kept.manifest.files || !kept.manifest.files.is_sorted() {
            return Err(wrong("The list of files is not that of the files, or not in order."));
        }
        let digest = digest(&kept.manifest)?;
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
        Ok(Self { digest, files, signatures: kept.signatures })
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
