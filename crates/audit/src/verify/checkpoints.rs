//! The signed checkpoints of a package, and those that the auditor kept.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Report, hashes};
use crate::checkpoint::Checkpoint;
use crate::merkle::{Frontier, Hash, verify_consistency};
use crate::note::{KeyKind, Note, NoteError, VerifierKey};
use crate::package::{Package, SignedCheckpoint, Trust, Unusable, file, read_limited};
use crate::record::{AnyBody, Entry, KeyEvent};

/// Largest `checkpoints.jsonl`, in bytes: a year of one checkpoint a minute has a tenth of it.
const MAX_FILE: u64 = 1 << 30;

/// A checkpoint and what became of it.
struct Known {
    root: Hash,
    /// `None` for one that the auditor kept: that is its proof.
    note: Option<Note>,
    /// Its root was computed from the records, or proved.
    reached: bool,
}

/// All checkpoints that are of this log.
pub(super) struct Checkpoints {
    origin: String,
    /// Keys whose signature counts at this point of the log.
    log_keys: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
    quorum: u64,
    by_size: BTreeMap<u64, Vec<Known>>,
    /// A record that changed the key, until the checkpoint behind it is reached.
    rotation: Option<Rotation>,
    /// Where the segments lead.
    root: Option<Hash>,
}

struct Rotation {
    size: u64,
    previous: VerifierKey,
    next: VerifierKey,
}

impl Checkpoints {
    pub(super) fn read(
        folder: &Path,
        package: &Package,
        trust: &Trust,
        trust_path: &Path,
        report: &mut Report,
    ) -> Result<Self, Unusable> {
        let mut checkpoints = Self {
            origin: package.origin.clone(),
            log_keys: keys(&trust.log_keys, KeyKind::Ed25519, trust_path)?,
            witnesses: keys(&trust.witnesses, KeyKind::Cosignature, trust_path)?,
            quorum: trust.quorum,
            by_size: BTreeMap::new(),
            rotation: None,
            root: None,
        };
        if checkpoints.log_keys.is_empty() {
            return Err(Unusable::new("verify.bad_trust", trust_path, "names no key of the log"));
        }
        if trust.quorum > checkpoints.witnesses.len() as u64 {
            return Err(Unusable::new(
                "verify.bad_trust",
                trust_path,
                "asks for more witnesses than it names",
            ));
        }
        // Whoever has the key could otherwise sign another history under another name, about which nobody kept anything.
        // A key is named after the server, for the logs of all its tenants, or after one log.
        let of_server = |key: &VerifierKey| format!("{}/{}", key.name(), package.tenant) == package.origin;
        let ends = package.origin.strip_suffix(package.tenant.as_str()).is_some_and(|log| log.ends_with('/'));
        let named = |key: &VerifierKey| of_server(key) || (ends && key.name() == package.origin);
        if !checkpoints.log_keys.iter().any(named) {
            let message = format!(
                "the log `{}` is not that of tenant `{}` under a trusted key's name",
                package.origin, package.tenant
            );
            report.find("verify.origin", None, message);
        }
        checkpoints.add_kept(trust, trust_path)?;
        checkpoints.add_package(folder, report)?;
        Ok(checkpoints)
    }

    /// What the auditor kept. A file may be about several logs; those of others are left out.
    fn add_kept(&mut self, trust: &Trust, path: &Path) -> Result<(), Unusable> {
        for kept in &trust.checkpoints {
            let bad = |what: &dyn std::fmt::Display| Unusable::new("verify.bad_trust", path, what);
            let note = Note::parse(kept.note.as_bytes()).map_err(|error| bad(&error))?;
            let checkpoint = Checkpoint::parse(note.text()).map_err(|error| bad(&error))?;
            if checkpoint.origin == self.origin {
                self.add(checkpoint.size, Known { root: checkpoint.root, note: None, reached: false });
            }
        }
        Ok(())
    }

    fn add_package(&mut self, folder: &Path, report: &mut Report) -> Result<(), Unusable> {
        let path = folder.join(file::CHECKPOINTS);
        let bytes = read_limited(&path, MAX_FILE)?;
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line: SignedCheckpoint = serde_json::from_slice(line)
                .map_err(|error| Unusable::new("verify.bad_file", &path, error))?;
            let note = match Note::parse(line.note.as_bytes()) {
                Ok(note) => note,
                Err(error) => {
                    report.find("verify.checkpoint", None, error);
                    continue;
                }
            };
            match Checkpoint::parse(note.text()) {
                Ok(Checkpoint { origin, size, root }) if origin == self.origin => {
                    self.add(size, Known { root, note: Some(note), reached: false });
                }
                Ok(other) => {
                    let message = format!("a checkpoint is of the log `{}`", other.origin);
                    report.find("verify.origin", None, message);
                }
                Err(error) => report.find("verify.checkpoint", None, error),
            }
        }
        Ok(())
    }

    fn add(&mut self, size: u64, known: Known) {
        self.by_size.entry(size).or_default().push(known);
    }

    /// The records lead to this tree: every checkpoint of its size must be of it.
    pub(super) fn reached(&mut self, tree: &Frontier, report: &mut Report) {
        let size = tree.size();
        let rotation = self.rotation.take_if(|rotation| rotation.size == size);
        let known = self.by_size.get_mut(&size);
        if known.is_none() && rotation.is_none() {
            return;
        }
        let root = tree.root();
        let mut vouched = false;
        for known in known.into_iter().flatten().filter(|known| !known.reached) {
            known.reached = true;
            if known.root != root {
                wrong_root(size, known, report);
                continue;
            }
            match &known.note {
                None => report.trusted_checkpoints = report.trusted_checkpoints.saturating_add(1),
                Some(note) => {
                    if signed(note, size, &self.log_keys, report) {
                        report.checkpoints = report.checkpoints.saturating_add(1);
                        vouched |= rotation.as_ref().is_some_and(|change| {
                            let both = [change.previous.clone(), change.next.clone()];
                            note.verified(&both).is_ok_and(|signatures| signatures.len() == both.len())
                        });
                    }
                }
            }
        }
        if let Some(Rotation { previous, next, .. }) = rotation {
            if vouched {
                // What the old key signs from here on is nobody's word.
                self.log_keys.retain(|key| *key != previous && *key != next);
                self.log_keys.push(next);
            } else {
                let message =
                    "the log changes its key here, and no checkpoint is signed by the old and the new one";
                report.find("verify.key_rotation", size.checked_sub(1), message);
            }
        }
    }

    /// A record about the log's key.
    pub(super) fn key_record(&mut self, entry: &Entry<'_>, seq: u64, report: &mut Report) {
        let Ok(AnyBody::Key(body)) = entry.body() else {
            return report.find("verify.bad_record", Some(seq), "is not about a key");
        };
        if body.event != KeyEvent::Rotated {
            return;
        }
        let read = |text: &Option<_>| -> Option<VerifierKey> {
            let text: &std::borrow::Cow<'_, str> = text.as_ref()?;
            text.parse().ok().filter(|key: &VerifierKey| key.kind() == KeyKind::Ed25519)
        };
        match (read(&body.previous), read(&body.key)) {
            (Some(previous), Some(next)) if self.log_keys.contains(&previous) => {
                self.rotation = seq.checked_add(1).map(|size| Rotation { size, previous, next });
            }
            // From a key that nobody trusts to another: whether the new one is trusted was said by the auditor.
            (Some(_), Some(_)) => {}
            _ => report.find("verify.bad_record", Some(seq), "names no keys"),
        }
    }

    /// A segment and its proof lead to this root of the whole tree.
    pub(super) fn anchor(&mut self, root: Hash, report: &mut Report) {
        match self.root {
            Some(before) if before != root => {
                report.find("verify.root", None, "two segments of the package lead to different trees");
            }
            _ => self.root = Some(root),
        }
    }

    /// What can be said once all records were read.
    pub(super) fn finish(
        &mut self,
        folder: &Path,
        package: &Package,
        report: &mut Report,
    ) -> Result<(), Unusable> {
        report.root = self.root.map(crate::hex::encode);
        self.find_forks(report);
        self.find_larger(package, report);
        self.check_anchor(package, report);
        self.prove_kept(folder, package, report)?;
        for (size, known) in &self.by_size {
            for note in known.iter().filter(|known| !known.reached).filter_map(|known| known.note.as_ref()) {
                signed(note, *size, &self.log_keys, report);
            }
        }
        Ok(())
    }

    fn find_forks(&self, report: &mut Report) {
        for (size, known) in &self.by_size {
            let mut roots = known.iter().map(|known| known.root);
            let first = roots.next();
            if roots.any(|root| Some(root) != first) {
                let message =
                    format!("there are two trees of {size} entries: somebody was shown another history");
                report.find("verify.fork", None, message);
            }
        }
    }

    fn find_larger(&self, package: &Package, report: &mut Report) {
        let Some((size, _)) = self.by_size.last_key_value() else { return };
        if *size > package.size {
            let message = format!("the log had {size} entries once, the package ends at {}", package.size);
            report.find("verify.truncated", None, message);
        }
    }

    /// Somebody signed the tree that everything was proved against.
    fn check_anchor(&mut self, package: &Package, report: &mut Report) {
        let known = self.by_size.get_mut(&package.size);
        let mut notes = known.into_iter().flatten().filter(|known| known.note.is_some()).peekable();
        if notes.peek().is_none() {
            let message = format!("no signed checkpoint has the size of the package, {}", package.size);
            report.find("verify.no_anchor", None, message);
            return;
        }
        let mut witnesses = 0;
        for known in notes {
            let first = !known.reached;
            known.reached = true;
            if self.root.is_some_and(|root| root != known.root) && first {
                wrong_root(package.size, known, report);
            }
            let Some(note) = &known.note else { continue };
            if first && signed(note, package.size, &self.log_keys, report) {
                report.checkpoints = report.checkpoints.saturating_add(1);
            }
            match note.verified(&self.witnesses) {
                Ok(signatures) => witnesses = witnesses.max(signatures.len() as u64),
                Err(error) => report.find("verify.witness", None, error),
            }
        }
        report.witnesses = witnesses;
        if witnesses < self.quorum {
            let message = format!("{witnesses} witnesses cosigned the tree, {} are asked for", self.quorum);
            report.find("verify.witness_quorum", None, message);
        }
    }

    /// The log still contains what the auditor's checkpoints say.
    fn prove_kept(&mut self, folder: &Path, package: &Package, report: &mut Report) -> Result<(), Unusable> {
        let anchor = self.by_size.get(&package.size).and_then(|known| known.first()).map(|known| known.root);
        let led_to = self.root;
        for (size, known) in &mut self.by_size {
            for known in known.iter_mut().filter(|known| known.note.is_none() && !known.reached) {
                if *size > package.size {
                    continue;
                }
                if *size == package.size && led_to == Some(known.root) {
                    known.reached = true;
                    report.trusted_checkpoints = report.trusted_checkpoints.saturating_add(1);
                    continue;
                }
                let proof = package.consistency.iter().find(|proof| proof.from == *size);
                let (Some(proof), Some(anchor)) = (proof, anchor) else {
                    // What was cut or changed does not reach the checkpoint: that is no matter of a missing proof.
                    if report.verdict == super::Verdict::Tampered {
                        continue;
                    }
                    let what = format!(
                        "does not show how it follows from your checkpoint of {size} entries; \
                         export it again with that checkpoint (--since-checkpoint)"
                    );
                    return Err(Unusable::new("verify.unproven_checkpoint", folder, what));
                };
                known.reached = true;
                let proved =
                    hashes(&proof.proof).ok_or_else(|| "a hash of the proof is malformed".to_owned());
                let proved = proved.and_then(|proof| {
                    verify_consistency(*size, package.size, &proof, &known.root, &anchor)
                        .map_err(|error| error.to_string())
                });
                match proved {
                    Ok(()) => report.trusted_checkpoints = report.trusted_checkpoints.saturating_add(1),
                    Err(error) => {
                        let message = format!(
                            "the log is not a continuation of your checkpoint of {size} entries: {error}"
                        );
                        report.find("verify.inconsistent", None, message);
                    }
                }
            }
        }
        Ok(())
    }
}

fn wrong_root(size: u64, known: &Known, report: &mut Report) {
    let (code, whose) = match known.note {
        Some(_) => ("verify.root", "the signed checkpoint"),
        None => ("verify.inconsistent", "your checkpoint"),
    };
    report.find(code, None, format!("the first {size} entries have another root than {whose} of that size"));
}

/// Whether one of the keys signed; what is wrong goes into the report.
fn signed(note: &Note, size: u64, keys: &[VerifierKey], report: &mut Report) -> bool {
    match note.open(keys) {
        Ok(_) => true,
        Err(error @ (NoteError::Unsigned | NoteError::BadSignature)) => {
            report.find("verify.signature", None, format!("checkpoint of {size} entries: {error}"));
            false
        }
        Err(error) => {
            report.find("verify.checkpoint", None, format!("checkpoint of {size} entries: {error}"));
            false
        }
    }
}

fn keys(texts: &[String], kind: KeyKind, path: &Path) -> Result<Vec<VerifierKey>, Unusable> {
    let read = |text: &String| {
        let key: VerifierKey =
            text.parse().map_err(|error: NoteError| Unusable::new("verify.bad_trust", path, error))?;
        match key.kind() == kind {
            true => Ok(key),
            false => {
                Err(Unusable::new("verify.bad_trust", path, format!("`{text}` is a key of another kind")))
            }
        }
    };
    texts.iter().map(read).collect()
}
