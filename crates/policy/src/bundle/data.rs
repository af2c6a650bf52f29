//! The data document: every `data.yaml` and `data.json` at its folder's place, merged without conflicts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Manifest;
use super::files::{Kind, SourceFile};
use crate::BundleError;

/// Deepest data document.
const MAX_DEPTH: usize = 64;

/// A tree of data that remembers which file each leaf came from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Data {
    root: BTreeMap<String, Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Folder(BTreeMap<String, Node>),
    Leaf(Value, PathBuf),
}

impl Data {
    /// Adds one file of a root with this manifest.
    pub(crate) fn add(&mut self, file: &SourceFile, manifest: Option<&Manifest>) -> Result<(), BundleError> {
        let value = match file.kind {
            Kind::DataJson => read_json(file)?,
            _ => read_yaml::<Value>(&file.text, &file.path)?,
        };
        let mut value = match value {
            // A file of comments only.
            Value::Null => return Ok(()),
            Value::Object(_) => value,
            _ => {
                let message = "A data file is a mapping at its top.";
                return Err(BundleError::new("bundle.data_not_a_mapping", message).at(&file.path, Some(1)));
            }
        };
        if let Some(manifest) = manifest {
            manifest.check_data(file, &value)?;
        }
        for folder in file.folders().collect::<Vec<_>>().into_iter().rev() {
            value = Value::Object([(folder.to_owned(), value)].into_iter().collect());
        }
        if let Value::Object(members) = value {
            for (key, value) in members {
                merge(&mut self.root, key, value, &file.path, &mut Vec::new())?;
            }
        }
        Ok(())
    }

    /// The whole document.
    pub(crate) fn document(&self) -> Value {
        folder_value(&self.root)
    }

    /// The members at this path, each with a file that it is from.
    pub(crate) fn members(&self, path: &[&str]) -> impl Iterator<Item = (&str, &Path)> {
        let mut folder = Some(&self.root);
        for part in path {
            folder = match folder.and_then(|folder| folder.get(*part)) {
                Some(Node::Folder(inner)) => Some(inner),
                _ => None,
            };
        }
        folder.into_iter().flatten().filter_map(|(name, node)| Some((name.as_str(), first_file(node)?)))
    }

    /// The file that put a value at `path` or below it, or above it as a leaf.
    pub(crate) fn owner_of(&self, path: &[String]) -> Option<&Path> {
        let mut folder = &self.root;
        let mut node = None;
        for part in path {
            node = folder.get(part);
            match node? {
                Node::Folder(inner) => folder = inner,
                Node::Leaf(_, file) => return Some(file),
            }
        }
        first_file(node?)
    }
}

fn first_file(node: &Node) -> Option<&Path> {
    match node {
        Node::Leaf(_, file) => Some(file),
        Node::Folder(inner) => inner.values().find_map(first_file),
    }
}

fn folder_value(folder: &BTreeMap<String, Node>) -> Value {
    let members = folder.iter().map(|(key, node)| {
        let value = match node {
            Node::Folder(inner) => folder_value(inner),
            Node::Leaf(value, _) => value.clone(),
        };
        (key.clone(), value)
    });
    Value::Object(members.collect())
}

fn merge(
    folder: &mut BTreeMap<String, Node>,
    key: String,
    value: Value,
    file: &Path,
    path: &mut Vec<String>,
) -> Result<(), BundleError> {
    path.push(key.clone());
    if path.len() > MAX_DEPTH {
        let message = format!("Data is at most {MAX_DEPTH} mappings deep.");
        return Err(BundleError::new("bundle.too_deep", message).at(file, None));
    }
    match value {
        Value::Object(members) if !members.is_empty() => {
            let node = folder.entry(key).or_insert_with(|| Node::Folder(BTreeMap::new()));
            let Node::Folder(inner) = node else { return Err(conflict(node, file, path)) };
            for (key, value) in members {
                merge(inner, key, value, file, path)?;
            }
        }
        value => {
            if let Some(node) = folder.get(&key) {
                return Err(conflict(node, file, path));
            }
            folder.insert(key, Node::Leaf(value, file.to_owned()));
        }
    }
    path.pop();
    Ok(())
}

fn conflict(node: &Node, file: &Path, path: &[String]) -> BundleError {
    let other = first_file(node).map_or_else(|| "another file".into(), |file| file.display().to_string());
    let message = format!(
        "`data.{}` is already set in {other}; each value is set in exactly one file.",
        path.join(".")
    );
    BundleError::new("bundle.data_conflict", message).at(file, None)
}

/// YAML, read strictly: no duplicate keys, no merge keys, only `true` and `false` as booleans.
pub(crate) fn read_yaml<T: serde::de::DeserializeOwned>(text: &str, file: &Path) -> Result<T, BundleError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().and_then(|location| u32::try_from(location.line()).ok());
        let text = error.without_snippet().to_string();
        BundleError::new("bundle.yaml", format!("{text}.")).at(file, line)
    })
}

/// JSON, read strictly.
pub(crate) fn read_json(file: &SourceFile) -> Result<Value, BundleError> {
    let limits = interdict_mcp::Limits {
        max_bytes: file.text.len(),
        max_depth: MAX_DEPTH,
        max_tokens: file.text.len(),
        numbers: interdict_mcp::Numbers::IJson,
    };
    // Strict first (serde_json keeps the last of two equal members), then into the tree.
    interdict_mcp::json::Document::parse(file.text.as_bytes(), &limits).map_err(|error| {
        let before = file.text.as_bytes().get(..error.offset).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        BundleError::new("bundle.json", format!("{error}.")).at(&file.path, u32::try_from(line).ok())
    })?;
    serde_json::from_str(&file.text).map_err(|error| {
        let line = u32::try_from(error.line()).ok();
        BundleError::new("bundle.json", format!("{error}.")).at(&file.path, line)
    })
}
