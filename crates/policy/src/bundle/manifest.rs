//! What a bundle says of itself: OPA's `.manifest`, with our own part in `metadata.interdict`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::data;
use super::files::SourceFile;
use super::rego::Module;
use crate::BundleError;

/// The parts of a `.manifest` that are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// A name for people.
    #[serde(default)]
    pub revision: Option<String>,
    /// Paths of `data` that the bundle may hold; everything when absent.
    #[serde(default)]
    roots: Option<Vec<String>>,
    #[serde(default)]
    rego_version: Option<u8>,
    #[serde(default)]
    file_rego_versions: BTreeMap<String, u8>,
    #[serde(default)]
    wasm: Vec<serde_json::Value>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Metadata {
    #[serde(default)]
    interdict: Option<Term>,
}

/// When a bundle may be in force: what keeps an old one, however well signed, from coming back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Grows with every version.
    pub sequence: u64,
    /// Not in force before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Not in force from then on.
    pub expires_at: Timestamp,
}

impl Manifest {
    /// When the bundle may be in force, when it says so.
    #[must_use]
    pub fn term(&self) -> Option<&Term> {
        self.metadata.as_ref()?.interdict.as_ref()
    }

    pub(crate) fn read(file: &SourceFile) -> Result<Self, BundleError> {
        let wrong = |message: String| Err(BundleError::new("bundle.manifest", message).at(&file.path, None));
        let manifest: Self = data::read_json(file).and_then(|value| {
            serde_json::from_value(value).map_err(|error| {
                BundleError::new("bundle.manifest", format!("{error}.")).at(&file.path, None)
            })
        })?;
        if !manifest.wasm.is_empty() {
            return Err(BundleError::new(
                "bundle.wasm",
                "Compiled policies are not evaluated; publish the Rego.",
            )
            .at(&file.path, None));
        }
        if manifest
            .rego_version
            .iter()
            .chain(manifest.file_rego_versions.values())
            .any(|version| *version != 1)
        {
            return wrong("`rego_version` must be 1; version 0 is not read.".into());
        }
        if let Some(term) = manifest.term() {
            if term.sequence > (1 << 53) - 1 {
                return wrong("`metadata.interdict.sequence` is at most 9007199254740991.".into());
            }
            if term.not_before.is_some_and(|start| start >= term.expires_at) {
                return wrong("`metadata.interdict.not_before` must be before `expires_at`.".into());
            }
        }
        Ok(manifest)
    }

    /// Whether the bundle may hold something at this path of `data`.
    fn owns(&self, path: &[String]) -> bool {
        let Some(roots) = &self.roots else { return true };
        roots.iter().any(|root| {
            let root: Vec<&str> = root.split('/').filter(|part| !part.is_empty()).collect();
            path.len() >= root.len() && root.iter().zip(path).all(|(one, other)| one == other)
        })
    }

    /// Refuses a package outside of `roots`.
    pub(crate) fn check_package(&self, file: &SourceFile, module: &Module) -> Result<(), BundleError> {
        if self.owns(&module.package) {
            return Ok(());
        }
        let message = format!(
            "Package `{}` is in none of the `roots` of the bundle's `.manifest`.",
            module.package.join(".")
        );
        Err(BundleError::new("bundle.outside_of_roots", message).at(&file.path, None))
    }

    /// Refuses data outside of `roots`.
    pub(crate) fn check_data(&self, file: &SourceFile, value: &serde_json::Value) -> Result<(), BundleError> {
        let mut path: Vec<String> = file.folders().map(str::to_owned).collect();
        self.check_value(file, &mut path, value)
    }

    fn check_value(
        &self,
        file: &SourceFile,
        path: &mut Vec<String>,
        value: &serde_json::Value,
    ) -> Result<(), BundleError> {
        if self.owns(path) {
            return Ok(());
        }
        match value {
            serde_json::Value::Object(members) => {
                for (key, value) in members {
                    path.push(key.clone());
                    self.check_value(file, path, value)?;
                    path.pop();
                }
                Ok(())
            }
            _ => {
                let message = format!(
                    "`data.{}` is in none of the `roots` of the bundle's `.manifest`.",
                    path.join(".")
                );
                Err(BundleError::new("bundle.outside_of_roots", message).at(&file.path, None))
            }
        }
    }
}
