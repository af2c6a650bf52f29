//! Which changed files make a decision flip, and which rules stand behind it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Flip, FlipKind, Judge, NotTestable, Place, compare, rules};
use crate::{Bundle, BundleError, BundleFile, Decision, Facts, Reason};

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Only the new bundle has it.
    Added,
    /// Only the old bundle has it.
    Removed,
    /// Both have it with different content.
    Modified,
}

/// One changed file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Name inside of its root.
    pub file: String,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What makes the difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Each of these changes does it alone.
    EachAlone(Vec<Change>),
    /// No change does it alone; these do it together, and none of them can be left out.
    Together(Vec<Change>),
}

/// A reason and where its rule stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located {
    /// The reason.
    pub reason: Reason,
    /// The rules that can give it; empty when no rule does, as for `policy.no_allow`.
    pub places: Vec<Place>,
}

/// Why a decision flips.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What changes.
    pub flip: Flip,
    /// All files in which the bundles differ.
    pub changes: Vec<Change>,
    /// Those that make the difference.
    pub cause: Cause,
    /// Reasons that come, with their rules in the new bundle.
    pub added: Vec<Located>,
    /// Reasons that go, with their rules in the old bundle.
    pub removed: Vec<Located>,
}

/// Why there is no explanation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// One of the two bundles cannot be loaded.
    #[error("{0}")]
    Bundle(#[from] BundleError),
    /// The facts cannot be judged.
    #[error("{0}")]
    NotTestable(NotTestable),
}

impl From<NotTestable> for ExplainError {
    fn from(error: NotTestable) -> Self {
        Self::NotTestable(error)
    }
}

/// Explains the difference that `new` makes to these facts; `None` when it makes none. The changed files are applied to
/// the old bundle one at a time; a mixture that is no bundle reproduces nothing.
///
/// # Errors
/// When one of the bundles does not load or the facts cannot be judged.
pub fn explain(
    old: &[BundleFile],
    new: &[BundleFile],
    facts: &Facts,
) -> Result<Option<Explanation>, ExplainError> {
    let judge = |files: Vec<BundleFile>| -> Result<Decision, ExplainError> {
        Ok(Judge::new(&Bundle::from_files(files)?).judge(facts)?)
    };
    let (before, after) = (judge(old.to_vec())?, judge(new.to_vec())?);
    let Some(flip) = compare(&before, &after) else { return Ok(None) };
    let edits = edits(old, new);
    let reproduces = |chosen: &[&Edit<'_>]| {
        judge(apply(old, chosen)).is_ok_and(|decision| match flip.kind() {
            FlipKind::Verdict => decision.verdict == after.verdict,
            FlipKind::Obligations | FlipKind::Reasons => decision == after,
        })
    };
    let alone: Vec<Change> =
        edits.iter().filter(|edit| reproduces(&[edit])).map(|edit| edit.change.clone()).collect();
    let cause = match alone.is_empty() {
        false => Cause::EachAlone(alone),
        true => Cause::Together(minimal(&edits, reproduces)),
    };
    let located = |reasons: &[Reason], files: &[BundleFile]| {
        let locate =
            |reason: &Reason| Located { reason: reason.clone(), places: rules::places(files, reason) };
        reasons.iter().map(locate).collect()
    };
    Ok(Some(Explanation {
        added: located(&flip.added, new),
        removed: located(&flip.removed, old),
        changes: edits.into_iter().map(|edit| edit.change).collect(),
        flip,
        cause,
    }))
}

/// Leaves out one change after the other, as long as the rest still does it.
fn minimal(edits: &[Edit<'_>], reproduces: impl Fn(&[&Edit<'_>]) -> bool) -> Vec<Change> {
    let mut chosen: Vec<&Edit<'_>> = edits.iter().collect();
    for edit in edits {
        let rest: Vec<&Edit<'_>> =
            chosen.iter().copied().filter(|other| !std::ptr::eq(*other, edit)).collect();
        if reproduces(&rest) {
            chosen = rest;
        }
    }
    chosen.into_iter().map(|edit| edit.change.clone()).collect()
}

/// A change with what it takes away and what it brings.
#[derive(Debug)]
struct Edit<'f> {
    change: Change,
    old: Option<&'f BundleFile>,
    new: Option<&'f BundleFile>,
}

/// The differences, by name and content: roots are only labels, and a kept bundle has lost them.
fn edits<'f>(old: &'f [BundleFile], new: &'f [BundleFile]) -> Vec<Edit<'f>> {
    let mut names: BTreeMap<&str, (Vec<&BundleFile>, Vec<&BundleFile>)> = BTreeMap::new();
    for file in old {
        names.entry(&file.name).or_default().0.push(file);
    }
    for file in new {
        let (before, after) = names.entry(&file.name).or_default();
        match before.iter().position(|other| other.text == file.text) {
            Some(same) => drop(before.swap_remove(same)),
            None => after.push(file),
        }
    }
    let mut edits = Vec::new();
    for (name, (before, after)) in names {
        for index in 0..before.len().max(after.len()) {
            let (old, new) = (before.get(index).copied(), after.get(index).copied());
            let kind = match (old, new) {
                (None, _) => ChangeKind::Added,
                (_, None) => ChangeKind::Removed,
                _ => ChangeKind::Modified,
            };
            edits.push(Edit { change: Change { file: name.to_owned(), kind }, old, new });
        }
    }
    edits
}

/// The old files with these changes.
fn apply(old: &[BundleFile], chosen: &[&Edit<'_>]) -> Vec<BundleFile> {
    let mut files = Vec::with_capacity(old.len());
    for file in old {
        match chosen.iter().find(|edit| edit.old.is_some_and(|gone| std::ptr::eq(gone, file))) {
            None => files.push(file.clone()),
            // The root stays: its label may differ between the bundles.
            Some(Edit { new: Some(new), .. }) => {
                files.push(BundleFile { text: new.text.clone(), ..file.clone() });
            }
            Some(_) => {}
        }
    }
    for new in chosen.iter().filter(|edit| edit.old.is_none()).filter_map(|edit| edit.new) {
        files.push(BundleFile { root: free_root(&files, new), ..new.clone() });
    }
    files
}

/// The first root in which there is no file of this name.
fn free_root(files: &[BundleFile], new: &BundleFile) -> String {
    let taken = |root: &str| files.iter().any(|file| file.root == root && file.name == new.name);
    let roots = files.iter().map(|file| file.root.as_str()).chain([new.root.as_str(), "+"]);
    roots.into_iter().find(|root| !taken(root)).unwrap_or("++").to_owned()
}
