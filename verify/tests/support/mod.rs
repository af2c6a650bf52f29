//! A small log, made the same way every time, and packages of it. Keys, times and texts are fixed, so the vectors in
//! `tests/vectors/audit` can be compared byte for byte with what is made here.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops where it cannot go on"
)]

pub mod cases;

use std::path::Path;

use interdict_audit::bundle::{Manifest, ManifestFile};
use interdict_audit::checkpoint::Checkpoint;
use interdict_audit::hex;
use interdict_audit::merkle::{Frontier, Hash, Leaves, consistency_proof, leaf_hash, range_proof};
use interdict_audit::note::{Cosigner, Signer};
use interdict_audit::package::{Consistency, Package, Segment, SignedCheckpoint, Trust, file};
use interdict_audit::record::{Kind, Moment, wrap};
use serde_json::{Value, json};

pub const NAME: &str = "interdict-00000000000000aa";
pub const TENANT: &str = "acme";
/// 2026-11-21T14:30:00Z.
const START_MS: i64 = 1_795_271_400_000;

/// Keys of the log: what a real one keeps in a file.
pub fn log_key(number: u8) -> Signer {
    Signer::new(NAME, &[number; 32]).unwrap()
}

pub fn witness(number: u8) -> Cosigner {
    Cosigner::new(&format!("witness-{number}.example"), &[100 + number; 32]).unwrap()
}

/// Entries of one tenant.
#[derive(Clone)]
pub struct Log {
    pub name: String,
    pub tenant: String,
    pub entries: Vec<Vec<u8>>,
}

impl Log {
    pub fn new(name: &str, tenant: &str) -> Self {
        Self { name: name.to_owned(), tenant: tenant.to_owned(), entries: Vec::new() }
    }

    /// A day in the life: a start, a bundle, decisions of every verdict, their outcomes.
    pub fn story() -> Self {
        let mut log = Self::new(NAME, TENANT);
        let bundle = bundle_digest();
        log.add(
            Kind::Start,
            &json!({
                "build": "interdict 0.1.0", "config_digest": "c0".repeat(32), "durability": "consequential",
                "engine": "regorus 0.14.1", "replica": "interdict-0",
            }),
        );
        log.add(Kind::Bundle, &json!({ "digest": bundle, "event": "loaded", "source": "policies" }));
        for number in 1..=5 {
            log.add(Kind::Decision, &decision(number, "allow", "policy.tool_granted", &bundle));
            log.add(
                Kind::Outcome,
                &json!({
                    "bytes": 100 * number, "decision_id": decision_id(number), "duration_us": 1_500 + number,
                    "ended": "complete", "http_status": 200, "late": false, "rpc": "result",
                }),
            );
        }
        log.add(Kind::Decision, &decision(6, "deny", "policy.amount_too_high", &bundle));
        log.add(Kind::Decision, &decision(7, "intercept", "policy.needs_approval", &bundle));
        log.add(Kind::Decision, &decision(8, "allow", "policy.tool_granted", &bundle));
        log.add(Kind::OutcomeMissing, &json!({ "deadline_seconds": 300, "decision_id": decision_id(8) }));
        log.add(Kind::Stop, &json!({ "clean": true, "replica": "interdict-0" }));
        log
    }

    pub fn add(&mut self, kind: Kind, body: &Value) {
        let seq = self.entries.len() as u64;
        let prev = self.entries.last().map_or([0; 32], |entry| leaf_hash(entry));
        let ts = Moment::from_unix_ms(START_MS + 137 * i64::try_from(seq).unwrap());
        // serde_json keeps the members of an object sorted, which is canonical for ASCII names.
        let body = serde_json::to_vec(body).unwrap();
        self.entries.push(wrap(kind, &hex::encode(prev), seq, &self.tenant, ts, &body));
    }

    /// The same entries, `change`d, numbered and chained anew: what somebody with the file but without the key can make.
    pub fn rewritten(&self, change: impl FnOnce(&mut Vec<Value>)) -> Self {
        let mut values: Vec<Value> =
            self.entries.iter().map(|entry| serde_json::from_slice(entry).unwrap()).collect();
        change(&mut values);
        let mut log = Self::new(&self.name, &self.tenant);
        for value in values {
            let kind = Kind::from_label(value["kind"].as_str().unwrap()).unwrap();
            log.add(kind, &value["body"]);
        }
        log
    }

    pub fn leaves(&self) -> Vec<Hash> {
        self.entries.iter().map(|entry| leaf_hash(entry)).collect()
    }

    pub fn origin(&self) -> String {
        format!("{}/{}", self.name, self.tenant)
    }

    pub fn checkpoint(&self, size: usize) -> Checkpoint {
        let mut tree = Frontier::new();
        for leaf in &self.leaves()[..size] {
            tree.append(*leaf).unwrap();
        }
        Checkpoint { origin: self.origin(), size: size as u64, root: tree.root() }
    }

    pub fn note(&self, size: usize, key: &Signer) -> String {
        self.checkpoint(size).sign(key).unwrap().to_string()
    }

    pub fn cosigned(&self, size: usize, key: &Signer, witnesses: &[u8]) -> String {
        let checkpoint = self.checkpoint(size);
        let mut note = checkpoint.sign(key).unwrap();
        for number in witnesses {
            note.add(witness(*number).cosign(&checkpoint.text(), 1_795_271_500).unwrap()).unwrap();
        }
        note.to_string()
    }

    /// A package of these ranges, proved against the whole log, with checkpoints of these sizes.
    pub fn package(&self, ranges: &[(usize, usize)], checkpoints: &[usize]) -> Folder {
        let size = self.entries.len();
        let leaves = self.leaves();
        let segments = ranges.iter().map(|(from, to)| {
            let proof = range_proof(&Leaves(&leaves), *from as u64, *to as u64, size as u64).unwrap();
            Segment {
                from: *from as u64,
                left: proof.left.iter().map(hex::encode).collect(),
                right: proof.right.iter().map(hex::encode).collect(),
                to: *to as u64,
            }
        });
        let key = log_key(1);
        let log_key = key.verifier().to_string();
        Folder {
            package: Package {
                bundles: vec![bundle_digest()],
                consistency: Vec::new(),
                log_key: log_key.clone(),
                origin: self.origin(),
                segments: segments.collect(),
                size: size as u64,
                tenant: self.tenant.clone(),
                v: 1,
            },
            records: ranges.iter().flat_map(|(from, to)| self.entries[*from..*to].to_vec()).collect(),
            notes: checkpoints.iter().map(|size| self.note(*size, &key)).collect(),
            bundles: vec![(bundle_digest(), kept_bundle())],
            trust: Trust { log_keys: vec![log_key], v: 1, ..Trust::default() },
        }
    }

    /// The whole log with a checkpoint every five entries and at the end.
    pub fn whole(&self) -> Folder {
        let size = self.entries.len();
        let mut checkpoints: Vec<usize> = (5..size).step_by(5).collect();
        checkpoints.push(size);
        self.package(&[(0, size)], &checkpoints)
    }

    pub fn consistency(&self, from: usize) -> Consistency {
        let leaves = self.leaves();
        let proof = consistency_proof(&Leaves(&leaves), from as u64, leaves.len() as u64).unwrap();
        Consistency { from: from as u64, proof: proof.iter().map(hex::encode).collect() }
    }
}

/// A package before it is written.
#[derive(Clone)]
pub struct Folder {
    pub package: Package,
    pub records: Vec<Vec<u8>>,
    pub notes: Vec<String>,
    pub bundles: Vec<(String, String)>,
    pub trust: Trust,
}

impl Folder {
    pub fn keep(mut self, note: String) -> Self {
        self.trust.checkpoints.push(SignedCheckpoint { note });
        self
    }

    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder.join(file::BUNDLES)).unwrap();
        let pretty = |value: &Value| format!("{}\n", serde_json::to_string_pretty(value).unwrap());
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write(file::PACKAGE, &pretty(&json!(self.package)));
        write(file::TRUST, &pretty(&json!(self.trust)));
        let mut records = Vec::new();
        for record in &self.records {
            records.extend_from_slice(record);
            records.push(b'\n');
        }
        std::fs::write(folder.join(file::RECORDS), records).unwrap();
        let notes: String = self.notes.iter().map(|note| format!("{}\n", json!({ "note": note }))).collect();
        write(file::CHECKPOINTS, &notes);
        for (digest, text) in &self.bundles {
            std::fs::write(folder.join(file::BUNDLES).join(format!("{digest}.json")), text).unwrap();
        }
    }
}

pub fn decision_id(number: u64) -> String {
    format!("019aa6c1-8000-7000-8000-{number:012}")
}

fn decision(number: u64, verdict: &str, reason: &str, bundle: &str) -> Value {
    let digest = |what: &str| hex::encode(leaf_hash(format!("{what} {number}").as_bytes()));
    json!({
        "action": {
            "args": { "commit": digest("arguments") }, "era": "2025-11-25", "kind": "request",
            "method": "tools/call", "path": "/mcp", "server": "crm", "target": "pay_invoice",
        },
        "agent": { "assurance": 2, "id": "billing", "owner": "olga" },
        "body_bytes": 187 + number,
        "decision_id": decision_id(number),
        "enforcer": { "kind": "call", "route": "mcp", "version": "0.1.0" },
        "expects_outcome": verdict == "allow",
        "input_commit": digest("input"),
        "judgements": [{
            "bundle": bundle, "decision_commit": digest("decision"), "obligations": [],
            "reasons": [{ "code": reason, "kind": verdict, "topic": "tools" }], "verdict": verdict,
        }],
        "latency_us": { "approval": 0, "identity": 21, "policy": 64, "read": 2, "total": 118 },
        "policy": { "build": "interdict 0.1.0", "bundle": bundle, "engine": "regorus 0.14.1" },
        "principal": { "id": "noor", "issuer": "https://login.example" },
        "reason": reason,
        "reasons": [reason],
        "replica": "interdict-0",
        "request": { "id": format!("5a1f0c9e-2f0b-4d59-9a53-{number:012}"), "source_address": "10.0.3.17" },
        "stage": "record",
        "verdict": verdict,
    })
}

fn bundle_files() -> Vec<(&'static str, &'static str)> {
    vec![
        ("agents/agents.yaml", "agents:\n  - id: billing\n    owner: olga\n"),
        ("tools/tools.rego", "package interdict.tools\n\nallow contains {\"code\": \"tool_granted\"}\n"),
    ]
}

fn manifest() -> Manifest {
    let mut files: Vec<_> = bundle_files()
        .into_iter()
        .map(|(name, text)| ManifestFile {
            name: name.to_owned(),
            sha256: sha256(text),
            size: text.len() as u64,
        })
        .collect();
    files.sort();
    Manifest { files, v: 2 }
}

pub fn bundle_digest() -> String {
    manifest().digest().unwrap()
}

pub fn kept_bundle() -> String {
    let files: Vec<_> = bundle_files()
        .into_iter()
        .map(|(name, text)| json!({ "name": name, "sha256": sha256(text), "text": text }))
        .collect();
    json!({ "digest": bundle_digest(), "files": files, "manifest": manifest(), "v": 1 }).to_string()
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(text.as_bytes()))
}
