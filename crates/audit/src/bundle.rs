//! A kept policy bundle: all files that decided, in one JSON document that is named by its digest.
//!
//! ```text
//! digest = H("interdict bundle 2\n" ‖ JCS({"files": [{"name", "sha256", "size"}, ...], "v": 2}))
//! ```
//!
//! Here it is only checked that a document is the bundle that it is named after; what it means is the policy crate's.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex;

/// First bytes of what a bundle's digest is computed from.
pub const DIGEST_PREFIX: &[u8] = b"interdict bundle 2\n";

/// A kept bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptBundle {
    /// The digest that it claims.
    pub digest: String,
    /// Its files.
    pub files: Vec<KeptFile>,
    /// The list that the digest is computed from.
    pub manifest: Manifest,
    /// Signatures that came with it; whoever loads it checks them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<String>,
    /// Version of the form.
    pub v: u64,
}

/// A file of a kept bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptFile {
    /// Path inside of its root.
    pub name: String,
    /// SHA-256 of the text.
    pub sha256: String,
    /// The text.
    pub text: String,
}

/// The list of files that the digest is computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Sorted by name and digest.
    pub files: Vec<ManifestFile>,
    /// Version of the form: 2.
    pub v: u64,
}

/// A file of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Path inside of its root.
    pub name: String,
    /// SHA-256 of the text.
    pub sha256: String,
    /// Bytes of the text.
    pub size: u64,
}

impl KeptBundle {
    /// Reads a kept bundle and proves that its files are those of `digest`.
    ///
    /// # Errors
    /// What does not fit, for people.
    pub fn read(bytes: &[u8], digest: &str) -> Result<Self, String> {
        let kept: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut listed = Vec::with_capacity(kept.files.len());
        for file in &kept.files {
            let sha256 = hex::encode(Sha256::digest(file.text.as_bytes()));
            if sha256 != file.sha256 {
                return Err(format!("the text of `{}` has another digest than it says", file.name));
            }
            listed.push(ManifestFile { name: file.name.clone(), sha256, size: file.text.len() as u64 });
        }
        listed.sort();
        let manifest = Manifest { files: listed, v: 2 };
        if manifest != kept.manifest {
            return Err("its files are not those of its manifest".to_owned());
        }
        let found = manifest.digest()?;
        match found == kept.digest && found == digest {
            true => Ok(kept),
            false => Err(format!("its digest is {found}")),
        }
    }
}

impl Manifest {
    /// The digest of the bundle, 64 hex digits.
    ///
    /// # Errors
    /// Never in practice: texts and sizes can always be written.
    pub fn digest(&self) -> Result<String, String> {
        // Members in the order of their names, integers and texts only: what serde writes is canonical.
        let bytes = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        Ok(hex::encode(Sha256::new().chain_update(DIGEST_PREFIX).chain_update(bytes).finalize()))
    }
}
