//! The kept bundles, loaded once each.

use std::collections::HashMap;
use std::path::PathBuf;

use interdict_policy::replay::{Exact, Judge};
use interdict_policy::{Bundle, KeptBundle};

use super::NotTestable;
use crate::audit::Layout;
use crate::cli::Failure;

/// A bundle with what judges by it.
pub(super) struct Kept {
    pub(super) bundle: Bundle,
    pub(super) judge: Judge,
}

/// Kept bundles by digest.
pub(super) struct Bundles {
    folder: PathBuf,
    loaded: HashMap<String, Result<Kept, NotTestable>>,
}

impl Bundles {
    pub(super) fn of(layout: &Layout) -> Self {
        Self { folder: layout.bundles(), loaded: HashMap::new() }
    }

    /// The kept bundle of a digest.
    pub(super) fn get(&mut self, digest: &str) -> Result<&mut Kept, NotTestable> {
        if !self.loaded.contains_key(digest) {
            self.loaded.insert(digest.to_owned(), self.load(digest));
        }
        match self.loaded.get_mut(digest) {
            Some(Ok(kept)) => Ok(kept),
            Some(Err(why)) => Err(why.clone()),
            None => {
                Err(NotTestable { code: "replay.bundle_not_kept", message: "bundle not kept".to_owned() })
            }
        }
    }

    /// Judges with the kept bundle and compares.
    pub(super) fn exact(&mut self, digest: &str, facts: &[u8], recorded: &[u8]) -> Exact {
        match self.get(digest) {
            Ok(kept) => kept.judge.exact(facts, recorded),
            Err(why) => Exact::Failed(why),
        }
    }

    fn load(&self, digest: &str) -> Result<Kept, NotTestable> {
        let missing = |why: &str| NotTestable {
            code: "replay.bundle_not_kept",
            message: format!("bundle {} not kept{why}", crate::cli::audit::short(digest)),
        };
        // What a record names is a digest before it is a part of a path.
        if interdict_audit::hex::decode32(digest).is_none() {
            return Err(missing(": the record names no digest"));
        }
        let bytes = std::fs::read(self.folder.join(format!("{digest}.json"))).map_err(|_| missing(""))?;
        let bundle = Bundle::from_kept(&bytes).map_err(|error| NotTestable {
            code: "replay.bundle_broken",
            message: format!("the kept bundle does not load: {error}"),
        })?;
        if bundle.digest() != digest {
            return Err(NotTestable {
                code: "replay.bundle_broken",
                message: "the kept bundle has another digest than its name".to_owned(),
            });
        }
        Ok(Kept { judge: Judge::new(&bundle), bundle })
    }
}

/// The bundle that was named on the command line.
pub(super) fn named(paths: &[PathBuf]) -> Result<Bundle, Failure> {
    let wrong = |error: interdict_policy::BundleError| Failure::usage(error.to_string());
    if let [only] = paths
        && only.extension().is_some_and(|end| end == "json")
    {
        let bytes =
            std::fs::read(only).map_err(|error| Failure::usage(format!("{}: {error}", only.display())))?;
        KeptBundle::read(&bytes).map_err(wrong)?;
        return Bundle::from_kept(&bytes).map_err(wrong);
    }
    Bundle::load(paths).map_err(wrong)
}
