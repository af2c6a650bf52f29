//! Writing an evidence package.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use interdict_audit::checkpoint::Checkpoint;
use interdict_audit::hex;
use interdict_audit::merkle::{Hash, consistency_proof, range_proof};
use interdict_audit::note::{Note, NoteError, VerifierKey};
use interdict_audit::package::{Consistency, Package, Segment, SignedCheckpoint, Trust, VERSION, file};
use interdict_audit::record::{AnyBody, Entry, KeyEvent, Kind};
use serde::Deserialize;

use super::refused;
use crate::audit::{Layout, LogReader, StoredCheckpoint, StoredEntry};
use crate::cli::Failure;

/// Checkpoints of a package beside those at changes of the key: enough to say when what was signed.
const CHECKPOINTS: u64 = 1_000;
/// Checkpoints that are read at once.
const PAGE: u32 = 500;

/// What a package is made of.
pub(super) struct Plan<'a> {
    pub(super) layout: &'a Layout,
    pub(super) reader: &'a LogReader,
    /// The last checkpoint: everything is proved against it.
    pub(super) anchor: StoredCheckpoint,
    /// Stretches `from..to` in order, none touching the next.
    pub(super) segments: Vec<(u64, u64)>,
    /// Sizes of checkpoints that somebody kept.
    pub(super) kept: Vec<u64>,
    /// Notes that the package's own trust file names.
    pub(super) trusted: Vec<String>,
    /// Verifier keys of witnesses.
    pub(super) witnesses: Vec<String>,
}

/// What was written.
pub(super) struct Written {
    pub(super) records: u64,
    pub(super) checkpoints: u64,
    /// Bundles that decided and are not kept.
    pub(super) missing: Vec<String>,
}

/// What the records say on their way into the file.
#[derive(Default)]
struct Seen {
    records: u64,
    bundles: BTreeSet<String>,
    /// Sizes at which the key changed.
    rotations: BTreeSet<u64>,
    /// Keys that the log had before.
    previous: Vec<String>,
}

#[derive(Deserialize)]
struct Judged<'a> {
    #[serde(borrow)]
    judgements: Vec<OneJudgement<'a>>,
}

#[derive(Deserialize)]
struct OneJudgement<'a> {
    bundle: &'a str,
}

/// The key that signs now, as the folder states it.
pub(super) fn log_key(layout: &Layout) -> Result<VerifierKey, Failure> {
    let path = layout.log_vkey();
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    text.trim().parse().map_err(|error: NoteError| Failure::failed(format!("{}: {error}", path.display())))
}

/// First line of the log's checkpoints.
pub(super) fn origin(layout: &Layout, reader: &LogReader) -> Result<String, Failure> {
    let name = layout.read_name().map_err(refused)?;
    Ok(format!("{name}/{}", reader.tenant()))
}

impl Plan<'_> {
    /// Writes everything into an empty folder.
    pub(super) fn write(&self, folder: &Path) -> Result<Written, Failure> {
        let seen = self.write_records(&folder.join(file::RECORDS))?;
        let key = log_key(self.layout)?.to_string();
        let mut keys = seen.previous.clone();
        keys.push(key.clone());
        let checkpoints = self.write_checkpoints(&folder.join(file::CHECKPOINTS), &seen, &keys)?;
        let (bundles, missing) = self.write_bundles(&folder.join(file::BUNDLES), &seen.bundles)?;
        let package = Package {
            bundles,
            consistency: self.consistency()?,
            log_key: key,
            origin: origin(self.layout, self.reader)?,
            segments: self.proved()?,
            size: self.anchor.size,
            tenant: self.reader.tenant().to_owned(),
            v: VERSION,
        };
        write_json(&folder.join(file::PACKAGE), &package)?;
        let note = |note: &String| SignedCheckpoint { note: note.clone() };
        let trust = Trust {
            checkpoints: self.trusted.iter().map(note).collect(),
            log_keys: keys,
            quorum: 0,
            v: VERSION,
            witnesses: self.witnesses.clone(),
        };
        write_json(&folder.join(file::TRUST), &trust)?;
        Ok(Written { records: seen.records, checkpoints, missing })
    }

    fn write_records(&self, path: &Path) -> Result<Seen, Failure> {
        let mut out = create(path)?;
        let mut seen = Seen::default();
        for (from, to) in &self.segments {
            let mut failed = Ok(());
            let read = self.reader.range(*from, *to, |stored| {
                seen.note(&stored);
                failed = out.write_all(&stored.record).and_then(|()| out.write_all(b"\n"));
                if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            read.map_err(refused)?;
            failed.map_err(|error| fail(path, &error))?;
        }
        out.flush().map_err(|error| fail(path, &error))?;
        Ok(seen)
    }

    /// Those inside of the segments, thinned; all at which the key changed; the last one.
    fn write_checkpoints(&self, path: &Path, seen: &Seen, keys: &[String]) -> Result<u64, Failure> {
        let keys: Vec<VerifierKey> = keys.iter().filter_map(|key| key.parse().ok()).collect();
        let mut inside = 0_u64;
        self.each_checkpoint(|_| {
            inside += 1;
            Ok(())
        })?;
        let every = inside.div_ceil(CHECKPOINTS).max(1);
        let mut out = create(path)?;
        let (mut at, mut written) = (0_u64, 0_u64);
        self.each_checkpoint(|checkpoint| {
            let chosen = at.is_multiple_of(every) || seen.rotations.contains(&checkpoint.size);
            at += 1;
            // One by a key that is named nowhere in here proves nothing to anybody; one with a false signature goes in.
            let foreign = || {
                let opened = Checkpoint::open(checkpoint.note.as_bytes(), &keys);
                opened.is_err_and(|error| error.code() == "audit.note_unsigned")
            };
            if !chosen || checkpoint.size == self.anchor.size || foreign() {
                return Ok(());
            }
            written += 1;
            write_note(&mut out, &checkpoint.note).map_err(|error| fail(path, &error))
        })?;
        let last = write_note(&mut out, &self.anchor.note).and_then(|()| out.flush());
        last.map_err(|error| fail(path, &error))?;
        Ok(written + 1)
    }

    /// The checkpoints whose size lies in a segment.
    fn each_checkpoint(
        &self,
        mut each: impl FnMut(StoredCheckpoint) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for (from, to) in &self.segments {
            let mut above = *from;
            'pages: loop {
                let page = self.reader.checkpoints(Some(above), PAGE).map_err(refused)?;
                let Some(last) = page.last().map(|checkpoint| checkpoint.size) else { break };
                for checkpoint in page {
                    if checkpoint.size > *to {
                        break 'pages;
                    }
                    each(checkpoint)?;
                }
                above = last;
            }
        }
        Ok(())
    }

    fn write_bundles(
        &self,
        folder: &Path,
        named: &BTreeSet<String>,
    ) -> Result<(Vec<String>, Vec<String>), Failure> {
        std::fs::create_dir(folder).map_err(|error| fail(folder, &error))?;
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        // What a record names is a digest before it is a part of a path.
        for digest in named.iter().filter(|digest| hex::decode32(digest).is_some()) {
            let name = format!("{digest}.json");
            match std::fs::copy(self.layout.bundles().join(&name), folder.join(&name)) {
                Ok(_) => there.push(digest.clone()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => missing.push(digest.clone()),
                Err(error) => return Err(fail(&folder.join(&name), &error)),
            }
        }
        Ok((there, missing))
    }

    fn proved(&self) -> Result<Vec<Segment>, Failure> {
        let prove = |(from, to): &(u64, u64)| {
            let proof = range_proof(self.reader, *from, *to, self.anchor.size)
                .map_err(|error| Failure::failed(error.to_string()))?;
            Ok(Segment { from: *from, left: digits(&proof.left), right: digits(&proof.right), to: *to })
        };
        self.segments.iter().map(prove).collect()
    }

    fn consistency(&self) -> Result<Vec<Consistency>, Failure> {
        let prove = |from: &u64| {
            let proof = consistency_proof(self.reader, *from, self.anchor.size)
                .map_err(|error| Failure::failed(error.to_string()))?;
            Ok(Consistency { from: *from, proof: digits(&proof) })
        };
        self.kept.iter().filter(|from| **from <= self.anchor.size).map(prove).collect()
    }
}

impl Seen {
    /// What is not readable here the verifier will say.
    fn note(&mut self, stored: &StoredEntry) {
        self.records += 1;
        let Ok(entry) = Entry::read(&stored.record) else { return };
        match entry.kind {
            Kind::Decision => {
                if let Ok(judged) = serde_json::from_str::<Judged<'_>>(entry.body) {
                    for judgement in judged.judgements {
                        if !self.bundles.contains(judgement.bundle) {
                            self.bundles.insert(judgement.bundle.to_owned());
                        }
                    }
                }
            }
            Kind::Key => {
                if let Ok(AnyBody::Key(body)) = entry.body()
                    && body.event == KeyEvent::Rotated
                {
                    self.rotations.insert(stored.seq.saturating_add(1));
                    self.previous.extend(body.previous.map(std::borrow::Cow::into_owned));
                }
            }
            _ => {}
        }
    }
}

/// A checkpoint that somebody kept, as a file holds it: the note itself, or a line of a package.
pub(super) fn read_kept(path: &Path) -> Result<Checkpoint, Failure> {
    let wrong = |what: &dyn std::fmt::Display| Failure::usage(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let text = match serde_json::from_str::<SignedCheckpoint>(&text) {
        Ok(signed) => signed.note,
        Err(_) => text,
    };
    let note = Note::parse(text.as_bytes()).map_err(|error| wrong(&error))?;
    Checkpoint::parse(note.text()).map_err(|error| wrong(&error))
}

fn digits(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(hex::encode).collect()
}

fn write_note(out: &mut impl Write, note: &str) -> std::io::Result<()> {
    let signed = SignedCheckpoint { note: note.to_owned() };
    serde_json::to_writer(&mut *out, &signed)?;
    out.write_all(b"\n")
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut out = create(path)?;
    serde_json::to_writer_pretty(&mut out, value).map_err(|error| fail(path, &error.into()))?;
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(|error| fail(path, &error))
}

fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    File::create_new(path)
        .map(|file| BufWriter::with_capacity(1 << 20, file))
        .map_err(|error| fail(path, &error))
}

fn fail(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}
