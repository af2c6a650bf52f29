//! A bundle in OPA's archive form: tar, compressed with gzip.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::files::{
    MAX_BYTES, MAX_DEPTH, MAX_FILE_BYTES, MAX_FILES, RawFile, SourceRoot, duplicate, place, unreadable,
};
use crate::BundleError;

/// Largest archive, compressed.
pub const MAX_ARCHIVE_BYTES: u64 = 32 << 20;
/// Headers and padding come on top of the files: three blocks for each, and the end.
const MAX_EXPANDED_BYTES: u64 = MAX_BYTES + (MAX_FILES as u64) * 1536 + 65_536;

/// Whether a path is read as an archive.
pub(crate) fn is_tarball(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    (name.ends_with(".tar.gz") || name.ends_with(".tgz")) && !path.is_dir()
}

/// Reads an archive from a file.
pub(crate) fn open(path: &Path, real: &Path) -> Result<SourceRoot, BundleError> {
    let metadata = fs::metadata(real).map_err(|error| unreadable(path, &error))?;
    if !metadata.is_file() {
        return Err(refused("bundle.not_a_file", "An archive is a regular file.").at(path, None));
    }
    if metadata.len() > MAX_ARCHIVE_BYTES {
        return Err(too_big().at(path, None));
    }
    let bytes = fs::read(real).map_err(|error| unreadable(path, &error))?;
    read(&path.display().to_string(), &bytes)
}

/// Reads an archive. Nothing of it is written anywhere: names are only names.
pub(crate) fn read(label: &str, bytes: &[u8]) -> Result<SourceRoot, BundleError> {
    if bytes.len() as u64 > MAX_ARCHIVE_BYTES {
        return Err(too_big().at(label, None));
    }
    let expanded = MultiGzDecoder::new(bytes).take(MAX_EXPANDED_BYTES);
    let mut archive = Archive::new(expanded);
    let broken = |error: std::io::Error| {
        refused("bundle.archive", format!("Not a gzip-compressed tar archive, or cut off: {error}."))
            .at(label, None)
    };
    let mut files: Vec<RawFile> = Vec::new();
    let mut names = BTreeSet::new();
    let mut left = MAX_BYTES;
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let name = name(&entry.path_bytes()).map_err(|error| error.at(label, None))?;
        match entry.header().entry_type() {
            // A comment for all files, as `git archive` writes it.
            EntryType::Directory | EntryType::XGlobalHeader => continue,
            EntryType::Regular | EntryType::Continuous => {}
            other => {
                let message = format!(
                    "An archive holds regular files and folders; links and devices ({other:?}) are refused."
                );
                return Err(refused("bundle.archive_entry", message).at(place(label, &name), None));
            }
        }
        let at = place(label, &name);
        if name.is_empty() {
            return Err(bad_name("").at(label, None));
        }
        if !names.insert(name.clone()) {
            return Err(duplicate(&at));
        }
        if names.len() > MAX_FILES {
            let message = format!("A bundle has at most {MAX_FILES} files.");
            return Err(refused("bundle.too_many_files", message).at(label, None));
        }
        let most = left.min(MAX_FILE_BYTES);
        if entry.size() > most {
            return Err(file_too_big().at(at, None));
        }
        let mut bytes = Vec::new();
        let size = entry.size();
        entry.take(most + 1).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 != size {
            return Err(refused("bundle.archive", "The archive is cut off.").at(at, None));
        }
        left = left.saturating_sub(size);
        files.push(RawFile { name, bytes });
    }
    // To the end, where the checksum is.
    let mut rest = archive.into_inner();
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(broken)?;
    if rest.limit() == 0 {
        return Err(too_big().at(label, None));
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(SourceRoot { label: label.to_owned(), files })
}

/// The name inside of the bundle. `opa build` writes a `/` before every name and `tar -C folder .` writes `./`; both
/// mean the top of the bundle.
fn name(bytes: &[u8]) -> Result<String, BundleError> {
    let Ok(full) = std::str::from_utf8(bytes) else { return Err(bad_name("")) };
    let name = full.strip_prefix("./").or_else(|| full.strip_prefix('/')).unwrap_or(full);
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.is_empty() || name == "." {
        return Ok(String::new());
    }
    let bad = |part: &str| matches!(part, "" | "." | "..");
    if name.chars().any(char::is_control) || name.contains('\\') || name.split('/').any(bad) {
        return Err(bad_name(full));
    }
    if name.split('/').count() > MAX_DEPTH + 1 {
        return Err(refused("bundle.too_deep", format!("Folders of a bundle are at most {MAX_DEPTH} deep.")));
    }
    Ok(name.to_owned())
}

fn refused(code: &'static str, message: impl Into<String>) -> BundleError {
    BundleError::new(code, message)
}

fn bad_name(name: &str) -> BundleError {
    let name: String = name.chars().filter(|character| !character.is_control()).take(200).collect();
    let message = format!(
        "The archive names a file `{name}`; a name is UTF-8 without `..`, `\\\\`, empty parts and control characters."
    );
    refused("bundle.file_name", message)
}

fn too_big() -> BundleError {
    refused(
        "bundle.too_big",
        format!("An archive has at most {MAX_ARCHIVE_BYTES} bytes, and {MAX_EXPANDED_BYTES} when expanded."),
    )
}

fn file_too_big() -> BundleError {
    let message = format!("A file of a bundle has at most {MAX_FILE_BYTES} bytes, all together {MAX_BYTES}.");
    refused("bundle.file_too_big", message)
}

/// An archive of these files: sorted, without times and owners, so that the same files give the same bytes.
///
/// # Errors
/// A name that is too long for the format.
pub fn write_tarball(files: &[RawFile]) -> std::io::Result<Vec<u8>> {
    let mut sorted: Vec<&RawFile> = files.iter().collect();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    let gzip = flate2::GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::best());
    let mut archive = tar::Builder::new(gzip);
    for file in sorted {
        let mut header = tar::Header::new_ustar();
        header.set_size(file.bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(EntryType::Regular);
        archive.append_data(&mut header, &file.name, &*file.bytes)?;
    }
    archive.into_inner()?.finish()
}
